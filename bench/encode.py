"""How fast is a text encoded, beside the peers and beside what the processor could do?

    python bench/encode.py [--models NAME,...] [--engines NAME,...] [--texts DIR] [--passes N]
        [--cache DIR] [--export PYTHON] [--peers PYTHON]

Models: the built-in one, and the shapes of MiniLM-6L, DistilBERT and BERT-base with random
weights, whose passages have about as many terms as those of trained models. Texts in, sparse
rows out; one core, one thread, a process an engine, turns in which all take part. Speeds are of
the least processor time: other work on the machine makes wall time longer. Models are made once
and kept in the cache. An engine whose package is absent, or that fails, stands in the table with
the reason. Writes JSON, which keeps what other runs found of other models, tables and a plot;
exits 1 if a target of targets.toml is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from encode_figures import figures, peaks, share_of_peak
from encode_measure import COMPARED, Bench, Times
from encode_models import SHAPES
from encode_show import plot, show
from encode_texts import Workload, real_passages, workloads
from encode_verdicts import verdicts
from encoders import ENGINES, NEEDED, WANTS
from report import RESULTS, conclude, surroundings, write

ROOT = Path(__file__).parents[1]
CACHE = Path(os.environ.get("BENCH_CACHE") or ROOT / "build" / "bench")
# Of each model, how many passages are encoded in a call: seconds of the slowest engine.
MIXED = {"built-in": 128, "minilm": 32, "distilbert": 16, "bert-base": 16}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join(SHAPES), help="names, with commas")
    parser.add_argument("--engines", default=",".join(ENGINES), help="names, with commas")
    parser.add_argument("--texts", type=Path, help="a judged set, for passages as they come")
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a turn, at least")
    parser.add_argument("--cache", type=Path, default=CACHE)
    for option, place in (("--export", ".venv-export"), ("--peers", ".venv-encode-peers")):
        python = ROOT / place / "bin" / "python"
        parser.add_argument(option, type=Path, default=python, help="an interpreter")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    path = arguments.results / "encode.json"
    models = json.loads(path.read_text())["models"] if path.exists() else {}
    for name in names(arguments.models, SHAPES, ()):
        models[name] = measured(arguments, name)
        models = {each: models[each] for each in SHAPES if each in models}
        write(path, {"models": models})
    show(models)
    plot(models, path.with_suffix(".png"))
    return conclude(verdicts(models))


def measured(arguments: argparse.Namespace, model: str) -> dict[str, Any]:
    source, passages = real_passages(arguments.texts)
    found: dict[str, Any] = {
        "machine": surroundings(), "instructions": instructions(), "passages": source,
        "passes": arguments.passes,
    }  # fmt: skip
    pythons = {"ours": Path(sys.executable), "export": arguments.export, "peers": arguments.peers}
    bench = Bench(model, arguments.cache, pythons, arguments.core)
    bench.make(passages)
    given = workloads(passages, bench.folder / "int8" / "tokenizer.json", MIXED[model])
    bench.open(names(arguments.engines, ENGINES, NEEDED), given[0])
    bench.compare(next(each for each in given if each.name == COMPARED))
    times = bench.time(given, arguments.passes, arguments.seconds)
    bench.finish()
    return found | described(bench, given, times)


def names(listed: str, known: Any, needed: tuple[str, ...]) -> list[str]:
    """As listed, with those that must be there, in their own order."""
    asked = [name for name in listed.split(",") if name]
    if unknown := [name for name in asked if name not in known]:
        raise SystemExit(f"there is no {unknown[0]!r}; there are {', '.join(known)}")
    return [name for name in known if name in asked or name in needed]


def instructions() -> list[str]:
    """Of the processor, those that low precisions are fast by."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    flags = next(line for line in lines if line.startswith("flags")).split()
    wanted = dict.fromkeys(flag for names in WANTS.values() for flag in names)
    return [flag for flag in wanted if flag in flags]


def described(bench: Bench, given: list[Workload], times: Times) -> dict[str, Any]:
    shape, peak = SHAPES[bench.model], peaks(times)
    compared = next(each for each in given if each.name == COMPARED)
    for name, about in bench.about.items():
        precision = ENGINES[name].precision
        about |= {"precision": precision, "needs": WANTS[precision]}
        if "failed" in about:
            continue
        about["workloads"] = {}
        for workload in given:
            if (name, workload.name) in times:
                row: dict[str, Any] = figures(times[name, workload.name], workload)
                speed = row["tokens_per_second"]
                row["share_of_peak"] = share_of_peak(speed, shape, workload, precision, peak)
                about["workloads"][workload.name] = row
    return {
        "shape": asdict(shape),
        "workloads": {each.name: {"texts": each.texts, "tokens": each.tokens} for each in given},
        "compared": COMPARED,
        "flops_per_token": shape.flops(round(compared.length)),
        "gemm_operations_per_second": peak,
        "engines": bench.about,
    }


if __name__ == "__main__":
    sys.exit(main())
