"""Term at a time: every posting of a query's terms, window by window.

Scores are float64 sums in rising term order. A query weight has 24 significant bits and an
impact at most 24, so each product is exact in float64 and a fused multiply-add gives the
same sum: the order of additions is all that decides the bits, and it is fixed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.index.kernels.build import (
    DOCS,
    DOCUMENTS,
    FIRST_ROW,
    IMPACTS,
    STARTS,
    TERM_COUNT,
    TERMS,
)
from spladed.index.kernels.compiled import array, compiled, inner, types
from spladed.index.kernels.heap import Hits, offer, threshold
from spladed.index.kernels.lanes import at_least, lowest_bit, prefetch
from spladed.index.kernels.pool import Pool, fullness, shrink

__all__ = ["ask_ahead", "find", "score"]

_Array = npt.NDArray[Any]
_U1, _U8 = array(types.uint8), array(types.uint64)
_I4, _I8, _F8 = array(types.int32), array(types.int64), array(types.float64)
_OUT_I8, _OUT_F8 = array(types.int64, readonly=False), array(types.float64, readonly=False)

# No score above 0 is below it.
_LEAST = 5e-324
# Bytes of the next list that are asked for while one is read: without, each begins with a wait.
_AHEAD = 256


@inner
def _first_not_below(values: _Array, start: int, wanted: int) -> int:
    """The first position from `start` in rising values that is not below `wanted`."""
    low, high = start, len(values)
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@inner
def find(query_terms: _Array, terms: _Array, places: _Array) -> None:
    """The position of each query term among a window's rising terms, -1 where absent."""
    place = 0
    for number in range(len(query_terms)):
        place = _first_not_below(terms, place, query_terms[number])
        there = place < len(terms) and terms[place] == query_terms[number]
        places[number] = place if there else -1


@inner
def ask_ahead(data: _Array, window: _Array, first: int) -> None:
    """Ask for the postings from number `first` on; what follows, the processor asks for."""
    for line in range(0, _AHEAD, 64):
        prefetch(data, window[DOCS] + 2 * first + line)
        prefetch(data, window[IMPACTS] + 2 * first + line)


@inner
def _add(sums: _Array, weight: float, docs: _Array, impacts: _Array) -> None:
    """Add one term's share to the documents of one window."""
    for posting in range(len(docs)):
        # Unsigned: else numba asks of each index whether it counts from the end, and a
        # posting costs 1.1 ns instead of 0.6.
        sums[np.uint64(docs[posting])] += weight * impacts[posting]


@inner
def _add_all(data: _Array, window: _Array, float_impacts: bool, places: _Array,
             query_weights: _Array, sums: _Array) -> None:  # fmt: skip
    """Add every query term's share to the documents of one window."""
    at = window[STARTS]
    starts = data[at : at + 4 * (window[TERM_COUNT] + 1)].view(np.uint32)
    for number in range(len(places)):
        if number + 1 < len(places) and places[number + 1] >= 0:
            ask_ahead(data, window, np.int64(starts[places[number + 1]]))
        if places[number] < 0:
            continue
        first = np.int64(starts[places[number]])
        stop = np.int64(starts[places[number] + 1])
        docs = data[window[DOCS] + 2 * first : window[DOCS] + 2 * stop].view(np.uint16)
        if float_impacts:
            at = window[IMPACTS]
            numbers = data[at + 4 * first : at + 4 * stop].view(np.float32)
            _add(sums, query_weights[number], docs, numbers)
        else:
            at = window[IMPACTS]
            steps = data[at + 2 * first : at + 2 * stop].view(np.uint16)
            _add(sums, query_weights[number], docs, steps)


@inner
def _offer_all(pool: Pool, entered: int, seqs: _Array, place: int, hits: Hits, size: int) -> int:
    """Offer the pool's documents to the heap; how many hits that has then."""
    for number in range(entered):
        row = pool.rows[number]
        size = offer(pool.scores[number], seqs[row], place + row, hits.scores, hits.seqs,
                     hits.places, size, hits.k)  # fmt: skip
    return size


