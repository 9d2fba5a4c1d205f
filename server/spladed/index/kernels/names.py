"""The ids of hits, part by part, put together in the order of the hits.

A place is part << 32 | row. Ids lie end to end, a NUL behind each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.index.kernels.compiled import array, compiled, types

__all__ = ["ROW_BITS", "copy", "measure"]

ROW_BITS = 32
_ROW_MASK = (1 << ROW_BITS) - 1

_Array = npt.NDArray[Any]
_U1, _I8 = array(types.uint8), array(types.int64)


@compiled(types.void(_I8, types.int64, _I8, array(types.int64, readonly=False)))
def measure(places: _Array, part: int, id_starts: _Array, starts: _Array) -> None:
    """Put the bytes of the id of every hit in this part, and its NUL, to `starts[hit + 1]`."""
    for hit in range(len(places)):
        if places[hit] >> ROW_BITS == part:
            row = places[hit] & _ROW_MASK
            starts[hit + 1] = id_starts[row + 1] - id_starts[row] + 1


@compiled(types.void(_I8, types.int64, _U1, _I8, _I8, array(types.uint8, readonly=False)))
def copy(places: _Array, part: int, ids: _Array, id_starts: _Array, starts: _Array,
         names: _Array) -> None:  # fmt: skip
    """Put the id of every hit in this part, and a NUL, to `names[starts[hit]:]`."""
    # The first bytes before the rest: each is somewhere else in memory, and so the processor
    # asks for several at once instead of waiting for one after another.
    for hit in range(len(places)):
        if places[hit] >> ROW_BITS == part:
            names[starts[hit]] = ids[id_starts[places[hit] & _ROW_MASK]]
    for hit in range(len(places)):
        if places[hit] >> ROW_BITS == part:
            start, last = id_starts[places[hit] & _ROW_MASK], starts[hit + 1] - 1
            for offset in range(1, last - starts[hit]):
                names[np.uint64(starts[hit] + offset)] = ids[np.uint64(start + offset)]
            names[last] = 0
