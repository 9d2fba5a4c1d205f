"""The k best documents of a segment that has bounds, most of it never read.

First the bounds of all superblocks, a sum over the query's terms (`superblocks`). Then, for few
hits, the superblocks of the highest (`promising`), best first: the bound of each of their
documents, and the exact score of those that may be hits (`visit`). The threshold rises with
every hit; superblocks of lower bounds are never read. Where too many are left, or many hits are
wanted, postings are added up (`essential`), those of terms and superblocks that can matter.

A bound is never below the score that it bounds, in the arithmetic used. What equals the
threshold is kept, since its seq may be lower. So the hits are those of `kernels.score`, bit
for bit: a row's terms rise, and its sum is made in that order in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.index.kernels.begin import MOST, begin
from spladed.index.kernels.bounds import SUPERBLOCK_BITS, WINDOW_SUPERBLOCKS
from spladed.index.kernels.compiled import array, compiled, inner, making, types
from spladed.index.kernels.essential import Sums, add_essential
from spladed.index.kernels.heap import Hits
from spladed.index.kernels.lanes import count_bits, lowest_bit
from spladed.index.kernels.look import Look, Part, ask_row, least_of, look, score_row
from spladed.index.kernels.pool import Pool
from spladed.index.kernels.promising import (
    BUCKETS,
    PEAKS,
    candidates,
    fill_peaks,
    gap_below,
    sort,
)
from spladed.index.kernels.superblocks import Asked, asked, fill_bounds, views
from spladed.index.kernels.visit import visit

__all__ = ["EACH", "ESSENTIAL", "VISIT", "Scratch", "prune", "spread"]

_Array = npt.NDArray[Any]
_U1, _U2, _U4, _U8 = (array(t) for t in (types.uint8, types.uint16, types.uint32, types.uint64))
_I4, _I8, _F8 = (array(t) for t in (types.int32, types.int64, types.float64))
_TABLE = array(types.int64, dimensions=2)

EACH, ESSENTIAL, VISIT = 0, 1, 2

# Superblocks to begin with, and one for so many hits more.
_BEST, _HITS_A_BEST = 8, 4


def _out(dtype: types.Type) -> types.Array:
    return array(dtype, readonly=False)


class Scratch:
    """What `prune` writes to, kept from query to query; grows to the largest segment.

    12 bytes a superblock of 64 documents, 9 a term of the vocabulary.
    """

    def __init__(self) -> None:
        self.flags, self.weights = np.zeros(0, np.uint8), np.zeros(0)
        self._fit_superblocks(0)

    def fit(self, dimension: int, documents: int) -> None:
        """Make room for a segment."""
        if dimension > len(self.flags):
            # Any 16 bits are a place in it, also where a file has rotted.
            terms = max(dimension, 1 << 16)
            self.flags, self.weights = np.zeros(terms, np.uint8), np.zeros(terms)
        windows = -(-documents // (WINDOW_SUPERBLOCKS << SUPERBLOCK_BITS))
        if windows * WINDOW_SUPERBLOCKS > len(self.bounds):
            self._fit_superblocks(windows)

    def _fit_superblocks(self, windows: int) -> None:
        superblocks = windows * WINDOW_SUPERBLOCKS
        self.bounds = np.empty(superblocks, np.float32)
        self.peaks = np.empty(windows * PEAKS, np.float32)
        self.found, self.ordered = (np.empty(superblocks, np.int32) for _ in range(2))
        self.rest, self.more = (np.empty(WINDOW_SUPERBLOCKS, np.float32) for _ in range(2))

    @property
    def arrays(self) -> tuple[_Array, ...]:
        """In the order that `prune` takes them."""
        return (
            self.flags, self.weights, self.bounds, self.peaks, self.found, self.ordered,
            self.rest, self.more,
        )  # fmt: skip


@inner
def _score_each(part: Part, allowed: _Array, seen: Look, hits: Hits, size: int) -> int:
    """Offer every allowed document, scored from its row."""
    for superblock in range(len(allowed)):
        for step in range(2):
            mask = allowed[superblock]
            while mask:
                row = (superblock << SUPERBLOCK_BITS) + lowest_bit(mask)
                mask &= mask - np.uint64(1)
                if step == 0:
                    ask_row(part, row)
                else:
                    size = score_row(row, part, seen, hits, size)
    return size


@making
def _visit_best(part: Part, terms: Asked, bounds: _Array, peaks: _Array, allowed: _Array,
                patience: int, most: int, found: _Array, ordered: _Array, seen: Look, hits: Hits,
                size: int) -> tuple[int, bool]:  # fmt: skip
    """Visit superblocks by falling bound: (size of the heap, whether that is the end of it).

    The first ones together. The bounds of those that were visited are below any threshold then.
    """
    counts = np.empty(BUCKETS, np.int64)
    promising = gap_below(peaks, _BEST + hits.k // _HITS_A_BEST, counts)
    least = max(least_of(hits, size, terms), promising)
    count = candidates(bounds, peaks, allowed, least, found)
    sort(bounds, found[:count], counts, ordered)
    first = ordered[: min(count, MOST)]
    size = begin(first, bounds, allowed, part, terms, seen, hits, size)
    for superblock in first:
        bounds[superblock] = -1.0
    most = max(most - len(first), 0)
    count = candidates(bounds, peaks, allowed, least_of(hits, size, terms), found)
    sort(bounds, found[:count], counts, ordered)
    size, visited = visit(
        ordered[:count], bounds, allowed, part, terms, patience, most, seen, hits, size
    )
    for superblock in ordered[:visited]:
        bounds[superblock] = -1.0
    return size, visited == count or visited >= most


# Long, since its steps share some thirty arrays, which each part would have to be given.
@compiled(
    types.int64(
        _I4, _F8, _U1, _TABLE, types.boolean, types.boolean, _I8, _U8,
        _U4, _U2, _TABLE, _TABLE, types.int64, types.int64, types.int64, types.float64,
        types.int64, types.int64, types.int64,
        _out(types.uint8), _out(types.float64), _out(types.float32), _out(types.float32),
        _out(types.int32), _out(types.int32), _out(types.float32), _out(types.float32),
        _out(types.float64), _out(types.float64), _out(types.int64),
        _out(types.float64), _out(types.int64), _out(types.int64),
    )
)  # fmt: skip
def prune(query_terms: _Array, query_weights: _Array, data: _Array, directory: _Array,
          wide: bool, float_weights: bool, seqs: _Array, allowed: _Array,
          frequent: _Array, frequent_slots: _Array, windows: _Array, spans: _Array,
          way: int, patience: int, most: int, trust: float, place: int, k: int, size: int,
          flags: _Array, weights: _Array, bounds: _Array, peaks: _Array, found: _Array,
          ordered: _Array, rest: _Array, more: _Array,
          sums: _Array, pool_scores: _Array, pool_rows: _Array,
          scores: _Array, hit_seqs: _Array, places: _Array) -> int:  # fmt: skip
    """Offer every allowed document of a segment that scores above 0 to the heap of k hits.

    query_terms, query_weights: int32 and float64 [nq], terms rising, weights above 0
    data, directory, wide, float_weights, seqs: the segment's
    allowed:  bitmap of the rows that may be hits
    frequent, frequent_slots, windows, spans: its `Bounds`
    way:      EACH scores every allowed document from its row; ESSENTIAL adds up the terms that a
              hit cannot do without; VISIT first visits the superblocks of the highest bounds
    patience: of VISIT, how many postings cost what a visit does
    most:     of VISIT, superblocks: once hits are k, those beyond it are passed over
    trust:    1 is exact; less, and documents are passed over that score more than this part of
              their bounds
    place:    added to a row to make the place that a hit is known by
    size:     hits in the heap before; comes back as hits in the heap after
    flags, ... more: the arrays of a `Scratch`; flags are 0 before and after
    sums:     float64 [65,536], all 0 before and after
    pool_scores, pool_rows: a `Pool` with room for k
    scores, hit_seqs, places: the heap, see `heap`
    """
    for number in range(len(query_terms)):
        flags[query_terms[number]] = 1
        weights[query_terms[number]] = query_weights[number]
    seen, groups = views(data), (len(frequent) + 63) >> 6
    part = Part(seen, directory, wide, float_weights, seqs, windows, spans, groups, place)
    hits, sight = Hits(k, scores, hit_seqs, places), look(flags, weights)
    if way == EACH:
        size = _score_each(part, allowed, sight, hits, size)
    else:
        terms = asked(seen, query_terms, query_weights, frequent, frequent_slots, spans,
                      len(directory), trust)  # fmt: skip
        bounds = bounds[: fill_bounds(seen, query_terms, query_weights, terms, spans, bounds)]
        peaks, done = peaks[: len(directory) * PEAKS], False
        fill_peaks(bounds, peaks)
        if way == VISIT:
            patience = (terms.postings + (len(seqs) >> 1)) // patience
            size, done = _visit_best(part, terms, bounds, peaks, allowed, patience, most, found,
                                     ordered, sight, hits, size)  # fmt: skip
        if not done:
            room, pool = Sums(sums.view(np.float32), rest, more), Pool(pool_scores, pool_rows)
            size = add_essential(query_terms, query_weights, part, terms, bounds, peaks, allowed,
                                 sight, room, pool, hits, size)  # fmt: skip
    for term in query_terms:
        flags[term] = 0
    return size


@compiled(types.UniTuple(types.int64, 2)(_U8))
def spread(allowed: _Array) -> tuple[int, int]:
    """How many rows are in a bitmap, and how many of its words, or superblocks, have any."""
    rows, words = 0, 0
    for word in allowed:
        rows += count_bits(word)
        words += word != np.uint64(0)
    return rows, words
