"""The loops, compiled to machine code. The only import of numba.

Every kernel is compiled when this module is imported, for its written signatures, and cached
where numba can write: NUMBA_CACHE_DIR if set, else beside this file, else the user's cache
folder; where none can be written it is compiled in each process (about 3 s). They hold no
GIL. Inputs may be read-only arrays.

Scores are float64 sums in rising term order. A query weight has 24 significant bits and a
stored one at most 24, so each product is exact in float64 and a fused multiply-add gives the
same sum: the order of additions is all that decides the bits, and it is fixed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
import numpy.typing as npt
from numba import types

__all__ = ["WINDOW", "invert", "score", "warm_up"]

# Documents a window: its float64 accumulators are 512 kB and stay in L2, so that a posting
# costs 0.8 ns at any collection size; smaller windows lose more to list starts.
WINDOW = 65_536

_Array = npt.NDArray[Any]
_Function = TypeVar("_Function", bound=Callable[..., Any])

# numba's stubs know no list of signatures, and lose the function's own types.
_njit: Any = numba.njit


def _array(dtype: types.Type, *, readonly: bool = True) -> types.Array:
    return types.Array(dtype, 1, "C", readonly=readonly)


_I32, _I64, _F64 = _array(types.int32), _array(types.int64), _array(types.float64)
_U8, _U16, _F32 = _array(types.uint8), _array(types.uint16), _array(types.float32)
_OUT_I64 = _array(types.int64, readonly=False)
_OUT_F64 = _array(types.float64, readonly=False)
_WEIGHTS = (_U16, _F32)


def _compiled(*signatures: object) -> Callable[[_Function], _Function]:
    """`numba.njit` for these signatures, cached where there is a place for it."""

    def compile_it(function: _Function) -> _Function:
        try:
            return _njit(list(signatures), nogil=True, cache=True)(function)
        except (RuntimeError, OSError):  # no cache folder, or one that cannot be written
            return _njit(list(signatures), nogil=True)(function)

    return compile_it


def _inner(function: _Function) -> _Function:
    """Compiled into the kernels that call it, and only there."""
    return _njit(nogil=True)(function)


@_compiled(
    *(
        types.Tuple((
            _array(types.int32, readonly=False),
            _OUT_I64,
            _array(types.int32, readonly=False),
            _array(weights.dtype, readonly=False),
        ))(_I64, _I32, weights, types.int64)
        for weights in _WEIGHTS
    )
)  # fmt: skip
def invert(
    indptr: _Array, indices: _Array, weights: _Array, dimension: int
) -> tuple[_Array, _Array, _Array, _Array]:
    """(terms int32 [T], starts int64 [T + 1], docs int32 [nnz], weights [nnz]), term-major.

    `terms` are those that occur, rising; the postings of `terms[i]` are
    `[starts[i], starts[i+1])`, docs rising. A counting sort: two passes over the weights.
    """
    ends = np.zeros(dimension, np.int64)
    for index in indices:
        ends[index] += 1
    count = 0
    for term in range(dimension):
        count += ends[term] > 0
    terms, starts = np.empty(count, np.int32), np.empty(count + 1, np.int64)
    place, total = 0, 0
    for term in range(dimension):
        if ends[term] > 0:
            terms[place], starts[place] = term, total
            place += 1
            total, ends[term] = total + ends[term], total
    starts[count] = total
    docs, inverted = np.empty(total, np.int32), np.empty(total, weights.dtype)
    for doc in range(len(indptr) - 1):
        for position in range(indptr[doc], indptr[doc + 1]):
            slot = ends[indices[position]]
            ends[indices[position]] = slot + 1
            docs[slot], inverted[slot] = doc, weights[position]
    return terms, starts, docs, inverted


@_inner
def _first_at_least(values: _Array, start: int, stop: int, wanted: int) -> int:
    """The first position in rising `values[start:stop]` that is not below `wanted`."""
    while start < stop:
        middle = (start + stop) >> 1
        if values[middle] < wanted:
            start = middle + 1
        else:
            stop = middle
    return start


@_inner
def _lists_of(
    query_terms: _Array, terms: _Array, starts: _Array, cursors: _Array, ends: _Array
) -> None:
    """Cursor and end of each query term's postings; an absent term has none."""
    place = 0
    for number in range(len(query_terms)):
        place = _first_at_least(terms, place, len(terms), query_terms[number])
        cursors[number] = ends[number] = 0
        if place < len(terms) and terms[place] == query_terms[number]:
            cursors[number], ends[number] = starts[place], starts[place + 1]


