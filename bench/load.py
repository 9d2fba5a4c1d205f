"""How fast is a bulk load? Beside copying the bytes of its result, and Qdrant Edge.

    python bench/load.py [--documents N] [--passes N] [--folder DIR] [--csr FILE]

A Big-ANN .csr file of SPLADE-like rows (rows.py) is loaded into a new collection, in a fresh
process, from opening the file until everything is durable. Then the files of the collection are
copied: read, written, fsynced. Passes of both are interleaved, and the load has to reach half
the speed of the copy. Anonymous memory is sampled, with half of the rows too: it must not grow
with them. Qdrant Edge takes fewer of the same rows: upserts of 1,000, one flush at the end.
Writes JSON, a table and a plot; exits 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from machine import target
from peers import open_engine
from report import RESULTS, Verdict, conclude, surroundings, write
from rows import Rows
from usage import Used, folder_bytes
from worker import apart

from spladed.index import Collection, CollectionSettings
from spladed.jobs.vectors import Chunk, Options, open_vectors, write_vectors

DIMENSION = 30_522
QDRANT_SHARE = 5  # it takes every fifth part of the rows, from the first on: it is slower
QDRANT_BATCH = 1_000
BLOCK = 8 << 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where files and stores lie (temporary)")
    parser.add_argument("--csr", type=Path, help="made here unless it is there, and kept")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    found: dict[str, Any] = {"machine": surroundings(), "documents": arguments.documents}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        csr = arguments.csr or folder / "rows.csr"
        make(csr, arguments.documents)
        found |= {"csr_bytes": csr.stat().st_size}
        found |= compared(csr, folder, arguments.documents, arguments.passes)
    found["speed_over_copy"] = ratios(found)
    write(arguments.results / "load.json", found)
    show(found)
    plot(found, arguments.results / "load.png")
    return conclude(verdicts(found))


def make(csr: Path, documents: int) -> None:
    if csr.exists():
        return
    chunks = (Chunk([], rows) for rows in Rows(DIMENSION).documents(documents))
    write_vectors(csr, chunks, dimension=DIMENSION)


def compared(csr: Path, folder: Path, documents: int, passes: int) -> dict[str, Any]:
    """Loads of all rows and copies of what they made, in turns; then half of them, and Qdrant."""
    loads, copies, peers = [], [], []
    for _ in range(passes):
        loads.append(loaded(load, csr, folder / "load", documents))
        copies.append(copied(folder / "load", folder / "copy"))
        shutil.rmtree(folder / "load")
        peers.append(loaded(load_qdrant, csr, folder / "qdrant", documents // QDRANT_SHARE))
        shutil.rmtree(folder / "qdrant")
    half = loaded(load, csr, folder / "half", documents // 2)
    return {"loads": loads, "copies": copies, "half": half, "qdrant_edge": peers}


def loaded(work: Any, csr: Path, folder: Path, documents: int) -> dict[str, float]:
    """One load in a fresh process, with the most memory it took beyond its imports."""
    result, watch = apart(work, csr, folder, documents)
    return result | {"peak_mb": (watch.peak_bytes - watch.samples[0].anonymous_bytes) / 1e6}


def load(csr: Path, folder: Path, documents: int) -> dict[str, float]:
    with Collection.create(folder, CollectionSettings(DIMENSION)) as collection:
        before = Used.now()
        with collection.load() as load:
            for chunk in first(csr, documents):
                load.add(chunk.ids, chunk.vectors)
        used = Used.now().since(before)
        assert load.durable == documents == collection.stats().documents
        segments = collection.stats().segments
    return used | {"documents": documents, "segments": segments, "bytes": folder_bytes(folder)}


def load_qdrant(csr: Path, folder: Path, documents: int) -> dict[str, float]:
    """Flushed once, at the end. Its index is optimized after that, which is told apart."""
    engine = open_engine("Qdrant Edge, unflushed", folder, DIMENSION)
    before, preparing = Used.now(), 0.0
    for chunk in first(csr, documents):
        for start in range(0, len(chunk.ids), QDRANT_BATCH):
            rows = chunk.vectors.slice(start, min(start + QDRANT_BATCH, len(chunk.ids)))
            started = time.perf_counter()
            points = engine.prepare(chunk.ids[start : start + QDRANT_BATCH], rows)
            preparing += time.perf_counter() - started
            engine.upsert(points)
    engine.flush()
    used = Used.now().since(before)
    engine.settle()
    after = Used.now().since(before)
    engine.close()
    settling = after["wall_seconds"] - used["wall_seconds"]
    return used | {
        "documents": documents,
        "preparing_seconds": preparing,
        "optimizing_seconds": settling,
        "bytes": folder_bytes(folder),
    }


def first(csr: Path, documents: int) -> Iterator[Chunk]:
    """The first rows of the file, in the chunks that the reader makes."""
    left = documents
    for chunk in open_vectors(csr, Options(dimension=DIMENSION)).chunks:
        count = min(left, len(chunk.ids))
        yield Chunk(chunk.ids[:count], chunk.vectors.slice(0, count), first=chunk.first)
        left -= count
        if not left:
            return


def copied(source: Path, copy: Path) -> dict[str, float]:
    """Every file read, written and fsynced, with what it takes of this process."""
    before, total = Used.now(), 0
    copy.mkdir()
    for path in sorted(source.iterdir()):
        if not path.is_file():
            continue
        with path.open("rb", buffering=0) as read, (copy / path.name).open("xb", 0) as written:
            while block := read.read(BLOCK):
                total += written.write(block)
            os.fsync(written.fileno())
    used = Used.now().since(before)
    shutil.rmtree(copy)
    return used | {"bytes": total}


def speed(runs: list[dict[str, float]], size: float) -> tuple[float, float]:
    """Bytes of the result a second: (median, best) of the passes."""
    rates = [size / run["wall_seconds"] for run in runs]
    return statistics.median(rates), max(rates)


def ratios(found: dict[str, Any]) -> list[float]:
    """Of each load to the copy beside it, so that both saw the same disk."""
    pairs = zip(found["copies"], found["loads"], strict=True)
    return [copy["wall_seconds"] / load["wall_seconds"] for copy, load in pairs]


def verdicts(found: dict[str, Any]) -> list[Verdict]:
    peak = max(run["peak_mb"] for run in found["loads"])
    growth = peak / found["half"]["peak_mb"]
    wanted, most = target("load", "least_times_copy"), target("load", "memory_growth")
    return [
        Verdict("speed, times that of the copy (median)",
                statistics.median(found["speed_over_copy"]), wanted, "times", most=False),
        Verdict("peak memory, all rows over half of them", growth, most, "times"),
        Verdict("peak memory", peak, target("load", "most_mb"), "MB"),
    ]  # fmt: skip


def show(found: dict[str, Any]) -> None:
    size = found["copies"][0]["bytes"]
    print(
        f"result: {size / 1e6:,.0f} MB in {found['loads'][0]['segments']} segments, from a file",
        end="",
    )
    print(f" of {found['csr_bytes'] / 1e6:,.0f} MB, {found['documents']:,} documents")
    print(
        f"{'':<24}{'docs/s':>10}{'MB/s':>8}{'best':>8}{'wall s':>8}{'CPU s':>8}{'peak MB':>9}",
        end="",
    )
    print("  cores that others took")
    kinds = {"copy": "copies", "spladed load": "loads", "Qdrant Edge upserts": "qdrant_edge"}
    for name, kind in kinds.items():
        runs = found[kind]
        documents = runs[0].get("documents", found["documents"])
        wall = statistics.median(run["wall_seconds"] for run in runs)
        cpu = statistics.median(run["cpu_seconds"] for run in runs)
        median, best = speed(runs, runs[0]["bytes"])
        peak = max(run.get("peak_mb", 0) for run in runs)
        others = statistics.median(run["others_cores"] for run in runs)
        print(
            f"{name:<24}{documents / wall:>10,.0f}{median / 1e6:>8.0f}{best / 1e6:>8.0f}"
            f"{wall:>8.2f}{cpu:>8.2f}{peak:>9.0f}{others:>8.1f}"
        )
    peer = found["qdrant_edge"][0]
    made, optimized = peer["preparing_seconds"], peer["optimizing_seconds"]
    print(f"Qdrant Edge took {peer['documents']:,} documents; {made:.1f} s of its time made its")
    print(f"points in Python; optimize() and a flush came after it, {optimized:.1f} s")


def plot(found: dict[str, Any], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 2.6), layout="constrained")
    kinds = {"copy": "copies", "spladed load": "loads", "Qdrant Edge": "qdrant_edge"}
    rates = [speed(found[kind], found[kind][0]["bytes"])[0] / 1e6 for kind in kinds.values()]
    left.bar_label(left.barh(list(kinds), rates), fmt="%.0f", padding=3)
    left.axvline(rates[0] * target("load", "least_times_copy"), linestyle=":", color="black")
    left.set_xlabel("MB of the result a second")
    peaks = {
        f"{found['documents'] // 2:,} rows": found["half"]["peak_mb"],
        f"{found['documents']:,} rows": max(run["peak_mb"] for run in found["loads"]),
    }
    right.bar_label(right.barh(list(peaks), list(peaks.values())), fmt="%.0f", padding=3)
    right.set_xlabel("MB of anonymous memory, at most")
    for axes in (left, right):
        axes.margins(x=0.15)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    sys.exit(main())
