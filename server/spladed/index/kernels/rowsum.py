"""The exact score of one packed row."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.index.kernels.build import term_bytes, term_count
from spladed.index.kernels.compiled import inner

__all__ = ["MATCHES", "row_score"]

_Array = npt.NDArray[Any]

# Terms of a row that are looked up before those that matched are summed, and what the
# caller's array of matches has room for.
_CHUNK = 256
MATCHES = _CHUNK


@inner
def _row_sum(terms: _Array, impacts: _Array, flags: _Array, weights: _Array,
             matches: _Array) -> float:  # fmt: skip
    """The score of one row, its terms added in order.

    Matches are collected first, without a branch to guess wrong: then only they wait for each
    other's additions, ten and not a hundred.
    """
    total = 0.0
    for start in range(0, len(terms), _CHUNK):
        some = terms[start : start + _CHUNK]
        count = np.uint64(0)
        for position in range(len(some)):
            matches[count] = position
            count += np.uint64(flags[some[position]])
        for number in range(np.int64(count)):
            position = start + matches[number]
            total += weights[terms[position]] * np.float64(impacts[position])
    return total


@inner
def row_score(halves: _Array, wholes: _Array, floats: _Array, start: int, size: int,
              wide: bool, float_weights: bool, flags: _Array, weights: _Array,
              matches: _Array) -> float:  # fmt: skip
    """The score of the packed row of `size` bytes from byte `start` on.

    halves, wholes, floats: the segment's bytes as uint16, uint32 and float32
    flags, weights:         by term: uint8, 1 for the query's; float64, their weights
    matches:                int64 [MATCHES], anything before and after
    """
    count = term_count(size, wide, float_weights)
    at = start + term_bytes(count, wide, float_weights)
    if not float_weights:
        steps = halves[at >> 1 : (at >> 1) + count]
        if wide:
            terms = wholes[start >> 2 : (start >> 2) + count]
            return _row_sum(terms, steps, flags, weights, matches)
        return _row_sum(halves[start >> 1 : (start >> 1) + count], steps, flags, weights, matches)
    numbers = floats[at >> 2 : (at >> 2) + count]
    if wide:
        terms = wholes[start >> 2 : (start >> 2) + count]
        return _row_sum(terms, numbers, flags, weights, matches)
    return _row_sum(halves[start >> 1 : (start >> 1) + count], numbers, flags, weights, matches)
