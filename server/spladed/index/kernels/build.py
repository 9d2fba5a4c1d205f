"""Rows packed, unpacked, ordered and inverted: the loops behind segments. Long, since all of
them know how a packed row lies.

Packed rows, in `data` from the byte at which their section starts: for each row its terms,
uint16, or uint32 if `wide`; then its weights, uint16, or float32 if `floats`. Float32 weights
and rows start at a multiple of 4 bytes, so that no number lies across its own size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.index.kernels.compiled import array, compiled, inner, types

__all__ = [
    "COLUMNS", "DOCS", "DOCUMENTS", "FIRST_ROW", "IMPACTS", "ROWS", "ROW_STARTS", "STARTS",
    "TERMS", "TERM_COUNT", "copy", "count_terms", "invert_floats", "invert_steps", "locate",
    "pack", "packed_bytes", "powers", "sort_keys", "squares", "term_bytes", "term_count",
    "to_steps", "unpack",
]  # fmt: skip

# The columns of a segment's `directory`, a row a window: counts, and where sections start.
COLUMNS = 9
FIRST_ROW, DOCUMENTS, ROWS, ROW_STARTS = 0, 1, 2, 3
TERMS, TERM_COUNT, STARTS, DOCS, IMPACTS = 4, 5, 6, 7, 8

_Array = npt.NDArray[Any]
_U1, _U2, _U4 = array(types.uint8), array(types.uint16), array(types.uint32)
_I4, _I8, _F4, _F8 = (
    array(types.int32), array(types.int64), array(types.float32), array(types.float64),
)  # fmt: skip
_DIRECTORY = array(types.int64, dimensions=2)


def _out(dtype: types.Type) -> types.Array:
    return array(dtype, readonly=False)


def packed_bytes(counts: npt.NDArray[np.int64], wide: bool, floats: bool) -> npt.NDArray[np.int64]:
    """Bytes of packed rows of these numbers of terms."""
    terms = counts * (4 if wide else 2)
    return (terms + 3 & ~3) + 4 * counts if floats else terms + 2 * counts + 3 & ~3


@inner
def term_count(size: int, wide: bool, floats: bool) -> int:
    """Terms of a packed row of this many bytes."""
    if wide and floats:
        return size // 8
    return size // 6 if wide or floats else size // 4


@inner
def term_bytes(count: int, wide: bool, floats: bool) -> int:
    """From where a packed row starts to where its weights start."""
    size = 4 * count if wide else 2 * count
    return (size + 3) & ~3 if floats else size


@inner
def _copy(source: _Array, first: int, stop: int, target: _Array, place: int) -> None:
    """Copy entries one by one: a slice costs more than a short row is long."""
    shift = np.uint64(place - first)
    for position in range(np.uint64(first), np.uint64(stop)):
        target[position + shift] = source[position]


@compiled(types.void(_I8, _I4, _U2, _F4, _I8, types.boolean, types.boolean, _out(types.uint8)))
def pack(indptr: _Array, indices: _Array, steps: _Array, numbers: _Array,
         starts: _Array, wide: bool, floats: bool, data: _Array) -> None:  # fmt: skip
    """Write row i to `data` at `starts[i]`; weights are `numbers` if `floats`, else `steps`."""
    halves, words, floating = data.view(np.uint16), data.view(np.uint32), data.view(np.float32)
    for row in range(len(indptr) - 1):
        first, stop = indptr[row], indptr[row + 1]
        at = np.int64(starts[row])
        if wide:
            _copy(indices, first, stop, words, at >> 2)
        else:
            _copy(indices, first, stop, halves, at >> 1)
        at += term_bytes(stop - first, wide, floats)
        if floats:
            _copy(numbers, first, stop, floating, at >> 2)
        else:
            _copy(steps, first, stop, halves, at >> 1)
        if wide != floats and (stop - first) & 1:
            # The pad: behind the weights, or between terms and weights. `data` may hold rubbish.
            halves[(at >> 1) + (stop - first) if wide else (at >> 1) - 1] = 0


@compiled(
    types.void(
        _U1, _I8, _I8, types.boolean, types.boolean, _I8,
        _out(types.int32), _out(types.uint16), _out(types.float32),
    )
)  # fmt: skip
def unpack(data: _Array, begins: _Array, sizes: _Array, wide: bool, floats: bool,
           places: _Array, indices: _Array, steps: _Array, numbers: _Array) -> None:  # fmt: skip
    """Write the packed row of `sizes[i]` bytes at `begins[i]` to position `places[i]` of the
    output arrays."""
    halves, words, floating = data.view(np.uint16), data.view(np.uint32), data.view(np.float32)
    for row in range(len(begins)):
        count = term_count(sizes[row], wide, floats)
        at, place = begins[row], places[row]
        if wide:
            _copy(words, at >> 2, (at >> 2) + count, indices, place)
        else:
            _copy(halves, at >> 1, (at >> 1) + count, indices, place)
        at += term_bytes(count, wide, floats)
        if floats:
            _copy(floating, at >> 2, (at >> 2) + count, numbers, place)
        else:
            _copy(halves, at >> 1, (at >> 1) + count, steps, place)


@inner
def _window_of(directory: _Array, row: int) -> int:
    """The window that holds a row: the last one that does not start behind it."""
    low, high = 0, len(directory)
    while high - low > 1:
        middle = (low + high) >> 1
        if directory[middle, 0] <= row:
            low = middle
        else:
            high = middle
    return low


@compiled(types.Tuple((_out(types.int64), _out(types.int64)))(_U1, _DIRECTORY, _I8))
def locate(data: _Array, directory: _Array, rows: _Array) -> tuple[_Array, _Array]:
    """(begins, sizes) of these packed rows of a segment, in bytes of `data`."""
    words = data.view(np.uint32)
    begins, sizes = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    for number in range(len(rows)):
        window = _window_of(directory, rows[number])
        at = (directory[window, 3] >> 2) + rows[number] - directory[window, 0]
        start = np.int64(words[at])
        begins[number] = directory[window, 2] + start
        sizes[number] = np.int64(words[at + 1]) - start
    return begins, sizes


@compiled(types.void(_U1, _I8, _I8, _I8, _out(types.uint8)))
def copy(data: _Array, begins: _Array, sizes: _Array, places: _Array, target: _Array) -> None:
    """Copy the packed row of `sizes[i]` bytes at `begins[i]` to byte `places[i]` of `target`."""
    words, copied = data.view(np.uint32), target.view(np.uint32)
    for row in range(len(begins)):
        begin = begins[row]
        _copy(words, begin >> 2, (begin + sizes[row]) >> 2, copied, places[row] >> 2)


@compiled(types.Tuple((_out(types.uint16), types.int64, types.int64))(_F4, types.float64))
def to_steps(values: _Array, steps_a_unit: float) -> tuple[_Array, int, int]:
    """(uint16 [nnz]: values in steps, rounded half to even; how many became 0; the position of
    the first one that 16 bits do not hold, or -1)."""
    steps = np.empty(len(values), np.uint16)
    zeros, beyond = 0, -1
    for position in range(len(values)):
        rounded = np.rint(np.float64(values[position]) * steps_a_unit)
        if rounded > 65535.0:
            if beyond < 0:
                beyond = position
            rounded = 65535.0
        steps[position] = np.uint16(rounded)
        zeros += rounded == 0.0
    return steps, zeros, beyond


@inner
def _heaviest(terms: _Array, term: int, weights: _Array, weight: int, count: int) -> int:
    """The sort key of the row with terms from position `term`, weights from `weight`."""
    zero = weights.dtype.type(0)
    w1, w2, w3 = zero, zero, zero
    t1 = t2 = t3 = np.uint64(0)
    for position in range(np.uint64(count)):
        w, t = weights[np.uint64(weight) + position], np.uint64(terms[np.uint64(term) + position])
        if w > w1:
            w3, t3, w2, t2, w1, t1 = w2, t2, w1, t1, w, t
        elif w > w2:
            w3, t3, w2, t2 = w2, t2, w, t
        elif w > w3:
            w3, t3 = w, t
    return (t1 << np.uint64(40)) | (t2 << np.uint64(16)) | (t3 & np.uint64(0xFFFF))


@compiled(_out(types.uint64)(_U1, _I8, _I8, types.boolean, types.boolean))
def sort_keys(data: _Array, begins: _Array, sizes: _Array, wide: bool, floats: bool) -> _Array:
    """uint64 [rows]: the three heaviest terms of each packed row, heaviest first, as one number.

    Rows that share heavy terms then lie together, and the bounds of blocks of rows are
    tight: as good as clustering, and nearly free. Equal weights go by rising term; only
    16 bits of the third term count.
    """
    halves, words, floating = data.view(np.uint16), data.view(np.uint32), data.view(np.float32)
    keys = np.empty(len(begins), np.uint64)
    for row in range(len(begins)):
        count = term_count(sizes[row], wide, floats)
        at = begins[row]
        to = at + term_bytes(count, wide, floats)
        if wide and floats:
            keys[row] = _heaviest(words, at >> 2, floating, to >> 2, count)
        elif wide:
            keys[row] = _heaviest(words, at >> 2, halves, to >> 1, count)
        elif floats:
            keys[row] = _heaviest(halves, at >> 1, floating, to >> 2, count)
        else:
            keys[row] = _heaviest(halves, at >> 1, halves, to >> 1, count)
    return keys


@inner
def _count(terms: _Array, first: int, stop: int, counts: _Array) -> None:
    for position in range(np.uint64(first), np.uint64(stop)):
        counts[np.uint64(terms[position])] += 1


@compiled(types.void(_U1, _I8, types.boolean, types.boolean, _out(types.int64)))
def count_terms(data: _Array, starts: _Array, wide: bool, floats: bool, counts: _Array) -> None:
    """Add to int64 `counts` [dimension] how many of these packed rows have each term."""
    halves, words = data.view(np.uint16), data.view(np.uint32)
    for row in range(len(starts) - 1):
        start = np.int64(starts[row])
        count = term_count(np.int64(starts[row + 1]) - start, wide, floats)
        if wide:
            _count(words, start >> 2, (start >> 2) + count, counts)
        else:
            _count(halves, start >> 1, (start >> 1) + count, counts)


@inner
def _scatter(terms: _Array, term: int, steps: _Array, step: int, count: int,
             doc: int, slots: _Array, pairs: _Array) -> None:  # fmt: skip
    """Write the row's postings: terms from position `term`, weights from position `step`."""
    for position in range(np.uint64(count)):
        slot = np.uint64(terms[np.uint64(term) + position])
        weight = np.uint32(steps[np.uint64(step) + position])
        pairs[np.uint64(slots[slot])] = (weight << np.uint32(16)) | np.uint32(doc)
        slots[slot] += 1


