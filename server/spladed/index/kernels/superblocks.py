"""What the documents of each superblock can score at most for one query.

Bounds are float32, in units of the query's largest weight, so that they neither overflow
nor vanish where scores do not. Each is no less than any score in its superblock: codes are
rounded up (`kernels.bounds`), and factors are inflated by more than so many additions lose.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spladed.index.kernels.bounds import (
    FIRST_WINDOW,
    FREQUENCIES,
    MAX_RARE_CODE,
    RARE,
    RARE_CODE_BITS,
    RARE_COUNT,
    RARE_SCALES,
    RARE_STARTS,
    RARE_TERMS,
    SPAN_ROWS,
    SPAN_SCALES,
    SPAN_WINDOWS,
    STRIDE,
    WINDOW_SUPERBLOCKS,
)
from spladed.index.kernels.compiled import inner, making

__all__ = ["FLOOR", "LEAST", "Asked", "Views", "add_fours", "asked", "fill_bounds", "views"]

_Array = npt.NDArray[Any]

# A score above 0 has a bound of FLOOR or more; LEAST is the threshold while there is none.
FLOOR = np.float32(1e-30)
LEAST = np.float32(1e-37)
# Weights are above this.
_UNIT = 1e-300
# Windows whose sums are made together: 64 kB of them stay in a core's own cache.
_TOGETHER = 16


class Views(NamedTuple):
    """The bytes of a segment, and the same as uint64, uint32, uint16 and float32."""

    data: _Array
    words: _Array
    wholes: _Array
    halves: _Array
    floats: _Array


class Asked(NamedTuple):
    """The terms of a query, those of the largest shares first.

    slots:      int64 [4 * m] of the frequent ones, `count` in all and then zeros
    numbers:    int64 [4 * m], which term of the query each is
    factors:    float32 [windows, 4 * m], what a code is worth
    rare:       int64, the numbers of those that are not frequent
    unit:       the largest weight; inflation: of every factor
    trust:      in (0, 1], the part of its bound that a document is believed to score at most
    postings:   how many documents have the frequent terms, summed
    """

    slots: _Array
    numbers: _Array
    factors: _Array
    count: int
    rare: _Array
    unit: float
    inflation: float
    trust: float
    postings: int


@making
def views(data: _Array) -> Views:
    """A segment's bytes in all their types; sections start at multiples of 64."""
    usable = data[: len(data) & ~7]
    return Views(
        data, usable.view(np.uint64), usable.view(np.uint32), usable.view(np.uint16),
        usable.view(np.float32),
    )  # fmt: skip


@making
def asked(seen: Views, query_terms: _Array, query_weights: _Array, frequent: _Array,
          frequent_slots: _Array, spans: _Array, windows: int, trust: float) -> Asked:  # fmt: skip
    """What the bounds of this segment know of the query's terms."""
    count = len(query_terms)
    unit = _UNIT
    for weight in query_weights:
        unit = max(unit, weight)
    slots, weights = np.zeros((count + 3) & ~3, np.int64), np.empty(count)
    numbers, rare = np.zeros((count + 3) & ~3, np.int64), np.empty(count, np.int64)
    found, others, place = 0, 0, 0
    for number in range(count):
        term = np.int64(query_terms[number])
        place = _first_not_below(frequent, place, len(frequent), term)
        if place < len(frequent) and np.int64(frequent[place]) == term:
            slots[found], numbers[found] = frequent_slots[place], number
            weights[found] = query_weights[number] / unit
            found += 1
        else:
            rare[others] = number
            others += 1
    postings = 0
    for span in spans:
        for slot in slots[:found]:
            postings += np.int64(seen.wholes[(span[FREQUENCIES] >> 2) + slot])
    inflation = 1.0 + (2 * count + 8) * 2.0**-23
    _heaviest_first(seen.floats, spans, slots[:found], numbers[:found], weights[:found])
    padded = (found + 3) & ~3
    factors = np.zeros((windows, padded), np.float32)
    _fill_factors(seen.floats, spans, slots, weights[:found], inflation, factors)
    return Asked(
        slots[:padded], numbers[:padded], factors, found, rare[:others], unit, inflation, trust,
        postings,
    )  # fmt: skip


@inner
def _first_not_below(values: _Array, low: int, high: int, wanted: int) -> int:
    while low < high:
        middle = (low + high) >> 1
        if np.int64(values[middle]) < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@making
def _heaviest_first(floats: _Array, spans: _Array, slots: _Array, numbers: _Array,
                    weights: _Array) -> None:  # fmt: skip
    """Order terms by the largest share they can have."""
    shares = np.zeros(len(slots))
    for span in spans:
        for i in range(len(slots)):
            start = (span[SPAN_SCALES] >> 2) + slots[i] * span[SPAN_WINDOWS]
            for scale in floats[start : start + span[SPAN_WINDOWS]]:
                shares[i] = max(shares[i], weights[i] * np.float64(scale))
    for i in range(1, len(slots)):  # at most as many as there are frequent terms
        slot, number, weight, share = slots[i], numbers[i], weights[i], shares[i]
        while i > 0 and shares[i - 1] < share:
            slots[i], numbers[i], weights[i] = slots[i - 1], numbers[i - 1], weights[i - 1]
            shares[i] = shares[i - 1]
            i -= 1
        slots[i], numbers[i], weights[i], shares[i] = slot, number, weight, share


