"""Which kernel answers a query: pruning by bounds, or term at a time. Pure.

Both give the same hits. Term at a time costs what the query has postings, whatever k is.
Pruning costs the bounds of all superblocks (0.07 ms a million documents), then what it must
visit: that follows from how far down the k-th hit ranks among all documents, and how far it
stands out. Mean CPU time of 100 queries over term at a time, one thread of a busy machine,
synthetic documents on SPLADE++ statistics; "hard" has the lower score gaps:

    documents   k     pruning  term at a time
    1M          10    0.27 ms  3.3 ms
    1M hard     10    0.70 ms  3.2 ms
    1M          100   2.2 ms   3.4 ms
    1M hard     100   3.6 ms   3.3 ms
    1M          200   3.5 ms   3.5 ms
    100k        10    0.33 ms  0.43 ms
    100k        20    0.30 ms  0.26 ms

A query whose hits do not stand out is told from the others only on the way: `kernels.prune`
gives up where more is left than term at a time costs, and has lost a fraction of that.
"""

from __future__ import annotations

__all__ = ["POSTINGS_A_VISIT", "prunes"]

# What it costs to visit a superblock, and to score the document that it has on average, in
# postings of 1 ns: 1 us in a quiet machine, twice that where others use the memory as well.
# At 1M and k=100, 1,000 or 4,000 take 5 to 10 % longer.
POSTINGS_A_VISIT = 2000

# Pruning pays where the k-th hit ranks above one in so many documents.
_RANK = 9000
# Where a filter leaves documents in one of so many superblocks, no other is visited at any k.
_FEW = 16


def prunes(k: int, *, documents: int, allowed: int, superblocks: int) -> bool:
    """Whether to prune a segment that has bounds.

    documents:   how many it has
    allowed:     how many of them may be hits
    superblocks: how many superblocks those are in
    """
    return k * _RANK <= allowed or superblocks * 64 * _FEW <= documents
