"""How much memory does the head take? The fused heads against a naive one.

    python bench/head_memory.py [--results DIR]

Of the built-in model, and of small random encoders of every family with as many terms as that
usually has. Each engine runs in a fresh process: load, one tiny batch, reset the kernel's mark
of the highest resident memory, encode 32 texts of 256 tokens, read the mark. Naive means what
libraries do: logits [B, S, V] out of the graph, times the mask (a second array of that size),
then relu, log1p and maximum over the text, in place. Writes JSON, a table and a plot; exits 1 if
a target is missed.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
import onnx
from head_families import TERMS, graphs
from machine import machine, target
from report import Verdict, conclude, write

from spladed.ort import Session
from spladed_export.export import export
from spladed_export.onnx_export import masked_lm
from spladed_export.raw import RawGraph
from spladed_export.source import read

BATCH, LENGTH = 32, 256
MODEL = Path(__file__).parents[1] / "models" / "spladed-tiny-en"


def tokens(batch: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    ids = np.random.default_rng(0).integers(1_000, 30_000, (batch, length))
    return ids, np.ones_like(ids)


def fused(graph: str) -> None:
    session = Session(Path(graph), dimension=0)
    measure(lambda batch, length: session.run(*tokens(batch, length)))


def naive(graph: str) -> None:
    logits = RawGraph(Path(graph))

    def run(batch: int, length: int) -> np.ndarray:
        ids, mask = tokens(batch, length)
        weights = logits.run(ids, mask) * mask[:, :, None].astype(np.float32)
        np.log1p(np.maximum(weights, 0, out=weights), out=weights)
        return weights.max(axis=1)

    measure(run)


def measure(run: object) -> None:
    """Prints {"mb": growth of the peak over the loaded model, "seconds": one batch}."""
    assert callable(run)
    run(1, 8)
    # What loading has freed and the allocator kept would hide as much of what comes.
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM to VmRSS (man 5 proc)
    before = _status_kb("VmRSS")
    start = time.process_time()
    run(BATCH, LENGTH)
    seconds = time.process_time() - start
    print(json.dumps({"mb": (_status_kb("VmHWM") - before) / 1024, "cpu_seconds": seconds}))


def _status_kb(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field + ":")).split()[1])


def in_fresh_process(engine: str, graph: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--engine", engine, "--graph", str(graph)]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(3)]
    found = [json.loads(run.stdout) for run in runs]
    return {key: round(min(each[key] for each in found), 3) for key in found[0]}


def compare(results: Path) -> int:
    with tempfile.TemporaryDirectory() as folder:
        engines = builtin(Path(folder))
        families = {name: family(name, Path(folder, name)) for name in TERMS}
    verdicts = [
        Verdict(f"built-in, {name}", each["mb"], *wanted(name)) for name, each in engines.items()
    ]
    verdicts += [
        Verdict(f"{name}, {TERMS[name]:,} terms, {precision}", each["mb"], *wanted("fused"))
        for name, found in families.items()
        for precision, each in found.items()
    ]
    shape = {"texts": BATCH, "tokens": LENGTH, "terms": TERMS}
    content = {"shape": shape, "engines": engines, "families": families, "machine": machine()}
    write(results / "head_memory.json", content)
    plot(results / "head_memory.png", bars({"built-in": engines} | families))
    return conclude(verdicts)


def builtin(folder: Path) -> dict[str, dict[str, float]]:
    logits = folder / "logits.onnx"
    onnx.save(masked_lm(read(MODEL)), str(logits))
    fp32 = export(MODEL, folder / "fp32")
    int8 = export(MODEL, folder / "int8", precision="int8")
    return {
        "naive fp32": in_fresh_process("naive", logits),
        "fused fp32": in_fresh_process("fused", fp32.graph),
        "fused int8": in_fresh_process("fused", int8.graph),
    }


def family(name: str, folder: Path) -> dict[str, dict[str, float]]:
    """By precision."""
    made = graphs(name, folder)
    found = {precision: in_fresh_process("fused", graph) for precision, graph in made.items()}
    shutil.rmtree(folder)
    return found


def wanted(name: str) -> tuple[float, str, bool]:
    """The target, its unit, and whether more is worse."""
    if name.startswith("naive"):
        return target("head_memory", "naive_least_mb"), "MB", False
    return target("head_memory", "fused_most_mb"), "MB", True


def bars(found: dict[str, dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    return {
        f"{model}, {engine}": each for model, of in found.items() for engine, each in of.items()
    }


def plot(path: Path, engines: dict[str, dict[str, float]]) -> None:
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 1 + len(engines) / 4), layout="constrained")
    drawn = axes.barh(list(engines)[::-1], [each["mb"] for each in engines.values()][::-1])
    axes.bar_label(drawn, fmt="%.0f MB", padding=3)
    axes.axvline(target("head_memory", "fused_most_mb"), linestyle=":", color="black")
    axes.set_xscale("log")
    axes.set_xlim(left=10)
    axes.set_xlabel(f"peak over the loaded model, {BATCH} texts of {LENGTH} tokens (MB)")
    axes.margins(x=0.15)
    figure.savefig(path, dpi=110)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--engine", choices=["fused", "naive"], help=argparse.SUPPRESS)
    parser.add_argument("--graph", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.engine:
        {"fused": fused, "naive": naive}[arguments.engine](arguments.graph)
        return 0
    return compare(arguments.results)


if __name__ == "__main__":
    sys.exit(main())
