"""From nanoseconds to rows of a table: pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from searchers import Kind, Setting

RECALLS = (0.97, 0.99, 0.995)  # what approximate settings are chosen for


@dataclass(frozen=True)
class Scouted:
    """A setting at one k, tried once: its recall, and what a query took of the processor."""

    engine: str
    setting: Setting
    k: int
    recall: float
    cpu_ms: float


@dataclass(frozen=True)
class Timed:
    """wall, cpu: nanoseconds, int64 [passes, queries]."""

    wall: NDArray[np.int64]
    cpu: NDArray[np.int64]

    @property
    def cpu_best(self) -> NDArray[np.int64]:
        """Of each query, the least of all passes."""
        return self.cpu.min(axis=0)

    def figures(self) -> dict[str, Any]:
        """Milliseconds a query; each query's least, but for the last one, which is of all."""
        return {
            "wall_ms": spread(self.wall.min(axis=0)),
            "cpu_ms": spread(self.cpu_best),
            "wall_p99_of_all_passes_ms": float(np.percentile(self.wall, 99)) / 1e6,
        }


def spread(nanoseconds: NDArray[np.int64]) -> dict[str, float]:
    p50, p90, p99 = np.percentile(nanoseconds, (50, 90, 99)) / 1e6
    return {
        "mean": float(nanoseconds.mean()) / 1e6,
        "p50": float(p50),
        "p90": float(p90),
        "p99": float(p99),
        "max": float(nanoseconds.max()) / 1e6,
    }


def cheapest(scouted: Iterable[Scouted], recall: float) -> Scouted | None:
    """Of what reaches this recall the one that took least; None where nothing does."""
    reaching = [each for each in scouted if each.recall >= recall]
    return min(reaching, key=lambda each: each.cpu_ms, default=None)


def worth_timing(scouted: list[Scouted]) -> list[Scouted]:
    """All that is not approximate, and of each engine's approximate settings at each k the
    cheapest for each of RECALLS; where none reaches the least of them, the best recall."""
    chosen = {(each.engine, each.setting.name, each.k): each
              for each in scouted if each.setting.kind != "approximate"}  # fmt: skip
    groups: dict[tuple[str, int], list[Scouted]] = {}
    for each in scouted:
        if each.setting.kind == "approximate":
            groups.setdefault((each.engine, each.k), []).append(each)
    for group in groups.values():
        found = [cheapest(group, recall) for recall in RECALLS]
        known = [each for each in found if each is not None]
        for each in known or [max(group, key=lambda one: one.recall)]:
            chosen[each.engine, each.setting.name, each.k] = each
    return list(chosen.values())


def row(scouted: Scouted, timed: Timed) -> dict[str, Any]:
    return {
        "engine": scouted.engine,
        "setting": scouted.setting.name,
        "kind": scouted.setting.kind,
        "k": scouted.k,
        "recall": scouted.recall,
        **timed.figures(),
    }


def of(rows: list[dict[str, Any]], k: int, kind: Kind, engine: str = "") -> list[dict[str, Any]]:
    """The rows of a kind at k; of one engine, if there is one."""
    return [
        each
        for each in rows
        if each["k"] == k and each["kind"] == kind and engine in ("", each["engine"])
    ]


def reaching(rows: list[dict[str, Any]], recall: float) -> dict[str, Any] | None:
    """The cheapest of these rows with at least this recall."""
    fit = [each for each in rows if each["recall"] >= recall]
    return min(fit, key=lambda each: each["cpu_ms"]["mean"], default=None)


def worst_ratio(ours: Timed, theirs: Timed) -> float:
    """The most that one query took over what it took the other way: processor time."""
    return float((ours.cpu_best / theirs.cpu_best).max())
