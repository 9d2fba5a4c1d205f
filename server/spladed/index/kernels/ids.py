"""Ids by their hashes, and bytes gathered by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.index.kernels.compiled import array, compiled, inner, types

__all__ = ["gather_bytes", "probe"]

_Array = npt.NDArray[Any]
_U1, _U4 = array(types.uint8), array(types.uint32)
_I8, _U8 = array(types.int64), array(types.uint64)


@inner
def _same(left: _Array, left_start: int, left_stop: int,
          right: _Array, right_start: int, right_stop: int) -> bool:  # fmt: skip
    """Whether two runs of bytes are equal."""
    if left_stop - left_start != right_stop - right_start:
        return False
    for offset in range(left_stop - left_start):
        if left[left_start + offset] != right[right_start + offset]:
            return False
    return True


@inner
def _first_not_below(hashes: _Array, wanted: int) -> int:
    low, high = 0, len(hashes)
    while low < high:
        middle = (low + high) >> 1
        if hashes[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@compiled(array(types.int64, readonly=False)(_U8, _U4, _U1, _I8, _U8, _U1, _I8))
def probe(hashes: _Array, rows: _Array, blob: _Array, starts: _Array,
          wanted: _Array, wanted_blob: _Array, wanted_starts: _Array) -> _Array:  # fmt: skip
    """int64 [wanted]: the row of each wanted id, -1 where it is not there.

    Of several rows of one id, as a batch has of a document that was replaced within its group
    of writes, it is the last one, which is the youngest.

    hashes, rows: uint64 rising and uint32 [n]; blob, starts: the ids' bytes by row
    wanted, wanted_blob, wanted_starts: hashes and bytes of the ids looked for
    """
    found = np.full(len(wanted), -1, np.int64)
    for number in range(len(wanted)):
        slot = _first_not_below(hashes, wanted[number])
        while slot < len(hashes) and hashes[slot] == wanted[number]:
            row = np.int64(rows[slot])
            if _same(blob, starts[row], starts[row + 1],
                     wanted_blob, wanted_starts[number], wanted_starts[number + 1]):  # fmt: skip
                found[number] = row  # rows of equal hashes rise
            slot += 1
    return found


@compiled(
    types.Tuple((array(types.uint8, readonly=False), array(types.int64, readonly=False)))(
        _U1, _I8, _I8
    )
)
def gather_bytes(blob: _Array, starts: _Array, rows: _Array) -> tuple[_Array, _Array]:
    """(blob, starts) of the runs of these rows, in the order named."""
    ends = np.zeros(len(rows) + 1, np.int64)
    for number in range(len(rows)):
        row = rows[number]
        ends[number + 1] = ends[number] + starts[row + 1] - starts[row]
    gathered = np.empty(ends[-1], np.uint8)
    for number in range(len(rows)):
        row = rows[number]
        gathered[ends[number] : ends[number + 1]] = blob[starts[row] : starts[row + 1]]
    return gathered, ends
