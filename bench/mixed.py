"""How long does a search take while documents are written and segments are merged?

    python bench/mixed.py [--documents N] [--rounds N] [--seconds S] [--cache DIR]

A collection of SPLADE-like documents (rows.py), in segments such that the next flush makes two
merges due, one of 131,072 documents and one of 524,288: what a day of writing leaves. One caller
searches, one query after another and at a pace (callers.py), in quiet phases, and in busy ones in
which another caller upserts at a fixed rate, four in ten documents in place of others. Phases
take turns; each round begins with the same collection. Once in one process, through Collection,
and once through a server that a second process searches and a third one writes to.

Compared are the 99th percentiles of what searches waited: the median of the busy phases less the
median of the quiet ones. Writes JSON, tables and a plot; exits 1 if a target of targets.toml is
missed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from callers import (
    KS,
    NAME,
    PACES,
    SCENARIOS,
    Batches,
    Scenario,
    Store,
    Waited,
    Written,
    searched,
)  # fmt: skip
from machine import target
from report import RESULTS, Verdict, conclude, surroundings, write
from rows import Rows
from segments import CACHE, DIMENSION, Upkeep, linked, made
from usage import Used

from spladed.sparse import SparseBatch

QUERIES = 200
RATE = 1_000.0  # documents a second
BATCHES = (10, 100)
AHEAD = 16_384  # documents in memory when a busy phase begins: half a flush


@dataclass(frozen=True, slots=True)
class Phase:
    """What was waited, written, flushed and merged, and what else the machine did."""

    began: float
    waited: list[Waited]
    written: Written | None
    upkeep: list[tuple[float, str]]
    used: dict[str, float]


@dataclass(frozen=True, slots=True)
class Round:
    quiet: Phase
    busy: Phase


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0, help="of a phase")
    parser.add_argument("--cache", type=Path, default=CACHE, help="keeps the collection")
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS))
    parser.add_argument("--batch", action="append", type=int, help=f"{BATCHES} if not given")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    base = made(arguments.cache, arguments.documents)
    rounds: dict[tuple[str, int], list[Round]] = {}
    for number in range(arguments.rounds):
        for name in arguments.scenario or SCENARIOS:
            for batch in arguments.batch or BATCHES:
                writes = Batches(batch, arguments.documents, DIMENSION, seed=number)
                with linked(base, NAME) as folder:
                    done = one_round(SCENARIOS[name], folder, writes, arguments.seconds)
                rounds.setdefault((name, batch), []).append(done)
                tell(name, batch, done)
    found = {
        "machine": surroundings(),
        "documents": arguments.documents,
        "seconds": arguments.seconds,
        "rate": RATE,
        "cases": [summary(name, batch, each) for (name, batch), each in rounds.items()],
    }
    write(arguments.results / "mixed.json", found)
    show(found["cases"])
    plot(rounds, arguments.results / "mixed.png")
    return conclude(verdicts(found["cases"]))


def one_round(scenario: Scenario, folder: Path, writes: Batches, seconds: float) -> Round:
    rows = Rows(DIMENSION).queries(QUERIES)
    queries = [rows.slice(row, row + 1) for row in range(QUERIES)]
    with scenario(folder, writes) as store:
        for k in KS:
            for query in queries:
                store.search(query, k)
        quiet = phase(store, queries, folder / NAME, seconds)
        store.fill(Rows(DIMENSION, seed=2).batch(AHEAD))
        busy = phase(store, queries, folder / NAME, seconds, writes)
    return Round(quiet, busy)


def phase(
    store: Store, queries: Sequence[SparseBatch], folder: Path, seconds: float,
    writes: Batches | None = None,
) -> Phase:  # fmt: skip
    if writes is not None:
        store.prepare(int(seconds * RATE / writes.size * 1.1) + 1)
    with Upkeep(folder) as upkeep:
        before, began = Used.now(), time.perf_counter()
        wait = store.begin(seconds, RATE) if writes is not None else lambda: None
        found = searched(store.search, queries, seconds)
        return Phase(began, found, wait(), upkeep.seen, Used.now().since(before))


def summary(name: str, batch: int, rounds: list[Round]) -> dict[str, Any]:
    writes = [each.busy.written for each in rounds if each.busy.written is not None]
    waits = [wait for each in writes for wait in each.waits]
    return {
        "scenario": name,
        "batch": batch,
        "searches": [searches(rounds, pace, k) for pace in PACES for k in KS],
        "written_per_second": statistics.median(each.per_second for each in writes),
        "write_ms": milliseconds(waits),
        "upkeep": [[kind for _, kind in each.busy.upkeep] for each in rounds],
        "quiet_used": [each.quiet.used for each in rounds],
        "busy_used": [each.busy.used for each in rounds],
    }


def searches(rounds: list[Round], pace: str, k: int) -> dict[str, Any]:
    """Of one kind: medians over the rounds, and what the busy phases add to the 99th."""
    quiet = [of_kind(each.quiet, pace, k) for each in rounds]
    busy = [of_kind(each.busy, pace, k) for each in rounds]
    found: dict[str, Any] = {"pace": pace, "k": k}
    for name, each in (("quiet", quiet), ("busy", busy)):
        found[name] = {key: statistics.median(one[key] for one in each) for key in each[0]}
        found[f"{name}_p99_ms"] = [one["p99"] for one in each]
    return found | {"added_p99_ms": found["busy"]["p99"] - found["quiet"]["p99"]}


def of_kind(each: Phase, pace: str, k: int) -> dict[str, float]:
    mine = [one for one in each.waited if (one.pace, one.k) == (pace, k)]
    cpu = milliseconds([one.cpu_seconds for one in mine])
    return {
        **milliseconds([one.wall_seconds for one in mine]),
        **{f"caller_cpu_{key}": value for key, value in cpu.items()},
        "searches": len(mine),
    }


def milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    p50, p99 = np.percentile(seconds, [50, 99]) * 1e3
    return {"p50": float(p50), "p99": float(p99), "max": max(seconds) * 1e3}


def verdicts(cases: list[dict[str, Any]]) -> list[Verdict]:
    most, least = target("mixed", "added_p99_ms"), target("mixed", "rate_kept")
    found = []
    for case in cases:
        name = f"{case['scenario']}, batches of {case['batch']}"
        worst = max(each["added_p99_ms"] for each in case["searches"])
        found += [
            Verdict(f"{name}: p99 added", worst, most, "ms"),
            Verdict(f"{name}: rate", case["written_per_second"], least * RATE, "/s", most=False),
        ]
    return found


def tell(name: str, batch: int, done: Round) -> None:
    """A line a round, since a run is long."""
    kinds = [kind for _, kind in done.busy.upkeep]
    others = [phase.used["others_cores"] for phase in (done.quiet, done.busy)]
    print(
        f"{name}, batches of {batch}: {kinds.count('flush')} flushes and {kinds.count('merge')}"
        f" merges; others took {others[0]:.1f} and {others[1]:.1f} cores",
        flush=True,
    )


def show(cases: list[dict[str, Any]]) -> None:
    print(f"\n{'ms':<26}{'searches':<22}{'quiet p50':>10}{'p99':>7}{'max':>7}", end="")
    print(f"{'busy p50':>10}{'p99':>7}{'max':>7}{'p99 added':>11}")
    for case in cases:
        for each in case["searches"]:
            quiet, busy = each["quiet"], each["busy"]
            print(
                f"{case['scenario'] + ', x ' + str(case['batch']):<26}"
                f"{each['pace'] + ', k=' + str(each['k']):<22}"
                f"{quiet['p50']:>10.2f}{quiet['p99']:>7.2f}{quiet['max']:>7.1f}"
                f"{busy['p50']:>10.2f}{busy['p99']:>7.2f}{busy['max']:>7.1f}"
                f"{each['added_p99_ms']:>11.2f}"
            )
        print(f"{'':<26}writes: {case['written_per_second']:,.0f} documents/s; ", end="")
        print(", ".join(f"{key} {value:.1f} ms" for key, value in case["write_ms"].items()))


def plot(rounds: dict[tuple[str, int], list[Round]], path: Path) -> None:
    """What each search of the first busy phase of each case waited, and what was published."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(
        len(rounds), 1, figsize=(9, 2.2 * len(rounds)), layout="constrained", squeeze=False
    )
    for axes, ((name, batch), each) in zip(panels[:, 0], rounds.items(), strict=True):
        busy = each[0].busy
        for k in KS:
            mine = [one for one in busy.waited if one.k == k]
            at = [one.due - busy.began for one in mine]
            axes.plot(at, [one.wall_seconds * 1e3 for one in mine], ".", ms=2, label=f"k={k}")
        for when, kind in busy.upkeep:
            axes.axvline(when - busy.began, color="black", linewidth=0.8)
            axes.annotate(kind, (when - busy.began, 1), xycoords=("data", "axes fraction"))
        axes.set_yscale("log")
        axes.set_ylabel("ms")
        axes.set_title(f"{name}, batches of {batch}: searches while {RATE:,.0f} documents/s come",
                       loc="left", fontsize=9)  # fmt: skip
        axes.legend(fontsize=7, loc="upper right")
    panels[-1, 0].set_xlabel("seconds")
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    sys.exit(main())
