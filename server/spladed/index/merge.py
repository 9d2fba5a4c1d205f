"""Which segments become one? Pure: sizes in, groups out.

Only neighbours merge, so that the seqs of segments lie apart: a seq is in one segment, found
by its bounds, and documents are read in the order of writing segment by segment.

Segments go by tiers, each FAN_IN times as large as the one before, in files and in memory: a
document is written once a tier, and a tier has fewer than FAN_IN segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

__all__ = ["FAN_IN", "MANY", "debt", "due", "worth_rewriting"]

# LSM trees' usual ten would save writes and leave up to nine segments a tier to search.
FAN_IN = 4
# Segments that large ones keep apart, as loads between flushes make them, are merged from
# this many on, whatever their tiers: searches visit each.
MANY = 32


def worth_rewriting(rows: int, dead: int) -> bool:
    """Whether a segment is rewritten for its dead rows alone: when they outnumber the live."""
    return dead * 2 > rows


def due(sizes: Sequence[tuple[int, int]], smallest: int) -> tuple[int, int] | None:
    """The neighbours `[start, stop)` to merge next, or the one to rewrite; None if none.

    sizes:    (documents, dead ones) of each segment, oldest first
    smallest: live documents up to which a segment is of the lowest tier
    """
    for number, (documents, dead) in enumerate(sizes):
        if worth_rewriting(documents, dead):
            return number, number + 1
    tiers = [_tier(documents - dead, smallest) for documents, dead in sizes]
    for tier in sorted(set(tiers)):
        for start, stop in _runs([each <= tier for each in tiers]):
            if tiers[start:stop].count(tier) >= FAN_IN:
                return start, stop
    return _cheapest([documents - dead for documents, dead in sizes])


def debt(sizes: Sequence[tuple[int, int]], smallest: int) -> int:
    """How many merges are due, one after the other, until none is; arguments as of `due`."""
    left, count = list(sizes), 0
    while found := due(left, smallest):
        merged = left[slice(*found)]
        left[slice(*found)] = [(sum(documents - dead for documents, dead in merged), 0)]
        count += 1
    return count


def _cheapest(documents: Sequence[int]) -> tuple[int, int] | None:
    """The FAN_IN neighbours with the fewest documents, where there are many segments."""
    if len(documents) < MANY:
        return None
    starts = range(len(documents) - FAN_IN + 1)
    start = min(starts, key=lambda start: sum(documents[start : start + FAN_IN]))
    return start, start + FAN_IN


def _tier(documents: int, smallest: int) -> int:
    tier = 0
    while documents > smallest:
        tier, smallest = tier + 1, smallest * FAN_IN
    return tier


def _runs(flags: Sequence[bool]) -> list[tuple[int, int]]:
    """The stretches of true flags."""
    runs, start = [], 0
    for flag, group in groupby(flags):
        stop = start + len(list(group))
        if flag:
            runs.append((start, stop))
        start = stop
    return runs
