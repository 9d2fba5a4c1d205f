"""Documents that may be among the k best, by the thousand: where many come, cheaper than a heap.

A pool that is full is shrunk to about the k best, in time that its size decides and k does not;
the lowest score that is left is a threshold for what comes later.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spladed.index.kernels.compiled import inner, making

__all__ = ["Pool", "fullness", "room", "shrink"]

_Array = npt.NDArray[Any]

_BUCKETS = 1024
# What a pool has beside twice k: so that one of few hits is not shrunk all the time, and room
# for the 64 documents that are entered between two looks at its fullness.
_SPARE = 2048


class Pool(NamedTuple):
    """The documents of a pool, in no order: scores float64, rows int64, both [room(k)]."""

    scores: _Array
    rows: _Array


def room(k: int) -> int:
    """How long a pool's arrays have to be for k hits, or fewer."""
    return 2 * k + _SPARE


@inner
def fullness(k: int) -> int:
    """So many documents fill a pool: 64 more still have room."""
    return 2 * k + _SPARE - 64


@making
def shrink(pool: Pool, size: int, k: int) -> tuple[int, float]:
    """Drop documents, none that is among the k best or equals one of them.

    Gives how many are left, more than k where many lie close, and the lowest score of theirs.
    """
    scores, rows = pool
    low, high = np.inf, 0.0
    for score in scores[:size]:
        low, high = min(low, score), max(high, score)
    if size <= k:
        return size, low
    scale = (_BUCKETS - 1) / (high - low) if high > low else 0.0
    counts = np.zeros(_BUCKETS, np.int64)
    for score in scores[:size]:
        counts[np.int64((score - low) * scale)] += 1
    bucket, reached = _BUCKETS - 1, counts[_BUCKETS - 1]
    while reached < k:
        bucket -= 1
        reached += counts[bucket]
    left, lowest = 0, np.inf
    for number in range(size):
        score = scores[number]
        if np.int64((score - low) * scale) >= bucket:
            scores[left], rows[left] = score, rows[number]
            left, lowest = left + 1, min(lowest, score)
    return left, lowest
