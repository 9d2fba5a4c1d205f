"""How fast is an exact search, and an approximate one, beside every peer that pip installs?

    python bench/search.py --flavour pp|pph|v3|real --documents N... [--engines NAME,...]
        [--vectors DIR] [--texts DIR] [--cache DIR] [--peers PYTHON] [--capped]

One core, one thread, a process an engine, the same documents and queries; passes of all engines
in turns. A query's figures are the least of its passes, in milliseconds: of the process's time
on the processor, since other work on the machine makes wall time longer, and of wall time.
Collections and indexes are made once and kept in the cache. An engine whose package is absent,
or that fails, stands in the table with the reason. Writes JSON, tables and plots; exits 1 if a
target of targets.toml is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from corpora import Corpus
from report import RESULTS, conclude, surroundings, write
from search_cache import collection
from search_capped import capped
from search_figures import Scouted, row, worst_ratio, worth_timing
from search_growth import plot_growth
from search_limits import limits
from search_measure import DEPTHS, Bench, Times
from search_show import plot, show
from search_verdicts import verdicts
from searchers import ENGINES, NEEDED

ROOT = Path(__file__).parents[1]
CACHE = Path(os.environ.get("BENCH_CACHE") or ROOT / "build" / "bench")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flavour", choices=["pp", "pph", "v3", "real"], default="pp")
    parser.add_argument("--documents", type=int, nargs="+", default=[100_000])
    parser.add_argument("--engines", default=",".join(ENGINES), help="names, with commas")
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--vectors", type=Path, help="real SPLADE queries, to grow from")
    parser.add_argument("--texts", type=Path, help="a judged set, for flavour real")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv-peers" / "bin" / "python")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--capped", action="store_true", help="also in little memory")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    failed = 0
    for documents in arguments.documents:
        failed |= one(arguments, documents)
    if len(arguments.documents) > 1:
        plot_growth(arguments.results, arguments.flavour)
    return failed


def one(arguments: argparse.Namespace, documents: int) -> int:
    """A collection's table, files and verdicts; 1 if a target is missed."""
    folder = collection(
        arguments.cache, arguments.flavour, documents,
        vectors=arguments.vectors, texts=arguments.texts,
    )  # fmt: skip
    bench = Bench(folder, arguments.peers, arguments.core, arguments.queries)
    found: dict[str, Any] = {"machine": surroundings(), "flavour": arguments.flavour}
    found |= measured(bench, names(arguments.engines), arguments.passes)
    if arguments.capped:
        found["capped"] = capped(bench, found)
    path = arguments.results / f"search-{folder.name}.json"
    write(path, found)
    show(found)
    plot(found, path.with_suffix(".png"))
    return conclude(verdicts(found))


def names(listed: str) -> list[str]:
    """As listed, with those that must be there."""
    asked = [name for name in listed.split(",") if name]
    if unknown := [name for name in asked if name not in ENGINES]:
        raise SystemExit(f"no engine {unknown[0]!r}; there are {', '.join(ENGINES)}")
    return [name for name in ENGINES if name in asked or name in NEEDED]


def measured(bench: Bench, engines: list[str], passes: int) -> dict[str, Any]:
    bench.prepare(engines)
    scouted = bench.scout()
    timed = worth_timing(scouted)
    times = bench.time(timed, passes)
    bench.finish()
    corpus = Corpus.open(bench.folder / "corpus")
    for about in bench.about.values():
        about.pop("settings", None)
    return {
        "corpus": corpus.about,
        "queries": bench.queries,
        "passes": passes,
        "limits": limits(corpus, bench.queries),
        "engines": bench.about,
        "rows": [row(each, times[each.engine, each.setting.name, each.k]) for each in timed],
        "different_from_brute_force": {str(k): count for k, count in bench.different.items()},
        "worst_over_windowed": over_windowed(times),
        "tried": [tried(each) for each in scouted],
    }


def over_windowed(times: Times) -> dict[str, float]:
    """Of ours, by k: the query that took most over what the windowed kernel takes for it."""
    return {
        str(k): worst_ratio(times["spladed", "exact", k], times["spladed", "windowed kernel", k])
        for k in DEPTHS
        if ("spladed", "exact", k) in times
    }


def tried(each: Scouted) -> dict[str, Any]:
    return {
        "engine": each.engine, "setting": each.setting.name, "k": each.k,
        "recall": each.recall, "cpu_ms": each.cpu_ms,
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
