"""Single rows in bitmaps (see `index.bits`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.index.kernels.compiled import array, compiled, types

__all__ = ["are_set", "clear"]

_Array = npt.NDArray[Any]
_I8, _U8 = array(types.int64), array(types.uint64)


@compiled(types.int64(array(types.uint64, readonly=False), _I8))
def clear(words: _Array, rows: _Array) -> int:
    """Clear the bits of these rows; how many of them were set."""
    cleared = 0
    for row in rows:
        bit = np.uint64(1) << np.uint64(row & 63)
        if words[row >> 6] & bit:
            words[row >> 6] &= ~bit
            cleared += 1
    return cleared


@compiled(array(types.boolean, readonly=False)(_U8, _I8))
def are_set(words: _Array, rows: _Array) -> _Array:
    """bool [rows]: whether each row's bit is set; row -1 has none."""
    found = np.zeros(len(rows), np.bool_)
    for number in range(len(rows)):
        row = rows[number]
        if row >= 0:
            found[number] = (words[row >> 6] >> np.uint64(row & 63)) & np.uint64(1)
    return found
