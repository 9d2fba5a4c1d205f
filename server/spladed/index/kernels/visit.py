"""Superblocks, the most promising first: which of their documents may be hits, and are.

Where a term's bitmap has no bit, a document of the superblock cannot have that term's share,
and loses it from its bound. The terms of the largest shares go first: most superblocks that
are visited are done after eight terms of forty. What is left is scored from its row.
"""

from __future__ import annotations

from typing import Any

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
from spladed.index.kernels.compiled import inner
from spladed.index.kernels.heap import Hits
from spladed.index.kernels.lanes import bits_below, lowest_bit, prefetch, subtract_elsewhere
from spladed.index.kernels.look import FIRST, MORE, TURN, Look, Part, ask_row, least_of, score_row
from spladed.index.kernels.promising import left_after
from spladed.index.kernels.superblocks import Asked

__all__ = ["ask_superblock", "narrow_all", "visit"]

_Array = npt.NDArray[Any]

# What is left is reckoned at first, after the 32nd part of what patience allows, or after 16
# superblocks, and then whenever twice as many are done: to give up late costs twice.
_RECKON_SHIFT, _RECKON_AT = 5, 16


@inner
def _record(part: Part, superblock: int) -> int:
    """The word where a superblock's record starts."""
    window, local = superblock >> WINDOW_BITS, superblock & (WINDOW_SUPERBLOCKS - 1)
    starts = part.windows[window, MEMBER_STARTS] >> 2
    return (part.windows[window, MEMBERS] >> 3) + np.int64(part.views.wholes[starts + local])


@inner
def ask_superblock(part: Part, superblock: int, terms: Asked) -> None:
    """Ask for what the first look at a superblock's record reads."""
    record = _record(part, superblock)
    for i in range(min(FIRST, terms.count)):
        prefetch(part.views.words, record + (terms.slots[i] >> 6))
    for word in range(part.groups, head_words(part.groups), 8):
        prefetch(part.views.words, record + word)


@inner
def _look_up(part: Part, superblock: int, terms: Asked, start: int, stop: int, seen: Look,
             place: int) -> int:  # fmt: skip
    """Where the bitmaps of the terms `start` to `stop` are, and their shares.

    Written from `place` on, of terms that the superblock has; how many, as fours.
    """
    window = superblock >> WINDOW_BITS
    span = part.windows[window, SPAN]
    stride = part.spans[span, STRIDE]
    first = part.spans[span, FIRST_WINDOW] * WINDOW_SUPERBLOCKS
    codes = part.spans[span, SPAN_ROWS] + superblock - first
    record = _record(part, superblock)
    counts = 4 * (record + part.groups)
    members = record + head_words(part.groups)
    # Records are checked by `verify` and not when a segment is opened: a broken one may lead
    # to wrong bitmaps, not out of the file.
    last = len(part.views.words) - 1
    end = np.uint64(place)
    for i in range(start, stop):
        slot = terms.slots[i]
        word = part.views.words[np.uint64(record + (slot >> 6))]
        before = np.int64(part.views.halves[np.uint64(counts + (slot >> 6))])
        entry = min(members + before + bits_below(word, slot & 63), last)
        prefetch(part.views.words, entry)
        code = np.float32(part.views.data[np.uint64(codes + slot * stride)])
        seen.entries[end], seen.shares[end] = entry, terms.factors[window, i] * code
        # Without a branch: what an absent term wrote, the next one overwrites.
        end += (word >> np.uint64(slot & 63)) & np.uint64(1)
    count = np.int64(end) - place
    while count & 3:
        seen.entries[place + count], seen.shares[place + count] = 0, 0.0
        count += 1
    return count


@inner
def _narrow(words: _Array, look: Look, place: int, count: int, least: float,
            mask: int) -> int:  # fmt: skip
    """Take from the documents' bounds the shares of terms that they lack; who is left."""
    for i in range(place, place + count, 4):
        mask &= subtract_elsewhere(look.lanes, words, look.entries, look.shares, i, least)
        if not mask:
            break
    return mask


@inner
def _open(seen: Look, bound: float, terms: Asked) -> None:
    """Give every document its superblock's bound, and more than subtractions from it can lose."""
    seen.lanes[:] = bound * np.float32(terms.inflation)


