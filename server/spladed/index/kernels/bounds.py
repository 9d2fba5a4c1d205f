"""What no document of a superblock can exceed: the loops that make bounds, a window at a time.

The sections, and what holds of them: `spladed.index.bounds`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.index.kernels.compiled import array, compiled, inner, types
from spladed.index.kernels.lanes import bits_below, count_bits

__all__ = [
    "FIRST_WINDOW", "FREQUENCIES", "MAX_RARE_CODE", "MEMBERS", "MEMBER_STARTS", "RARE",
    "RARE_CODE_BITS", "RARE_COUNT", "RARE_SCALES", "RARE_STARTS", "RARE_TERMS", "SPAN",
    "SPAN_COLUMNS", "SPAN_ROWS", "SPAN_SCALES", "SPAN_WINDOWS", "STRIDE", "SUPERBLOCK_BITS",
    "WINDOW_BITS", "WINDOW_COLUMNS", "WINDOW_SUPERBLOCKS", "frequent_bounds", "head_words",
    "members", "move_rare", "rare_bounds", "record_starts",
]  # fmt: skip

SUPERBLOCK_BITS = 6
WINDOW_BITS = 10
WINDOW_SUPERBLOCKS = 1 << WINDOW_BITS
_MAX_CODE = 255
# A list entry is one uint16: 10 bits of superblock, as many as a window has, and 6 of code.
# A code in 6 bits exceeds the truth by 0.8 % of the term's maximum on average; those of the
# frequent terms, which make the sums, have 8.
RARE_CODE_BITS = 16 - WINDOW_BITS
MAX_RARE_CODE = (1 << RARE_CODE_BITS) - 1

# The columns of `Bounds.windows`: where sections start, and the span.
WINDOW_COLUMNS = 3
MEMBERS, MEMBER_STARTS, SPAN = 0, 1, 2
# The columns of `Bounds.spans`: counts, and where sections start.
SPAN_COLUMNS = 11
FIRST_WINDOW, SPAN_WINDOWS, STRIDE, RARE_COUNT, SPAN_ROWS, SPAN_SCALES = 0, 1, 2, 3, 4, 5
FREQUENCIES, RARE_TERMS, RARE_STARTS, RARE_SCALES, RARE = 6, 7, 8, 9, 10

_Array = npt.NDArray[Any]
_U1, _U2, _U4, _U8 = (
    array(types.uint8), array(types.uint16), array(types.uint32), array(types.uint64),
)  # fmt: skip
_F4, _I4 = array(types.float32), array(types.int32)


def _out(dtype: types.Type) -> types.Array:
    return array(dtype, readonly=False)


@inner
def _scale(largest: float, max_code: int) -> float:
    """The float32 step of codes, so that the highest code stands for `largest` or more."""
    step = np.float32(largest / max_code)
    while np.float64(step) * max_code < largest:
        step = np.nextafter(step, np.float32(np.inf))
    return step


@inner
def _code(largest: float, scale: float) -> int:
    """The lowest code that stands for `largest` or more."""
    code = np.int64(np.ceil(largest / np.float64(scale)))
    while np.float64(scale) * code < largest:
        code += 1
    while code > 0 and np.float64(scale) * (code - 1) >= largest:
        code -= 1
    return code


@inner
def _maxima(docs: _Array, impacts: _Array, first: int, stop: int, largest: _Array) -> float:
    """The largest impact of each superblock in one term's postings, and of all."""
    largest[:] = 0.0
    top = 0.0
    for posting in range(first, stop):
        impact = np.float64(impacts[posting])
        place = np.uint64(docs[posting] >> SUPERBLOCK_BITS)
        largest[place] = max(largest[place], impact)
        top = max(top, impact)
    return top


@compiled(
    *(
        types.void(_U4, _U2, impacts, _I4, types.int64, types.int64, types.int64,
                   _out(types.float32), _out(types.uint8), _out(types.uint64))
        for impacts in (_U2, _F4)
    )
)  # fmt: skip
def frequent_bounds(starts: _Array, docs: _Array, impacts: _Array, places: _Array,
                    superblocks: int, windows: int, number: int,
                    scales: _Array, rows: _Array, presence: _Array) -> None:  # fmt: skip
    """Enter window `number` of a span of so many windows.

    places:   int32 [F], of each slot the position of its term in the window, -1 if absent
    scales:   [F * windows], rows: [F * stride], of the span
    presence: [superblocks * words], of the window, all 0 before
    """
    largest = np.zeros(superblocks)
    stride, words = len(rows) // len(places), len(presence) // superblocks
    for slot in range(len(places)):
        place = places[slot]
        if place < 0:
            continue
        top = _maxima(docs, impacts, starts[place], starts[place + 1], largest)
        scale = _scale(top, _MAX_CODE)
        scales[slot * windows + number] = scale
        codes = rows[slot * stride + number * WINDOW_SUPERBLOCKS :]
        for superblock in range(superblocks):
            if largest[superblock] > 0.0:
                codes[superblock] = _code(largest[superblock], scale)
                word = superblock * words + (slot >> 6)
                presence[word] |= np.uint64(1) << np.uint64(slot & 63)


