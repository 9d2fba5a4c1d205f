"""Which kernel answers a query: pruning by bounds, or term at a time. Pure.

Both give the same hits. Term at a time costs what the query has postings, whatever k is.
Pruning costs the bounds of all superblocks (0.07 ms a million documents), then what it must
visit: that follows from how far down the k-th hit ranks among all documents. On SPLADE++
statistics, one thread, mean of 200 queries:

    documents  k    pruning  term at a time
    1M         10   0.20 ms  3.2 ms
    1M         100  1.9 ms   3.2 ms
    1M         200  3.5 ms   3.5 ms
    100k       10   0.16 ms  0.30 ms
    100k       20   0.30 ms  0.27 ms

A query whose hits do not stand out (all of its terms are frequent) is told from the others
only on the way: `kernels.prune` gives up where more is left than term at a time costs, and
has lost a fraction of that.
"""

from __future__ import annotations

__all__ = ["POSTINGS_A_VISIT", "prunes"]

# What it costs to visit a superblock and to score the document that it has on average, 0.8 us,
# in postings of 0.8 to 1.1 ns.
POSTINGS_A_VISIT = 1000

# Pruning pays where the k-th hit ranks above one in so many documents.
_RANK = 6000
# Where a filter leaves documents in few superblocks, no other is visited at any k.
_FEW = 16


def prunes(k: int, *, documents: int, allowed: int, superblocks: int) -> bool:
    """Whether to prune a segment that has bounds.

    documents:   how many it has
    allowed:     how many of them may be hits
    superblocks: how many superblocks those are in
    """
    return k * _RANK <= allowed or superblocks * 64 * _FEW <= documents
