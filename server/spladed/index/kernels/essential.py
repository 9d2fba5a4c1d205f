"""Term at a time, but only the terms that a hit cannot do without.

What a document must score is known once k hits are: the threshold. Terms of small shares, as
long as what has nothing else misses it by far, are not read (MaxScore: Turtle and Flood, Query
evaluation: strategies and optimizations, 1995); those are the terms with most postings. Sums of
the other ones, the essential terms, are rounded up, and the codes of a superblock bound what its
documents have of the rest. Where both together reach the threshold the document is scored from
its row.

Windows of the highest bounds come first, so that the threshold is high for the others. While
hits are missing every term is essential; then a window's best k are known without their rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spladed.index.kernels.bounds import FIRST_WINDOW, SPAN, WINDOW_SUPERBLOCKS
from spladed.index.kernels.build import (
    DOCS,
    DOCUMENTS,
    FIRST_ROW,
    IMPACTS,
    STARTS,
    TERM_COUNT,
    TERMS,
)
from spladed.index.kernels.compiled import inner, making
from spladed.index.kernels.heap import Hits
from spladed.index.kernels.lanes import at_least, lowest_bit
from spladed.index.kernels.look import Look, Part, ask_row, least_of, score_row
from spladed.index.kernels.pool import Pool, fullness, shrink
from spladed.index.kernels.promising import PEAKS
from spladed.index.kernels.score import ask_ahead, find
from spladed.index.kernels.superblocks import FLOOR, Asked, add_fours

__all__ = ["Sums", "add_essential"]

_Array = npt.NDArray[Any]

# Terms are left out as long as what a superblock may have of them is below this part of the
# threshold, but for one superblock in 64, whose documents are scored the more often: a row that
# is in no cache costs as much as 500 postings.
_LEFT_OUT = 0.4
_EXCEPTIONS_SHIFT = 6
# Rows that are asked for before their turn.
_AHEAD = 4
_HUGE = np.float32(3e38)
# More, in units of the query's largest weight, than FLOOR can add to the sum of any document.
_FLOORS = 1e-18


class Sums(NamedTuple):
    """What one window's documents have, and may have.

    sums: float32 [65,536], of the essential terms, all 0 before and after a window
    rest: float32 [1024], what a document of each superblock may have of the others
    more: the same, of one try
    """

    sums: _Array
    rest: _Array
    more: _Array


@making
def _in_turn(peaks: _Array) -> _Array:
    """The windows by falling sum of what their superblocks promise."""
    count = len(peaks) // PEAKS
    promised, turn = np.zeros(count), np.arange(count)
    for number in range(count):
        for peak in peaks[number * PEAKS : (number + 1) * PEAKS]:
            promised[number] += np.float64(peak)
        place = number
        while place > 0 and promised[turn[place - 1]] < promised[number]:
            turn[place] = turn[place - 1]
            place -= 1
        turn[place] = number
    return turn


@inner
def _add(sums: _Array, factor: float, docs: _Array, steps: _Array) -> None:
    for posting in range(len(docs)):
        sums[np.uint64(docs[posting])] += factor * np.float32(steps[posting])


@inner
def _add_floats(sums: _Array, factor: float, docs: _Array, impacts: _Array) -> None:
    for posting in range(len(docs)):
        sums[np.uint64(docs[posting])] += max(factor * impacts[posting], FLOOR)


@inner
def _add_all(data: _Array, window: _Array, floats: bool, places: _Array, factors: _Array,
             sums: _Array) -> None:  # fmt: skip
    """Add the shares of the terms that have a place among the window's."""
    at = window[STARTS]
    starts = data[at : at + 4 * (window[TERM_COUNT] + 1)].view(np.uint32)
    for number in range(len(places)):
        if number + 1 < len(places) and places[number + 1] >= 0:
            ask_ahead(data, window, np.int64(starts[places[number + 1]]))
        if places[number] < 0:
            continue
        first, stop = np.int64(starts[places[number]]), np.int64(starts[places[number] + 1])
        docs = data[window[DOCS] + 2 * first : window[DOCS] + 2 * stop].view(np.uint16)
        at = window[IMPACTS]
        if floats:
            numbers = data[at + 4 * first : at + 4 * stop].view(np.float32)
            _add_floats(sums, factors[number], docs, numbers)
        else:
            steps = data[at + 2 * first : at + 2 * stop].view(np.uint16)
            _add(sums, factors[number], docs, steps)


@inner
def _find_essential(part: Part, window: _Array, query_terms: _Array, terms: Asked, kept: int,
                    places: _Array) -> None:  # fmt: skip
    """The position of each essential term among the window's, -1 where there is none."""
    at, count = window[TERMS], window[TERM_COUNT]
    if part.wide:
        find(query_terms, part.views.data[at : at + 4 * count].view(np.uint32), places)
    else:
        find(query_terms, part.views.data[at : at + 2 * count].view(np.uint16), places)
    for i in range(kept, terms.count):
        places[terms.numbers[i]] = -1