@inner
def _factor(weight: float, scale: float, inflation: float) -> float:
    """What a code of this scale is worth, no less than in exact arithmetic."""
    return max(np.float32(weight * np.float64(scale) * inflation), FLOOR)


@inner
def _fill_factors(floats: _Array, spans: _Array, slots: _Array, weights: _Array,
                  inflation: float, factors: _Array) -> None:  # fmt: skip
    for span in spans:
        windows, first = span[SPAN_WINDOWS], span[FIRST_WINDOW]
        for i in range(len(weights)):
            start = (span[SPAN_SCALES] >> 2) + slots[i] * windows
            for number in range(windows):
                factors[first + number, i] = _factor(weights[i], floats[start + number], inflation)


@inner
def fill_bounds(seen: Views, query_terms: _Array, query_weights: _Array, terms: Asked,
                spans: _Array, bounds: _Array) -> int:  # fmt: skip
    """The bound of every superblock; how many, a multiple of 64, with zeros behind."""
    stop = 0
    for span in spans:
        first = span[FIRST_WINDOW] * WINDOW_SUPERBLOCKS
        stop = first + span[STRIDE]
        sums = bounds[first:stop]
        sums[:] = 0.0
        for number in terms.rare:
            weight = query_weights[number] / terms.unit
            _add_rare(seen, span, np.int64(query_terms[number]), weight, terms.inflation, sums)
        _add_frequent(seen.data, span, terms.slots, terms.factors, sums)
    return stop


@inner
def _add_rare(seen: Views, span: _Array, term: int, weight: float, inflation: float,
              sums: _Array) -> None:  # fmt: skip
    """Add the codes of a term that is not frequent to the sums of a span."""
    start = span[RARE_TERMS] >> 2
    place = _first_not_below(seen.wholes, start, start + span[RARE_COUNT], term) - start
    if place == span[RARE_COUNT] or np.int64(seen.wholes[start + place]) != term:
        return
    at = place * span[SPAN_WINDOWS]
    for number in range(span[SPAN_WINDOWS]):
        starts = (span[RARE_STARTS] >> 2) + at + number
        first = (span[RARE] >> 1) + np.int64(seen.wholes[starts])
        stop = (span[RARE] >> 1) + np.int64(seen.wholes[starts + 1])
        scale = seen.floats[(span[RARE_SCALES] >> 2) + at + number]
        worth = _factor(weight, scale, inflation)
        some = sums[number * WINDOW_SUPERBLOCKS :]
        for entry in seen.halves[first:stop]:
            code = np.float32(entry & np.uint16(MAX_RARE_CODE))
            some[entry >> np.uint16(RARE_CODE_BITS)] += worth * code


@inner
def _add_frequent(data: _Array, span: _Array, slots: _Array, factors: _Array,
                  sums: _Array) -> None:  # fmt: skip
    """Add the codes of frequent terms to the sums of a span."""
    for start in range(0, span[SPAN_WINDOWS], _TOGETHER):
        for i in range(0, len(slots), 4):
            for number in range(start, min(start + _TOGETHER, span[SPAN_WINDOWS])):
                worth = factors[span[FIRST_WINDOW] + number]
                left = number * WINDOW_SUPERBLOCKS
                right = min(left + WINDOW_SUPERBLOCKS, span[STRIDE])
                add_fours(data, span, slots, worth, i, left, sums[left:right])


@inner
def add_fours(data: _Array, span: _Array, slots: _Array, worth: _Array, i: int, left: int,
              sums: _Array) -> None:  # fmt: skip
    """Add the codes of four terms, from number `i` of `slots` and `worth` on, to sums.

    sums: of superblocks of one window, the first of which is number `left` of the span
    """
    stride, first, count = span[STRIDE], span[SPAN_ROWS] + left, len(sums)
    a, b = first + slots[i] * stride, first + slots[i + 1] * stride
    c, d = first + slots[i + 2] * stride, first + slots[i + 3] * stride
    _add_four(
        sums, data[a : a + count], data[b : b + count], data[c : c + count],
        data[d : d + count], worth[i], worth[i + 1], worth[i + 2], worth[i + 3],
    )  # fmt: skip


@inner
def _add_four(sums: _Array, a: _Array, b: _Array, c: _Array, d: _Array,
              fa: float, fb: float, fc: float, fd: float) -> None:  # fmt: skip
    for i in range(len(sums)):
        left = fa * np.float32(a[i]) + fb * np.float32(b[i])
        sums[i] += left + (fc * np.float32(c[i]) + fd * np.float32(d[i]))
