"""The k best documents of a segment that has bounds, most of it never read.

First the bounds of all superblocks, a sum over the query's terms. Then the superblocks, the
most promising first: where a term's bitmap has no bit, a document of the superblock cannot
have that term's share, and loses it from its bound; the terms of the largest shares go first,
and most superblocks are done after eight of forty. What is left is scored from its row,
exactly. The threshold rises with every hit; superblocks of lower bounds are never read.

A bound is never below the score that it bounds, in the arithmetic used: codes are rounded up
(`kernels.bounds`), and factors are inflated by more than float32 can lose in so many steps.
What equals the threshold is kept, since its seq may be lower. So the hits are those of
`kernels.score`, bit for bit: a row's terms rise, and its sum is made in that order in float64.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spladed.index.kernels.bounds import (
    FIRST_WINDOW,
    MEMBER_STARTS,
    MEMBERS,
    SPAN,
    SPAN_ROWS,
    STRIDE,
    SUPERBLOCK_BITS,
    WINDOW_BITS,
    WINDOW_SUPERBLOCKS,
    head_words,
)
from spladed.index.kernels.build import ROW_STARTS, ROWS
from spladed.index.kernels.compiled import array, compiled, inner, types
from spladed.index.kernels.heap import offer, threshold
from spladed.index.kernels.lanes import (
    bits_below,
    count_bits,
    lowest_bit,
    prefetch,
    subtract_elsewhere,
)
from spladed.index.kernels.promising import (
    BUCKETS,
    PEAKS,
    candidates,
    fill_peaks,
    gap_below,
    left_after,
    sort,
)
from spladed.index.kernels.rowsum import MATCHES, row_score
from spladed.index.kernels.superblocks import LEAST, Asked, Views, asked, fill_bounds, views

__all__ = ["Scratch", "prune", "spread"]

_Array = npt.NDArray[Any]
_U1, _U2, _U4, _U8 = (array(t) for t in (types.uint8, types.uint16, types.uint32, types.uint64))
_I4, _I8, _F8 = (array(t) for t in (types.int32, types.int64, types.float64))
_TABLE = array(types.int64, dimensions=2)

# Terms of a superblock that are looked up ahead of its turn, and then at once.
_FIRST, _MORE = 8, 16
_TURN = _FIRST + 4
_LOCAL_ROW = 0xFFFF
# Superblocks to begin with, and one for so many hits more.
_BEST, _HITS_A_BEST = 8, 4
# Bytes of a row that are asked for before it is read: 128 terms of 16 bits and their weights.
_AHEAD = 512
# What is left is reckoned after the 32nd part of what patience allows, or after 16
# superblocks, and then whenever twice as many are done: to give up late costs twice.
_RECKON_SHIFT, _RECKON_AT = 5, 16


def _out(dtype: types.Type) -> types.Array:
    return array(dtype, readonly=False)


class Scratch:
    """What `prune` writes to, kept from query to query; grows to the largest segment.

    20 bytes a superblock of 64 documents, 9 a term of the vocabulary.
    """

    def __init__(self) -> None:
        self.flags, self.weights = np.zeros(0, np.uint8), np.zeros(0)
        self._fit_superblocks(0)

    def fit(self, dimension: int, documents: int) -> None:
        """Make room for a segment."""
        if dimension > len(self.flags):
            self.flags, self.weights = np.zeros(dimension, np.uint8), np.zeros(dimension)
        windows = -(-documents // (WINDOW_SUPERBLOCKS << SUPERBLOCK_BITS))
        if windows * WINDOW_SUPERBLOCKS > len(self.bounds):
            self._fit_superblocks(windows)

    def _fit_superblocks(self, windows: int) -> None:
        superblocks = windows * WINDOW_SUPERBLOCKS
        self.bounds = np.empty(superblocks, np.float32)
        self.peaks = np.empty(windows * PEAKS, np.float32)
        self.found, self.ordered = (np.empty(superblocks, np.int32) for _ in range(2))
        self.rest = np.empty(superblocks, np.uint64)

    @property
    def arrays(self) -> tuple[_Array, ...]:
        """In the order that `prune` takes them."""
        return (
            self.flags, self.weights, self.bounds, self.peaks, self.found, self.ordered,
            self.rest,
        )  # fmt: skip


class _Look(NamedTuple):
    """A superblock on its way: what was looked up of it.

    entries, shares: int64 and float32; by turns two stretches for what is looked up ahead,
                     and one for what is looked up at once
    lanes:           float32 [64], the bounds of its documents
    rows, row_bounds, starts: int64, float32, int64 [64], documents that are to be scored
    matches:         for `row_score`
    """

    entries: _Array
    shares: _Array
    lanes: _Array
    rows: _Array
    row_bounds: _Array
    starts: _Array
    matches: _Array


@inner
def _least(scores: _Array, size: int, k: int, unit: float) -> float:
    """The threshold in the unit of bounds, rounded down; above 0, for score 0 is no hit."""
    least = threshold(scores, size, k) / unit * (1 - 2.0**-22)
    return max(np.float32(min(least, 3.4e38)), LEAST)


@inner
def _record(wholes: _Array, windows: _Array, superblock: int) -> int:
    """The word where a superblock's record starts."""
    window, local = superblock >> WINDOW_BITS, superblock & (WINDOW_SUPERBLOCKS - 1)
    starts = windows[window, MEMBER_STARTS] >> 2
    return (windows[window, MEMBERS] >> 3) + np.int64(wholes[starts + local])


