"""Which kernel answers a query, in one segment that has bounds. Pure.

All give the same hits where the effort is 1. Mean CPU time of 100 queries, one thread of a busy
machine, synthetic documents on SPLADE++ statistics ("hard": with lower score gaps) and on
SPLADE-v3's, and encoded passages with their real queries; a row of the table is a way through
the segment:

    documents     k     VISIT    ESSENTIAL  term at a time
    1M            10    0.25 ms  1.0 ms     3.0 ms
    1M hard       10    0.46 ms  1.2 ms     3.1 ms
    1M v3         10    0.37 ms  0.91 ms    1.8 ms
    1M            60    0.79 ms  1.4 ms     3.0 ms
    1M hard       60    1.7 ms   1.6 ms     3.2 ms
    1M v3         60    1.4 ms   1.3 ms     1.9 ms
    1M            100   1.2 ms   1.6 ms     3.0 ms
    1M hard       100   2.2 ms   1.9 ms     3.2 ms
    1M v3         100   1.7 ms   1.5 ms     1.8 ms
    200k real     10    0.32 ms  0.34 ms    0.44 ms
    200k real     30    0.45 ms  0.40 ms    0.46 ms
    100k          10    0.19 ms  0.30 ms    0.32 ms
    100k          20    0.28 ms  0.32 ms    0.32 ms

A query whose hits do not stand out is told from the others only on the way: VISIT turns into
ESSENTIAL where more is left than that costs, and has lost a fraction of it.
"""

from __future__ import annotations

from typing import NamedTuple

from spladed.index.kernels.prune import EACH, ESSENTIAL, VISIT

__all__ = ["PATIENCE", "Plan", "plan"]

# What it costs to visit a superblock, in postings of 1 ns, of which a third are added up instead.
# At k=10, of 700, 1,000, 1,500 and patience without end: 1M hard documents take 0.51, 0.54, 0.60
# and 0.50 ms; encoded passages 0.36, 0.36, 0.36 and 0.48 ms, and at worst 1.6, 1.4, 1.2 and 5.6
# times term at a time.
PATIENCE = 1000
_ENDLESS = 1
_NO_LIMIT = 1 << 62

# A row that is in no cache costs half a microsecond.
_EACH = 500
# Superblocks are visited for so few hits, which rank above one in so many documents.
_FEW_HITS, _RANK = 50, 8000
# Where a filter leaves documents in one of so many superblocks, no other is visited at any k.
_FEW = 16
# Essential terms pay where the k-th hit ranks above one in so many documents.
_ESSENTIAL_RANK = 6000

# Of less effort than 1: what is given up at effort 0, and superblocks that are visited a hit.
_DISTRUST = {VISIT: 0.1, ESSENTIAL: 0.3}
_FIRST, _A_HIT = 16, 20


class Plan(NamedTuple):
    """How `kernels.prune` goes through a segment: its arguments of these names."""

    way: int
    patience: int = PATIENCE
    most: int = _NO_LIMIT
    trust: float = 1.0


def plan(k: int, effort: float, *, documents: int, allowed: int, superblocks: int) -> Plan | None:
    """The way through a segment; None is term at a time.

    effort:      from 0 (fastest) to 1 (exact)
    documents:   how many it has
    allowed:     how many of them may be hits
    superblocks: how many superblocks those are in
    """
    if allowed * _EACH <= documents:
        return Plan(EACH)
    few = superblocks * 64 * _FEW <= documents
    if few or (k <= _FEW_HITS and k * _RANK <= allowed):
        return _hurried(Plan(VISIT), k, effort)
    if k * _ESSENTIAL_RANK <= documents:
        return _hurried(Plan(ESSENTIAL), k, effort)
    return None


def _hurried(made: Plan, k: int, effort: float) -> Plan:
    """The plan with what less effort than 1 gives up."""
    if effort >= 1:
        return made
    most = _FIRST + round(_A_HIT * k * effort) if made.way == VISIT else _NO_LIMIT
    return Plan(made.way, _ENDLESS, most, 1 - (1 - effort) * _DISTRUST[made.way])
