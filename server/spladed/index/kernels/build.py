"""Rows packed, unpacked, ordered and inverted: the loops behind segments.

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
    "TERMS", "TERM_COUNT", "fill", "invert", "lengths", "pack", "packed_bytes", "powers",
    "sort_keys", "squares", "term_bytes", "term_count",
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


@compiled(types.void(_I8, _I4, _U2, _F4, _U4, types.boolean, types.boolean, _out(types.uint8)))
def pack(indptr: _Array, indices: _Array, steps: _Array, numbers: _Array, starts: _Array,
         wide: bool, floats: bool, data: _Array) -> None:  # fmt: skip
    """Write rows to `data` at `starts`; weights are `numbers` if `floats`, else `steps`."""
    for row in range(len(indptr) - 1):
        first, stop = indptr[row], indptr[row + 1]
        count = stop - first
        place = np.int64(starts[row])
        if wide:
            size = 4 * count
            data[place : place + size].view(np.uint32)[:] = indices[first:stop]
        else:
            size = 2 * count
            data[place : place + size].view(np.uint16)[:] = indices[first:stop]
        place += term_bytes(count, wide, floats)
        if floats:
            data[place : place + 4 * count].view(np.float32)[:] = numbers[first:stop]
        else:
            data[place : place + 2 * count].view(np.uint16)[:] = steps[first:stop]


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


@inner
def _row_bytes(data: _Array, directory: _Array, row: int) -> tuple[int, int]:
    """Where a packed row starts in `data`, and how many bytes it has."""
    window = _window_of(directory, row)
    local = row - directory[window, 0]
    at = directory[window, 3] + 4 * local
    pair = data[at : at + 8].view(np.uint32)
    return directory[window, 2] + np.int64(pair[0]), np.int64(pair[1]) - np.int64(pair[0])


@compiled(_out(types.int64)(_U1, _DIRECTORY, types.boolean, types.boolean, _I8))
def lengths(data: _Array, directory: _Array, wide: bool, floats: bool, rows: _Array) -> _Array:
    """int64 [len(rows)]: how many terms each of these rows has."""
    counts = np.empty(len(rows), np.int64)
    for number in range(len(rows)):
        _, size = _row_bytes(data, directory, rows[number])
        counts[number] = term_count(size, wide, floats)
    return counts


@compiled(
    types.void(
        _U1, _DIRECTORY, types.boolean, types.boolean, _I8, _I8,
        _out(types.int32), _out(types.uint16), _out(types.float32),
    )
)  # fmt: skip
def fill(data: _Array, directory: _Array, wide: bool, floats: bool, rows: _Array,
         places: _Array, indices: _Array, steps: _Array, numbers: _Array) -> None:  # fmt: skip
    """Unpack row `rows[i]` to position `places[i]` of the output arrays."""
    for number in range(len(rows)):
        start, size = _row_bytes(data, directory, rows[number])
        count = term_count(size, wide, floats)
        place = places[number]
        if wide:
            size = 4 * count
            indices[place : place + count] = data[start : start + size].view(np.uint32)
        else:
            size = 2 * count
            indices[place : place + count] = data[start : start + size].view(np.uint16)
        start += term_bytes(count, wide, floats)
        if floats:
            numbers[place : place + count] = data[start : start + 4 * count].view(np.float32)
        else:
            steps[place : place + count] = data[start : start + 2 * count].view(np.uint16)


@compiled(*(_out(types.uint64)(_I8, _I4, weights) for weights in (_U2, _F4)))
def sort_keys(indptr: _Array, indices: _Array, weights: _Array) -> _Array:
    """uint64 [rows]: the three heaviest terms of each row, heaviest first, as one number.

    Rows that share heavy terms then lie together, and the bounds of blocks of rows are
    tight: as good as clustering, and nearly free. Equal weights go by rising term; only
    16 bits of the third term count.
    """
    keys = np.empty(len(indptr) - 1, np.uint64)
    for row in range(len(indptr) - 1):
        w1, w2, w3 = weights.dtype.type(0), weights.dtype.type(0), weights.dtype.type(0)
        t1 = t2 = t3 = np.uint64(0)
        for position in range(indptr[row], indptr[row + 1]):
            weight, term = weights[position], np.uint64(indices[position])
            if weight > w1:
                w3, t3, w2, t2, w1, t1 = w2, t2, w1, t1, weight, term
            elif weight > w2:
                w3, t3, w2, t2 = w2, t2, weight, term
            elif weight > w3:
                w3, t3 = weight, term
        keys[row] = (t1 << np.uint64(40)) | (t2 << np.uint64(16)) | (t3 & np.uint64(0xFFFF))
    return keys


@compiled(
    *(
        types.Tuple((
            _out(types.int32), _out(types.uint32), _out(types.uint16),
            array(weights.dtype, readonly=False),
        ))(_I8, _I4, weights, types.int64)
        for weights in (_U2, _F4)
    )
)  # fmt: skip
def invert(
    indptr: _Array, indices: _Array, impacts: _Array, dimension: int
) -> tuple[_Array, _Array, _Array, _Array]:
    """(terms int32 [T], starts uint32 [T + 1], docs uint16 [nnz], impacts [nnz]), term-major.

    At most 65,536 rows. `terms` are those that occur, rising; the postings of `terms[i]` are
    `[starts[i], starts[i+1])`, docs rising. A counting sort: two passes over the weights.
    """
    ends = np.zeros(dimension, np.int64)
    for index in indices:
        ends[np.uint64(index)] += 1
    count = 0
    for term in range(dimension):
        count += ends[term] > 0
    terms, starts = np.empty(count, np.int32), np.empty(count + 1, np.uint32)
    place, total = 0, 0
    for term in range(dimension):
        if ends[term] > 0:
            terms[place], starts[place] = term, total
            place += 1
            total, ends[term] = total + ends[term], total
    starts[count] = total
    docs, inverted = np.empty(total, np.uint16), np.empty(total, impacts.dtype)
    for doc in range(len(indptr) - 1):
        for position in range(indptr[doc], indptr[doc + 1]):
            slot = ends[np.uint64(indices[position])]
            ends[np.uint64(indices[position])] = slot + 1
            docs[np.uint64(slot)], inverted[np.uint64(slot)] = doc, impacts[position]
    return terms, starts, docs, inverted


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