@inner
def _ask(seen: Views, record: int, groups: int, terms: Asked) -> None:
    """Ask for what the first look at a superblock's record reads."""
    for i in range(min(_FIRST, terms.count)):
        prefetch(seen.words, record + (terms.slots[i] >> 6))
    for word in range(groups, head_words(groups), 8):
        prefetch(seen.words, record + word)


@inner
def _look_up(seen: Views, record: int, groups: int, windows: _Array, spans: _Array,
             superblock: int, terms: Asked, start: int, stop: int, look: _Look,
             place: int) -> int:  # fmt: skip
    """Where the bitmaps of the terms `start` to `stop` are, and their shares.

    Written from `place` on, of terms that the superblock has; how many, as fours.
    """
    window = superblock >> WINDOW_BITS
    span = windows[window, SPAN]
    stride, first = spans[span, STRIDE], spans[span, FIRST_WINDOW] * WINDOW_SUPERBLOCKS
    codes = spans[span, SPAN_ROWS] + superblock - first
    counts, members = 4 * (record + groups), record + head_words(groups)
    # Records are checked by `verify` and not when a segment is opened: a broken one may lead
    # to wrong bitmaps, not out of the file.
    last = len(seen.words) - 1
    end = np.uint64(place)
    for i in range(start, stop):
        slot = terms.slots[i]
        word = seen.words[np.uint64(record + (slot >> 6))]
        before = np.int64(seen.halves[np.uint64(counts + (slot >> 6))])
        entry = min(members + before + bits_below(word, slot & 63), last)
        prefetch(seen.words, entry)
        code = np.float32(seen.data[np.uint64(codes + slot * stride)])
        look.entries[end], look.shares[end] = entry, terms.factors[window, i] * code
        # Without a branch: what an absent term wrote, the next one overwrites.
        end += (word >> np.uint64(slot & 63)) & np.uint64(1)
    count = np.int64(end) - place
    while count & 3:
        look.entries[place + count], look.shares[place + count] = 0, 0.0
        count += 1
    return count


@inner
def _narrow(words: _Array, look: _Look, place: int, count: int, least: float,
            mask: int) -> int:  # fmt: skip
    """Take from the documents' bounds the shares of terms that they lack; who is left."""
    for i in range(place, place + count, 4):
        mask &= subtract_elsewhere(look.lanes, words, look.entries, look.shares, i, least)
        if not mask:
            break
    return mask


@inner
def _await(mask: int, superblock: int, seen: Views, directory: _Array, look: _Look) -> int:
    """List these documents of a superblock by falling bound, and ask for their rows."""
    window = superblock >> WINDOW_BITS
    first = directory[window, ROW_STARTS] >> 2
    count = 0
    while mask:
        lane = lowest_bit(mask)
        mask &= mask - np.uint64(1)
        row, bound = (superblock << SUPERBLOCK_BITS) + lane, look.lanes[lane]
        start = directory[window, ROWS] + np.int64(seen.wholes[first + (row & _LOCAL_ROW)])
        for at in range(start, start + _AHEAD, 64):
            prefetch(seen.data, at)
        slot = count
        while slot > 0 and look.row_bounds[slot - 1] < bound:
            look.rows[slot], look.starts[slot] = look.rows[slot - 1], look.starts[slot - 1]
            look.row_bounds[slot] = look.row_bounds[slot - 1]
            slot -= 1
        look.rows[slot], look.starts[slot], look.row_bounds[slot] = row, start, bound
        count += 1
    return count