@inner
def _narrow_more(superblock: int, done: int, least: float, mask: int, part: Part, terms: Asked,
                 seen: Look) -> int:  # fmt: skip
    """Narrow documents by the terms from number `done` on; who is left."""
    while mask and done < terms.count:
        stop = min(done + MORE, terms.count)
        more = _look_up(part, superblock, terms, done, stop, seen, 2 * TURN)
        mask = _narrow(part.views.words, seen, 2 * TURN, more, least, mask)
        done = stop
    return mask


@inner
def narrow_all(superblock: int, bound: float, least: float, mask: int, part: Part, terms: Asked,
               seen: Look) -> int:  # fmt: skip
    """The documents of a superblock that may reach `least`; their bounds are in the lanes."""
    _open(seen, bound, terms)
    return _narrow_more(superblock, 0, least, mask, part, terms, seen)


@inner
def _await(mask: int, superblock: int, part: Part, seen: Look) -> int:
    """List these documents of a superblock by falling bound, and ask for their rows."""
    count = 0
    while mask:
        lane = lowest_bit(mask)
        mask &= mask - np.uint64(1)
        row, bound = (superblock << SUPERBLOCK_BITS) + lane, seen.lanes[lane]
        ask_row(part, row)
        slot = count
        while slot > 0 and seen.row_bounds[slot - 1] < bound:
            seen.rows[slot], seen.row_bounds[slot] = seen.rows[slot - 1], seen.row_bounds[slot - 1]
            slot -= 1
        seen.rows[slot], seen.row_bounds[slot] = row, bound
        count += 1
    return count


@inner
def _score(waiting: int, part: Part, seen: Look, terms: Asked, hits: Hits, size: int) -> int:
    """Score the documents that wait, as long as their bounds let them be hits."""
    least = least_of(hits, size, terms)
    for i in range(waiting):
        if seen.row_bounds[i] < least:
            break
        size = score_row(seen.rows[i], part, seen, hits, size)
        least = least_of(hits, size, terms)
    return size


@inner
def _costs_too_much(left: int, spent: int, patience: int) -> bool:
    """Whether to give up: what is left at most, what is spent, in superblocks and halves of them.

    To begin with twice as many may be left, for thresholds rise; once patience is spent, half.
    Never is it spent twice.
    """
    if spent > patience:
        return 2 * left > patience or spent > 2 * patience
    return left > (patience if spent else 2 * patience)


# Long, since three superblocks are under way in one turn of its loop.
@inner
def visit(ordered: _Array, bounds: _Array, allowed: _Array, part: Part, terms: Asked,
          patience: int, most: int, seen: Look, hits: Hits,
          size: int) -> tuple[int, int]:  # fmt: skip
    """Visit superblocks by falling bound: (size of the heap, how many were visited).

    What is in memory and not in a cache takes as long as all else, so three are under way:
    the next but one is asked for, the next is looked up, and this one's rows are asked for
    and scored after the next look. Gives up where that costs less than what is left, see
    `_costs_too_much`, and after `most` if no hits are missing.
    """
    count, ahead, waiting, rows = len(ordered), -1, 0, 0
    visited, reckon = count, 0
    for i in range(-1, count):
        least = least_of(hits, size, terms)
        if i >= most and size == hits.k:
            visited = i
            break
        if i == reckon or 2 * i + rows > patience:
            left = left_after(bounds, ordered, max(i, 0), least)
            if _costs_too_much(left, 2 * i + rows, patience):
                visited = i
                break
            reckon = max(2 * i, patience >> _RECKON_SHIFT, _RECKON_AT)
        if i + 2 < count and bounds[ordered[i + 2]] >= least:
            ask_superblock(part, np.int64(ordered[i + 2]), terms)
        here, ahead = ahead, -1
        if i + 1 < count and bounds[ordered[i + 1]] >= least:
            turn = ((i + 1) & 1) * TURN
            stop = min(FIRST, terms.count)
            ahead = _look_up(part, np.int64(ordered[i + 1]), terms, 0, stop, seen, turn)
        size = _score(waiting, part, seen, terms, hits, size)
        waiting = 0
        if here < 0:
            continue
        superblock = np.int64(ordered[i])
        _open(seen, bounds[superblock], terms)
        mask = _narrow(part.views.words, seen, (i & 1) * TURN, here, least, allowed[superblock])
        mask = _narrow_more(superblock, FIRST, least, mask, part, terms, seen)
        waiting = _await(mask, superblock, part, seen)
        rows += waiting
    return _score(waiting, part, seen, terms, hits, size), visited