@compiled(
    types.void(
        _U1, _I8, types.boolean, _out(types.int64), _out(types.uint32), _out(types.uint16),
        _out(types.uint16),
    )
)  # fmt: skip
def invert_steps(data: _Array, starts: _Array, wide: bool, slots: _Array, pairs: _Array,
                 docs: _Array, steps: _Array) -> None:  # fmt: skip
    """The postings of at most 65,536 packed rows of 16-bit weights, term-major, docs rising.

    slots: int64 [dimension], where each term's postings start; moved to where they end
    pairs: uint32 [nnz], scratch: a posting is written to one random place, not to two
    docs, steps: uint16 [nnz], the postings
    """
    halves, words = data.view(np.uint16), data.view(np.uint32)
    for row in range(len(starts) - 1):
        start = np.int64(starts[row])
        count = term_count(np.int64(starts[row + 1]) - start, wide, False)
        at = (start + term_bytes(count, wide, False)) >> 1
        if wide:
            _scatter(words, start >> 2, halves, at, count, row, slots, pairs)
        else:
            _scatter(halves, start >> 1, halves, at, count, row, slots, pairs)
    for posting in range(len(pairs)):
        docs[posting] = pairs[posting] & np.uint32(0xFFFF)
        steps[posting] = pairs[posting] >> np.uint32(16)