@inner
def _row_bytes(wholes: _Array, directory: _Array, row: int) -> int:
    """How many bytes a packed row has."""
    at = (directory[row >> (WINDOW_BITS + SUPERBLOCK_BITS), ROW_STARTS] >> 2) + (row & _LOCAL_ROW)
    return np.int64(wholes[at + 1]) - np.int64(wholes[at])


@inner
def _score(waiting: int, seen: Views, directory: _Array, wide: bool, float_weights: bool,
           flags: _Array, weights: _Array, look: _Look, unit: float, seqs: _Array, place: int,
           k: int, size: int, scores: _Array, hit_seqs: _Array, places: _Array) -> int:  # fmt: skip
    """Score the documents that wait, as long as their bounds let them be hits."""
    least = _least(scores, size, k, unit)
    for i in range(waiting):
        if look.row_bounds[i] < least:
            break
        row = look.rows[i]
        score = row_score(
            seen.halves, seen.wholes, seen.floats, look.starts[i],
            _row_bytes(seen.wholes, directory, row), wide, float_weights, flags, weights,
            look.matches,
        )  # fmt: skip
        if score >= threshold(scores, size, k):
            size = offer(score, seqs[row], place + row, scores, hit_seqs, places, size, k)
            least = _least(scores, size, k, unit)
    return size


@inner
def _visit(ordered: _Array, bounds: _Array, allowed: _Array, seen: Views, directory: _Array,
           wide: bool, float_weights: bool, groups: int, windows: _Array, spans: _Array,
           terms: Asked, patience: int, flags: _Array, weights: _Array, look: _Look,
           seqs: _Array, place: int, k: int, size: int,
           scores: _Array, hit_seqs: _Array, places: _Array) -> tuple[int, int]:  # fmt: skip
    """Visit superblocks by falling bound: (size of the heap, how many were visited).

    What is in memory and not in a cache takes as long as all else, so three are under way:
    the next but one is asked for, the next is looked up, and this one's rows are asked for
    and scored after the next look. Gives up where more than `patience` are left.
    """
    count, ahead, waiting = len(ordered), -1, 0
    visited, reckon = count, max(patience >> _RECKON_SHIFT, _RECKON_AT)
    # More than so many subtractions from it can lose, in float32.
    slack = np.float32(terms.inflation)
    for i in range(-1, count):
        least = _least(scores, size, k, terms.unit)
        if i == reckon:
            if left_after(bounds, ordered, i, least) > patience:
                visited = i
                break
            reckon *= 2
        if i + 2 < count:
            superblock = np.int64(ordered[i + 2])
            _ask(seen, _record(seen.wholes, windows, superblock), groups, terms)
        here, ahead = ahead, -1
        if i + 1 < count and bounds[ordered[i + 1]] >= least:
            superblock = np.int64(ordered[i + 1])
            record = _record(seen.wholes, windows, superblock)
            turn = ((i + 1) & 1) * _TURN
            ahead = _look_up(seen, record, groups, windows, spans, superblock, terms, 0,
                             min(_FIRST, terms.count), look, turn)  # fmt: skip
        size = _score(waiting, seen, directory, wide, float_weights, flags, weights, look,
                      terms.unit, seqs, place, k, size, scores, hit_seqs, places)  # fmt: skip
        waiting = 0
        if here < 0:
            continue
        superblock = np.int64(ordered[i])
        look.lanes[:] = bounds[superblock] * slack
        mask = _narrow(seen.words, look, (i & 1) * _TURN, here, least, allowed[superblock])
        done = _FIRST
        while mask and done < terms.count:
            record = _record(seen.wholes, windows, superblock)
            stop = min(done + _MORE, terms.count)
            more = _look_up(seen, record, groups, windows, spans, superblock, terms, done, stop,
                            look, 2 * _TURN)  # fmt: skip
            mask = _narrow(seen.words, look, 2 * _TURN, more, least, mask)
            done = stop
        waiting = _await(mask, superblock, seen, directory, look)
    size = _score(waiting, seen, directory, wide, float_weights, flags, weights, look,
                  terms.unit, seqs, place, k, size, scores, hit_seqs, places)  # fmt: skip
    return size, visited


