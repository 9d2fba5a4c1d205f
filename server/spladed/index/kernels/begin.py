"""The superblocks of the highest bounds: what their best documents score is a first threshold.

Nothing is known of the threshold before k documents are scored, so that most documents of the
first superblock would be. Here the bounds of all documents of several superblocks are made first,
and the documents are scored by falling bound, until the threshold ends it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.index.kernels.bounds import SUPERBLOCK_BITS
from spladed.index.kernels.compiled import making
from spladed.index.kernels.heap import Hits
from spladed.index.kernels.lanes import lowest_bit
from spladed.index.kernels.look import Look, Part, ask_row, least_of, score_row
from spladed.index.kernels.promising import BUCKETS, sort
from spladed.index.kernels.superblocks import Asked
from spladed.index.kernels.visit import ask_superblock, narrow_all

__all__ = ["MOST", "begin"]

_Array = npt.NDArray[Any]

# Superblocks at most, so that their documents' bounds stay in a core's own cache.
MOST = 32
# Rows that are asked for before their turn.
_AHEAD = 4


@making
def begin(ordered: _Array, bounds: _Array, allowed: _Array, part: Part, terms: Asked,
          seen: Look, hits: Hits, size: int) -> int:  # fmt: skip
    """Offer the documents of these superblocks, at most MOST, that may be hits; the heap's size."""
    rows = np.empty(MOST << SUPERBLOCK_BITS, np.int64)
    row_bounds = np.empty(MOST << SUPERBLOCK_BITS, np.float32)
    count, least = 0, least_of(hits, size, terms)
    for i in range(len(ordered)):
        if i + 1 < len(ordered):
            ask_superblock(part, np.int64(ordered[i + 1]), terms)
        superblock = np.int64(ordered[i])
        mask = narrow_all(superblock, bounds[superblock], least, allowed[superblock], part, terms,
                          seen)  # fmt: skip
        while mask:
            lane = lowest_bit(mask)
            mask &= mask - np.uint64(1)
            rows[count] = (superblock << SUPERBLOCK_BITS) + lane
            row_bounds[count] = seen.lanes[lane]
            count += 1
    return _score_falling(rows[:count], row_bounds, part, terms, seen, hits, size)


@making
def _score_falling(rows: _Array, row_bounds: _Array, part: Part, terms: Asked, seen: Look,
                   hits: Hits, size: int) -> int:  # fmt: skip
    """Offer documents by falling bound, as long as they may be hits."""
    turn = np.empty(len(rows), np.int32)
    sort(row_bounds, np.arange(len(rows)), np.empty(BUCKETS, np.int64), turn)
    for i in range(min(_AHEAD, len(rows))):
        ask_row(part, rows[turn[i]])
    least = least_of(hits, size, terms)
    for i in range(len(rows)):
        if i + _AHEAD < len(rows):
            ask_row(part, rows[turn[i + _AHEAD]])
        if row_bounds[turn[i]] >= least:
            size = score_row(rows[turn[i]], part, seen, hits, size)
            least = least_of(hits, size, terms)
    return size