@compiled(
    types.void(
        _I8, _I4, _F4, _out(types.int64), _out(types.uint16), _out(types.float32),
    )
)  # fmt: skip
def invert_floats(indptr: _Array, indices: _Array, impacts: _Array, slots: _Array,
                  docs: _Array, numbers: _Array) -> None:  # fmt: skip
    """As `invert_steps`, of unpacked rows with impacts of 32 bits."""
    for row in range(len(indptr) - 1):
        for position in range(indptr[row], indptr[row + 1]):
            slot = slots[np.uint64(indices[position])]
            slots[np.uint64(indices[position])] = slot + 1
            docs[np.uint64(slot)], numbers[np.uint64(slot)] = row, impacts[position]


@compiled(_out(types.float64)(_I8, _F4))
def squares(indptr: _Array, weights: _Array) -> _Array:
    """float64 [rows]: the sum of the squares of each row, added one by one."""
    sums = np.zeros(len(indptr) - 1)
    for row in range(len(indptr) - 1):
        for position in range(indptr[row], indptr[row + 1]):
            weight = np.float64(weights[position])
            sums[row] += weight * weight
    return sums


@compiled(_out(types.float32)(_F4, types.float64))
def powers(weights: _Array, power: float) -> _Array:
    """float32 [nnz]: each weight to this power, by the C library, rounded once."""
    raised = np.empty(len(weights), np.float32)
    for position in range(len(weights)):
        raised[position] = np.float64(weights[position]) ** power
    return raised