@inner
def _fill_rest(bounds: _Array, allowed: _Array, least: float, below: float, visited: _Array,
               rest: _Array) -> None:  # fmt: skip
    """The rows of superblocks with `least <= bound < below` that were not visited."""
    for superblock in range(len(allowed)):
        is_left = bounds[superblock] >= least and bounds[superblock] < below
        rest[superblock] = allowed[superblock] if is_left else np.uint64(0)
    for superblock in visited:
        rest[superblock] = 0


@compiled(
    types.int64(
        _I4, _F8, _U1, _TABLE, types.boolean, types.boolean, _I8, _U8,
        _U4, _U2, _TABLE, _TABLE, types.int64, types.int64, types.int64, types.int64,
        _out(types.uint8), _out(types.float64), _out(types.float32), _out(types.float32),
        _out(types.int32), _out(types.int32), _out(types.uint64),
        _out(types.float64), _out(types.int64), _out(types.int64),
    )
)  # fmt: skip
def prune(query_terms: _Array, query_weights: _Array, data: _Array, directory: _Array,
          wide: bool, float_weights: bool, seqs: _Array, allowed: _Array,
          frequent: _Array, frequent_slots: _Array, windows: _Array, spans: _Array,
          postings_a_visit: int, place: int, k: int, size: int,
          flags: _Array, weights: _Array, bounds: _Array, peaks: _Array, found: _Array,
          ordered: _Array, rest: _Array,
          scores: _Array, hit_seqs: _Array, places: _Array) -> int:  # fmt: skip
    """Offer every allowed document of a segment that scores above 0 to the heap of k hits.

    query_terms, query_weights: int32 and float64 [nq], terms rising, weights above 0
    data, directory, wide, float_weights, seqs: the segment's
    allowed:  bitmap of the rows that may be hits
    frequent, frequent_slots, windows, spans: its `Bounds`
    postings_a_visit: how many postings cost what a superblock does, to visit
    place:    added to a row to make the place that a hit is known by
    size:     hits in the heap before
    flags, weights, bounds, peaks, found, ordered, rest: a `Scratch`; flags are 0 before and after
    scores, hit_seqs, places: the heap, see `heap`

    Comes back as hits in the heap after; or as -1 less that number if so many superblocks
    were left that term at a time is faster: then `rest` is the bitmap of the rows that are
    still to be offered.
    """
    for number in range(len(query_terms)):
        flags[query_terms[number]] = 1
        weights[query_terms[number]] = query_weights[number]
    seen = views(data)
    terms = asked(seen, query_terms, query_weights, frequent, frequent_slots, spans,
                  len(directory))  # fmt: skip
    bounds = bounds[: fill_bounds(seen, query_terms, query_weights, terms, spans, bounds)]
    peaks = peaks[: len(directory) * PEAKS]
    fill_peaks(bounds, peaks)
    look = _Look(
        np.zeros(2 * _TURN + _MORE + 4, np.int64), np.zeros(2 * _TURN + _MORE + 4, np.float32),
        np.empty(64, np.float32), np.empty(64, np.int64), np.empty(64, np.float32),
        np.empty(64, np.int64), np.empty(MATCHES, np.int64),
    )  # fmt: skip
    counts = np.empty(BUCKETS, np.int64)
    groups = (len(frequent) + 63) >> 6
    patience = terms.postings // postings_a_visit
    lowest, below = gap_below(peaks, _BEST + k // _HITS_A_BEST, counts), np.float32(np.inf)
    while True:
        least = _least(scores, size, k, terms.unit)
        count = candidates(bounds, peaks, allowed, max(lowest, least), below, found)
        sort(bounds, found[:count], counts, ordered)
        size, visited = _visit(
            ordered[:count], bounds, allowed, seen, directory, wide, float_weights, groups,
            windows, spans, terms, patience, flags, weights, look, seqs, place, k, size,
            scores, hit_seqs, places,
        )  # fmt: skip
        if visited < count or lowest <= 0.0:
            break
        lowest, below = np.float32(0.0), lowest
    for term in query_terms:
        flags[term] = 0
    if visited == count:
        return size
    least = _least(scores, size, k, terms.unit)
    _fill_rest(bounds, allowed, least, below, ordered[:visited], rest)
    return -1 - size


@compiled(types.UniTuple(types.int64, 2)(_U8))
def spread(allowed: _Array) -> tuple[int, int]:
    """How many rows are in a bitmap, and how many of its words, or superblocks, have any."""
    rows, words = 0, 0
    for word in allowed:
        rows += count_bits(word)
        words += word != np.uint64(0)
    return rows, words