@_inner
def _add(sums: _Array, weight: float, docs: _Array, weights: _Array, first: int) -> None:
    """Add one term's share to the documents of one window."""
    for posting in range(len(docs)):
        # Unsigned: else numba asks of each index whether it counts from the end, and a
        # posting costs 1.1 ns instead of 0.6.
        sums[np.uint64(docs[posting] - first)] += weight * weights[posting]


@_inner
def _below(left_score: float, left_place: int, right_score: float, right_place: int) -> bool:
    """Whether left ranks after right: a lower score, or the same at a later place."""
    return left_score < right_score or (left_score == right_score and left_place > right_place)


@_inner
def _sift_down(scores: _Array, places: _Array, size: int, slot: int) -> None:
    """Restore the heap, whose root is the worst hit, below `slot`."""
    score, place = scores[slot], places[slot]
    child = 2 * slot + 1
    while child < size:
        other = child + 1
        if other < size and _below(scores[other], places[other], scores[child], places[child]):
            child = other
        if not _below(scores[child], places[child], score, place):
            break
        scores[slot], places[slot] = scores[child], places[child]
        slot, child = child, 2 * child + 1
    scores[slot], places[slot] = score, place


@_inner
def _sift_up(scores: _Array, places: _Array, slot: int) -> None:
    """Restore the heap above the hit just added at `slot`."""
    score, place = scores[slot], places[slot]
    while slot > 0:
        parent = (slot - 1) >> 1
        if not _below(score, place, scores[parent], places[parent]):
            break
        scores[slot], places[slot] = scores[parent], places[parent]
        slot = parent
    scores[slot], places[slot] = score, place


@_inner
def _collect(sums: _Array, count: int, dead: _Array, first: int, base: int, k: int,
             size: int, scores: _Array, places: _Array) -> int:  # fmt: skip
    """Offer a window's live documents to the heap and clear its accumulators."""
    # Places only rise from call to call, so an equal score never displaces a hit: one
    # comparison with the worst hit, rarely true, is all that most documents cost.
    threshold = scores[0] if size == k else 0.0
    for slot in range(count):
        if sums[slot] > threshold and not dead[first + slot]:
            if size < k:
                scores[size], places[size] = sums[slot], base + first + slot
                _sift_up(scores, places, size)
                size += 1
            else:
                scores[0], places[0] = sums[slot], base + first + slot
                _sift_down(scores, places, k, 0)
            threshold = scores[0] if size == k else 0.0
    sums[:count] = 0.0
    return size


@_compiled(
    *(
        types.int64(
            _I32, _F64, _I32, _I64, _I32, weights, _U8, types.int64, types.int64, types.int64,
            _OUT_F64, _OUT_F64, _OUT_I64,
        )
        for weights in _WEIGHTS
    )
)  # fmt: skip
def score(query_terms: _Array, query_weights: _Array,
          terms: _Array, starts: _Array, docs: _Array, weights: _Array,
          dead: _Array, base: int, k: int, size: int,
          sums: _Array, scores: _Array, places: _Array) -> int:  # fmt: skip
    """Offer every live document of a segment that scores above 0 to the heap of k hits.

    query_terms, query_weights: int32 and float64 [nq], terms rising
    terms, starts, docs, weights: the postings, as `invert` gives them
    dead:   uint8 [documents], not 0 for a deleted row
    base:   the place of the segment's first document; places order ties, and rise from call
            to call
    size:   hits in the heap before; comes back as hits in the heap after
    sums:   float64 [WINDOW], all 0 before and after
    scores, places: float64 and int64 [>= k], the heap; its root is the worst hit
    """
    cursors, ends = np.empty(len(query_terms), np.int64), np.empty(len(query_terms), np.int64)
    _lists_of(query_terms, terms, starts, cursors, ends)
    for first in range(0, len(dead), WINDOW):
        stop = min(first + WINDOW, len(dead))
        for number in range(len(query_terms)):
            start = cursors[number]
            end = _first_at_least(docs, start, ends[number], stop)
            _add(sums, query_weights[number], docs[start:end], weights[start:end], first)
            cursors[number] = end
        size = _collect(sums, stop - first, dead, first, base, k, size, scores, places)
    return size


def warm_up() -> None:
    """Run every kernel once for each weight type, so that no request pays for it."""
    indptr, indices = np.array([0, 1], np.int64), np.array([0], np.int32)
    for weights in (np.ones(1, np.uint16), np.ones(1, np.float32)):
        postings = invert(indptr, indices, weights, 1)
        dead, sums = np.zeros(1, np.uint8), np.zeros(WINDOW)
        heap = (np.empty(1), np.empty(1, np.int64))
        score(indices, np.ones(1), *postings, dead, 0, 1, 0, sums, *heap)
