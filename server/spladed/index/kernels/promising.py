"""The superblocks of the highest bounds, without sorting all."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.index.kernels.bounds import WINDOW_BITS, WINDOW_SUPERBLOCKS
from spladed.index.kernels.compiled import inner

__all__ = ["BUCKETS", "PEAKS", "candidates", "fill_peaks", "gap_below", "left_after", "sort"]

_Array = npt.NDArray[Any]

# The superblocks of a window fall into 64 groups, every 64th to one, whose maximum is kept: a
# step that vector instructions take, where the maximum of neighbours is one long wait.
PEAKS = 64
BUCKETS = 1024
_ZERO, _TINY, _HUGE = np.float32(0.0), np.float32(1e-30), np.float32(1e38)


@inner
def fill_peaks(bounds: _Array, peaks: _Array) -> None:
    """peaks [64 * windows]: the maximum of each group; bounds are a multiple of 64."""
    for first in range(0, len(bounds), WINDOW_SUPERBLOCKS):
        place = (first >> WINDOW_BITS) * PEAKS
        some = peaks[place : place + PEAKS]
        some[:] = 0.0
        for start in range(first, min(first + WINDOW_SUPERBLOCKS, len(bounds)), PEAKS):
            these = bounds[start : start + PEAKS]
            for i in range(PEAKS):
                some[i] = these[i] if these[i] > some[i] else some[i]


@inner
def gap_below(peaks: _Array, wanted: int, counts: _Array) -> float:
    """A bound that `wanted` superblocks reach, or more; 0 if too few have any."""
    top = _ZERO
    for peak in peaks:
        top = max(top, peak)
    if top <= _TINY or top > _HUGE:
        return _ZERO
    counts[:] = 0
    scale = np.float32(BUCKETS - 1) / top
    for peak in peaks:
        counts[min(np.int64(peak * scale), BUCKETS - 1)] += 1
    bucket, reached = BUCKETS - 1, counts[BUCKETS - 1]
    while bucket > 0 and reached < wanted:
        bucket -= 1
        reached += counts[bucket]
    return np.float32(bucket) / scale


@inner
def candidates(bounds: _Array, peaks: _Array, allowed: _Array, least: float,
               found: _Array) -> int:  # fmt: skip
    """The superblocks of `least` or more with allowed documents: how many, in `found`."""
    count = 0
    for peak in range(len(peaks)):
        if peaks[peak] < least:
            continue
        first = (peak // PEAKS) * WINDOW_SUPERBLOCKS + peak % PEAKS
        for superblock in range(first, min(first + WINDOW_SUPERBLOCKS, len(bounds)), PEAKS):
            if bounds[superblock] >= least and allowed[superblock]:
                found[count] = superblock
                count += 1
    return count


@inner
def sort(bounds: _Array, found: _Array, counts: _Array, ordered: _Array) -> None:
    """Put superblocks by falling bound, nearly: those of one bucket stay as they come."""
    low, high = _HUGE, _TINY
    for superblock in found:
        low, high = min(low, bounds[superblock]), max(high, bounds[superblock])
    high = min(high, _HUGE)
    scale = np.float32(BUCKETS - 1) / max(high - low, _TINY)
    counts[:] = 0
    for superblock in found:
        counts[_bucket(bounds[superblock], high, scale)] += 1
    before = 0
    for bucket in range(BUCKETS):
        before, counts[bucket] = before + counts[bucket], before
    for superblock in found:
        bucket = _bucket(bounds[superblock], high, scale)
        ordered[counts[bucket]] = superblock
        counts[bucket] += 1


@inner
def _bucket(bound: float, high: float, scale: float) -> int:
    return min(np.int64(max(high - bound, _ZERO) * scale), BUCKETS - 1)


@inner
def left_after(bounds: _Array, ordered: _Array, place: int, least: float) -> int:
    """About how many superblocks from `place` on, by falling bound, are not below `least`."""
    low, high = place, len(ordered)
    while low < high:
        middle = (low + high) >> 1
        if bounds[ordered[middle]] >= least:
            low = middle + 1
        else:
            high = middle
    return low - place
