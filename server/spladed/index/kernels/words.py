"""Loops over runs of bytes: `text` uint8 and `starts` int64 [n + 1], run i is
`text[starts[i]:starts[i + 1]]`. Bytes order words as Python orders strings: UTF-8 keeps the
order of code points."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.index.kernels.compiled import array, compiled, inner, types

__all__ = ["first_at_least", "merged_order", "same_as_before", "take_runs"]

_Array = npt.NDArray[Any]
_U8, _I64 = array(types.uint8), array(types.int64)
_OUT_U8, _OUT_I64 = array(types.uint8, readonly=False), array(types.int64, readonly=False)


@inner
def _compare(left: _Array, right: _Array) -> int:
    """Below 0, 0 or above 0, as left is before, equal to, or behind right."""
    for place in range(min(len(left), len(right))):
        if left[place] != right[place]:
            return 1 if left[place] > right[place] else -1
    return len(left) - len(right)


@inner
def _merge(text: _Array, starts: _Array, order: _Array, out: _Array,
           first: int, middle: int, stop: int) -> None:  # fmt: skip
    """Merge the rising runs `order[first:middle]` and `order[middle:stop]` into `out`."""
    left, right = first, middle
    for place in range(first, stop):
        take_left = right == stop
        if not take_left and left < middle:
            one, other = order[left], order[right]
            take_left = (
                _compare(
                    text[starts[one] : starts[one + 1]], text[starts[other] : starts[other + 1]]
                )
                <= 0
            )
        if take_left:
            out[place] = order[left]
            left += 1
        else:
            out[place] = order[right]
            right += 1


@compiled(_OUT_I64(_U8, _I64, _I64))
def merged_order(text: _Array, starts: _Array, lists: _Array) -> _Array:
    """The words of several rising lists, `[lists[i], lists[i + 1])`, in rising order.

    Lists are merged in pairs until one is left, so that each word moves log2(lists) times.
    """
    order = np.arange(len(starts) - 1)
    spare = np.empty_like(order)
    bounds = lists.copy()
    count = len(bounds) - 1
    while count > 1:
        for pair in range(0, count, 2):
            middle, stop = bounds[pair + 1], bounds[min(pair + 2, count)]
            _merge(text, starts, order, spare, bounds[pair], middle, stop)
            bounds[pair >> 1] = bounds[pair]
        bounds[(count + 1) >> 1] = bounds[count]
        count = (count + 1) >> 1
        order, spare = spare, order
    return order


@compiled(_OUT_U8(_U8, _I64, _I64))
def same_as_before(text: _Array, starts: _Array, order: _Array) -> _Array:
    """uint8 [n], 1 where a word of this order equals the one before it."""
    same = np.zeros(len(order), np.uint8)
    for place in range(1, len(order)):
        one, other = order[place - 1], order[place]
        same[place] = (
            _compare(text[starts[one] : starts[one + 1]], text[starts[other] : starts[other + 1]])
            == 0
        )
    return same


@compiled(types.void(_U8, _I64, _I64, _I64, _OUT_U8))
def take_runs(text: _Array, starts: _Array, runs: _Array, out_starts: _Array,
              out: _Array) -> None:  # fmt: skip
    """Copy the runs of these numbers, one after another, to where `out_starts` says.

    A run beyond the text is a ValueError.
    """
    for place in range(len(runs)):
        start, size = starts[runs[place]], out_starts[place + 1] - out_starts[place]
        if start < 0 or start + size > len(text):
            raise ValueError("a run beyond the text")
        for byte in range(size):
            out[out_starts[place] + byte] = text[start + byte]


@compiled(_OUT_I64(_U8, _I64, _U8, _I64))
def first_at_least(text: _Array, starts: _Array, wanted: _Array, wanted_starts: _Array) -> _Array:
    """For each wanted word, the first of the rising words that is not before it."""
    found = np.empty(len(wanted_starts) - 1, np.int64)
    for number in range(len(found)):
        word = wanted[wanted_starts[number] : wanted_starts[number + 1]]
        start, stop = 0, len(starts) - 1
        while start < stop:
            middle = (start + stop) >> 1
            if _compare(text[starts[middle] : starts[middle + 1]], word) < 0:
                start = middle + 1
            else:
                stop = middle
        found[number] = start
    return found
