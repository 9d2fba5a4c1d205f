"""Whole searches under a filter, beside the same without one, and beside term at a time.

Of each query and selectivity: the filter's first evaluation and search once, then passes with its
bitmap ready, without a filter, and with the filter and every posting added up, in turns. Hits
have to be those of the last, which prunes nothing.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from machine import target
from report import Verdict

from spladed.index import Collection
from spladed.index import search as search_module
from spladed.index.filter import Filter
from spladed.sparse import SparseBatch

SELECTIVITIES = (0.5, 0.1, 0.01, 0.001)
DEPTHS = (10, 100)
PASSES = 5
# A selectivity and a number, and a filter that no other number gives.
Variants = Callable[[float, int], Filter]
Times = tuple[float, float]


def timed(work: Callable[[], Any]) -> Times:
    """Milliseconds of this thread's processor time, and of the wall."""
    cpu, wall = time.thread_time(), time.perf_counter()
    work()
    return (time.thread_time() - cpu) * 1e3, (time.perf_counter() - wall) * 1e3


def figures(times: list[Times]) -> dict[str, float]:
    cpu, wall = zip(*times, strict=True)
    return {
        "ms": statistics.median(cpu),
        "mean_ms": statistics.mean(cpu),
        "least_ms": min(cpu),
        "most_ms": max(cpu),
        "wall_ms": statistics.median(wall),
    }


def searched(collection: Collection, queries: SparseBatch, filters: Variants) -> dict[str, Any]:
    taken: dict[tuple[int, float], dict[str, list[Times]]] = {
        (k, share): defaultdict(list) for k in DEPTHS for share in SELECTIVITIES
    }
    different = 0
    for row in range(len(queries)):
        query = queries.slice(row, row + 1)
        collection.search(query, 10)  # whoever comes first would load the postings
        for (k, share), times in taken.items():
            keep = filters(share, len(queries) + 100 * k + row)
            times["first"].append(timed(partial(collection.search, query, k, keep=keep)))
            different += _in_turns(collection, query, k, keep, times)
    rows = [
        {"k": k, "selectivity": share} | {name: figures(each) for name, each in times.items()}
        for (k, share), times in taken.items()
    ]
    return {"rows": rows, "different_from_term_at_a_time": different}


def _in_turns(
    collection: Collection, query: SparseBatch, k: int, keep: Filter, times: dict[str, list[Times]]
) -> bool:
    """The least of some passes a kind; whether pruning changed a hit."""
    plain, filtered = (
        partial(collection.search, query, k),
        partial(collection.search, query, k, keep=keep),
    )
    found = expected = filtered()
    passes: dict[str, list[Times]] = defaultdict(list)
    for _ in range(PASSES):
        passes["cached"].append(timed(filtered))
        passes["unfiltered"].append(timed(plain))
        with every_posting():
            expected = filtered()
            passes["term at a time"].append(timed(filtered))
    for name, each in passes.items():
        times[name].append(min(each))
    return found != expected


@contextmanager
def every_posting() -> Iterator[None]:
    """Searches prune nothing within."""
    planned = search_module.plan
    search_module.plan = lambda *_, **__: None
    try:
        yield
    finally:
        search_module.plan = planned


def verdicts(found: dict[str, Any]) -> Iterator[Verdict]:
    wrong = found["different_from_term_at_a_time"]
    yield Verdict("searches whose hits pruning changed", wrong, 0, "")
    for row in found["rows"]:
        if row["selectivity"] == 0.01:
            slower = max(row["unfiltered"]["mean_ms"], row["term at a time"]["mean_ms"])
            ratio, wanted = row["cached"]["mean_ms"] / slower, target("filters", "one_percent")
            name = f"1 % kept, k={row['k']}, over the slower of two"
            yield Verdict(name, ratio, wanted, "times")


def show(found: dict[str, Any]) -> None:
    names = ("first", "cached", "unfiltered", "term at a time")
    print(f"\nmean ms{'k':>6}{'kept':>8}" + "".join(f"{name:>16}" for name in names))
    for row in found["rows"]:
        cells = "".join(f"{row[name]['mean_ms']:>16.2f}" for name in names)
        print(f"{row['k']:>13}{row['selectivity']:>8.1%}{cells}")


def plot(axes: Any, found: dict[str, Any]) -> None:
    """Of k = 10."""
    rows = [row for row in found["rows"] if row["k"] == 10]
    for offset, key in enumerate(("term at a time", "unfiltered", "first", "cached")):
        at = np.arange(len(rows)) + 0.2 * offset
        axes.bar(at, [row[key]["mean_ms"] for row in rows], width=0.2, label=key)
    axes.set_xticks(np.arange(len(rows)) + 0.3, [f"{row['selectivity']:.1%}" for row in rows])
    axes.set_xlabel("documents kept")
    axes.set_ylabel("mean ms a search, k = 10")
    axes.legend()