@inner
def head_words(groups: int) -> int:
    """Words of a superblock's record before its bitmaps, by the words of its presence."""
    return groups + ((groups + 3) >> 2)


@compiled(_out(types.uint32)(_U8, types.int64))
def record_starts(presence: _Array, superblocks: int) -> _Array:
    """uint32 [superblocks + 1]: the word where each superblock's record starts, and all end."""
    groups = len(presence) // superblocks
    starts = np.zeros(superblocks + 1, np.uint32)
    for superblock in range(superblocks):
        count = head_words(groups)
        for word in presence[superblock * groups : (superblock + 1) * groups]:
            count += count_bits(word)
        starts[superblock + 1] = starts[superblock] + np.uint32(count)
    return starts


@inner
def _write_heads(presence: _Array, groups: int, starts: _Array, records: _Array) -> None:
    """Presence, and how many bits are set in the words before each."""
    counts = records.view(np.uint16)
    for superblock in range(len(starts) - 1):
        start, before = np.int64(starts[superblock]), 0
        for group in range(groups):
            word = presence[superblock * groups + group]
            records[start + group] = word
            counts[4 * (start + groups) + group] = before
            before += count_bits(word)


@compiled(_out(types.uint64)(_U4, _U2, _I4, _U8, _U4))
def members(starts: _Array, docs: _Array, places: _Array, presence: _Array,
            record_starts: _Array) -> _Array:  # fmt: skip
    """The records of a window's superblocks, uint64 [record_starts[-1]].

    Presence, the counts of it, and for each of its bits the documents as a bitmap.
    """
    groups = len(presence) // (len(record_starts) - 1)
    records = np.zeros(record_starts[-1], np.uint64)
    _write_heads(presence, groups, record_starts, records)
    counts = records.view(np.uint16)
    for slot in range(len(places)):
        place = places[slot]
        if place < 0:
            continue
        for posting in range(starts[place], starts[place + 1]):
            doc = np.int64(docs[posting])
            start = np.int64(record_starts[doc >> SUPERBLOCK_BITS])
            word = records[start + (slot >> 6)]
            if (word >> np.uint64(slot & 63)) & np.uint64(1) == 0:
                continue  # all impacts of the superblock are 0: powers of tiny weights are
            before = np.int64(counts[4 * (start + groups) + (slot >> 6)])
            rank = before + bits_below(word, slot & 63)
            entry = start + head_words(groups) + rank
            records[entry] |= np.uint64(1) << np.uint64(doc & 63)
    return records


@compiled(
    *(
        types.int64(_U4, _U2, impacts, _out(types.boolean), types.int64, _out(types.uint32),
                    _out(types.float32), _out(types.uint16))
        for impacts in (_U2, _F4)
    )
)  # fmt: skip
def rare_bounds(starts: _Array, docs: _Array, impacts: _Array, rare: _Array, superblocks: int,
                rare_starts: _Array, scales: _Array, entries: _Array) -> int:  # fmt: skip
    """Fill rare_starts [T + 1], scales [T] and entries; how many entries there are.

    rare: bool [T], the terms that get a list; entries: room for one a posting of theirs
    """
    largest = np.zeros(superblocks)
    count = 0
    for place in range(len(rare)):
        rare_starts[place] = count
        if not rare[place]:
            continue
        top = _maxima(docs, impacts, starts[place], starts[place + 1], largest)
        scales[place] = _scale(top, MAX_RARE_CODE)
        for posting in range(starts[place], starts[place + 1]):
            superblock = np.int64(docs[posting] >> SUPERBLOCK_BITS)
            if largest[superblock] > 0.0:
                code = _code(largest[superblock], scales[place])
                entries[count] = (superblock << RARE_CODE_BITS) | code
                largest[superblock] = 0.0
                count += 1
    rare_starts[len(rare)] = count
    return count


@compiled(
    types.void(_U4, _U2, _I4, types.int64, types.int64, _U4, _out(types.uint16))
)  # fmt: skip
def move_rare(window_starts: _Array, entries: _Array, places: _Array, windows: int, number: int,
              starts: _Array, moved: _Array) -> None:  # fmt: skip
    """Copy window `number`'s lists to where those of its span stand, term by term.

    places: int32 [T], the position of each term among the span's rare ones; -1 has no list
    """
    for term in range(len(places)):
        first, stop = window_starts[term], window_starts[term + 1]
        if first < stop:
            place = starts[places[term] * windows + number]
            moved[place : place + stop - first] = entries[first:stop]