@inner
def _allowed(allowed: _Array, row: int) -> int:
    """The bits of 64 rows from `row` on; windows of very long rows start anywhere."""
    word, bit = allowed[row >> 6], np.uint64(row & 63)
    if bit and (row >> 6) + 1 < len(allowed):
        return word >> bit | allowed[(row >> 6) + 1] << (np.uint64(64) - bit)
    return word >> bit


@inner
def _enter(sums: _Array, start: int, mask: int, first: int, pool: Pool, entered: int) -> int:
    """Enter documents of 64 into the pool: those of the bitmap."""
    while mask:
        doc = start + lowest_bit(mask)
        mask &= mask - np.uint64(1)
        pool.scores[entered], pool.rows[entered] = sums[doc], first + doc
        entered += 1
    return entered


@inner
def _collect(sums: _Array, window: _Array, allowed: _Array, seqs: _Array, place: int,
             least: float, pool: Pool, entered: int, hits: Hits,
             size: int) -> tuple[int, float, int]:  # fmt: skip
    """Enter a window's allowed documents of at least `least` into the pool, and clear the sums.

    Gives how many the pool has, the least that still is of use, and the size of the heap.
    """
    first, full = window[FIRST_ROW], fullness(hits.k)
    for start in range(0, window[DOCUMENTS], 64):
        word = _allowed(allowed, first + start)
        if word:
            mask = at_least(sums, start, least) & word
            entered = _enter(sums, start, mask, first, pool, entered)
        if entered > full:
            entered, lowest = shrink(pool, entered, hits.k)
            least = max(least, lowest)
        if entered > full:  # of one score: the lowest seqs among them are the heap's to find
            size, entered = _offer_all(pool, entered, seqs, place, hits, size), 0
    sums[: window[DOCUMENTS]] = 0.0
    return entered, least, size


@compiled(
    types.int64(
        _I4, _F8, _U1, array(types.int64, dimensions=2), types.boolean, types.boolean, _I8, _U8,
        types.int64, types.int64, types.int64, _OUT_F8, _OUT_F8, _OUT_I8,
        _OUT_F8, _OUT_I8, _OUT_I8,
    )
)  # fmt: skip
def score(query_terms: _Array, query_weights: _Array, data: _Array, directory: _Array,
          wide: bool, float_impacts: bool, seqs: _Array, allowed: _Array,
          place: int, k: int, size: int, sums: _Array, pool_scores: _Array, pool_rows: _Array,
          scores: _Array, hit_seqs: _Array, places: _Array) -> int:  # fmt: skip
    """Offer every allowed document of a segment that scores above 0 to the heap of k hits.

    query_terms, query_weights: int32 and float64 [nq], terms rising
    data, directory, wide, float_impacts, seqs: the segment's
    allowed: bitmap of the rows that may be hits
    place:   added to a row to make the place that a hit is known by
    size:    hits in the heap before; comes back as hits in the heap after
    sums:    float64 [65,536], all 0 before and after
    pool_scores, pool_rows: a `Pool` with room for k
    scores, hit_seqs, places: the heap, see `heap`
    """
    hits, pool = Hits(k, scores, hit_seqs, places), Pool(pool_scores, pool_rows)
    found = np.empty(len(query_terms), np.int64)
    least, entered = max(threshold(scores, size, k), _LEAST), 0
    for window in directory:
        at, count = window[TERMS], window[TERM_COUNT]
        if wide:
            find(query_terms, data[at : at + 4 * count].view(np.uint32), found)
        else:
            find(query_terms, data[at : at + 2 * count].view(np.uint16), found)
        _add_all(data, window, float_impacts, found, query_weights, sums)
        entered, least, size = _collect(
            sums, window, allowed, seqs, place, least, pool, entered, hits, size
        )
    entered, _ = shrink(pool, entered, k)
    return _offer_all(pool, entered, seqs, place, hits, size)