@making
def _leave_out(number: int, part: Part, terms: Asked, bar: float, room: Sums) -> int:
    """Leave out terms of a window, the lightest first, in fours: how many are essential.

    The rest of each superblock is what its documents may have of the others.
    """
    span = part.spans[part.windows[number, SPAN]]
    left = (number - span[FIRST_WINDOW]) * WINDOW_SUPERBLOCKS
    superblocks = (part.directory[number, DOCUMENTS] + 63) >> 6
    rest, more = room.rest[:superblocks], room.more[:superblocks]
    rest[:], more[:] = 0.0, 0.0
    worth = terms.factors[number] * np.float32(terms.trust)
    high, most = bar * np.float32(_LEFT_OUT), superblocks >> _EXCEPTIONS_SHIFT
    for i in range(len(terms.slots) - 4, -4, -4):
        add_fours(part.views.data, span, terms.slots, worth, i, left, more)
        exceptions = 0
        for reached in more:
            exceptions += reached >= high
        if exceptions > most:
            return i + 4
        rest[:] = more
    return 0


@inner
def _complete(pool: Pool, entered: int, part: Part, terms: Asked, seen: Look, hits: Hits,
              size: int) -> int:  # fmt: skip
    """Score the documents that the pool has, if they still may be hits; the heap's size."""
    least = least_of(hits, size, terms)
    for number in range(min(_AHEAD, entered)):
        ask_row(part, pool.rows[number])
    for number in range(entered):
        if number + _AHEAD < entered:
            ask_row(part, pool.rows[number + _AHEAD])
        if pool.scores[number] >= least * terms.trust:
            size = score_row(pool.rows[number], part, seen, hits, size)
            least = least_of(hits, size, terms)
    return size


@inner
def _enter(sums: _Array, start: int, rest: float, mask: int, first: int, pool: Pool,
           entered: int) -> int:  # fmt: skip
    """Enter documents of 64 into the pool: those of the bitmap, with what they may score."""
    while mask:
        doc = start + lowest_bit(mask)
        mask &= mask - np.uint64(1)
        pool.scores[entered] = np.float64(min(sums[doc] + rest, _HUGE))
        pool.rows[entered] = first + doc
        entered += 1
    return entered


@inner
def _raised(lowest: float, terms: Asked) -> float:
    """A threshold, from the lowest of k sums of all terms: those are rounded up."""
    return np.float32((lowest - _FLOORS) / terms.inflation**2)


@inner
def _collect(number: int, whole: bool, part: Part, terms: Asked, bounds: _Array, allowed: _Array,
             seen: Look, room: Sums, pool: Pool, hits: Hits, size: int) -> int:  # fmt: skip
    """Score the documents of a window that may be hits; `whole` if every term was added."""
    least, first = least_of(hits, size, terms), part.directory[number, FIRST_ROW]
    bar, entered, full = least * np.float32(terms.trust), 0, fullness(hits.k)
    for start in range(0, part.directory[number, DOCUMENTS], 64):
        superblock = (first + start) >> 6
        if bounds[superblock] < least or not allowed[superblock]:
            continue
        rest = room.rest[start >> 6]
        mask = at_least(room.sums, start, bar - rest) & allowed[superblock]
        entered = _enter(room.sums, start, rest, mask, first, pool, entered)
        if whole and entered > full:
            entered, lowest = shrink(pool, entered, hits.k)
            bar = max(bar, _raised(lowest, terms))
        if entered > full:
            size, entered = _complete(pool, entered, part, terms, seen, hits, size), 0
            least = least_of(hits, size, terms)
            bar = max(bar, least * np.float32(terms.trust))
    if whole:
        entered, _ = shrink(pool, entered, hits.k)
    return _complete(pool, entered, part, terms, seen, hits, size)


@making
def add_essential(query_terms: _Array, query_weights: _Array, part: Part, terms: Asked,
                  bounds: _Array, peaks: _Array, allowed: _Array, seen: Look, room: Sums,
                  pool: Pool, hits: Hits, size: int) -> int:  # fmt: skip
    """Offer the heap every allowed document that may be a hit; its size after.

    bounds: of superblocks, those that are done with below any threshold
    """
    places = np.empty(len(query_terms), np.int64)
    factors = np.empty(len(query_terms), np.float32)
    for number in range(len(query_terms)):
        factors[number] = max(query_weights[number] / terms.unit * terms.inflation, FLOOR)
    for number in _in_turn(peaks):
        window = part.directory[number]
        bar = least_of(hits, size, terms) * np.float32(terms.trust)
        kept = _leave_out(number, part, terms, bar, room)
        _find_essential(part, window, query_terms, terms, kept, places)
        _add_all(part.views.data, window, part.float_weights, places, factors, room.sums)
        whole = kept >= terms.count
        size = _collect(number, whole, part, terms, bounds, allowed, seen, room, pool, hits, size)
        room.sums[: window[DOCUMENTS]] = 0.0
    return size
