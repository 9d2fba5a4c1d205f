"""A filter on one segment -> the rows that it keeps, as a bitmap.

The segment's own deletes do not enter: a mask stays right for as long as the segment is there.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from spladed.index import bits
from spladed.index.bits import Bits
from spladed.index.columns import Column, stored
from spladed.index.filter import AllOf, AnyOf, Exists, Filter, Ids, Membership, Not, Range
from spladed.index.kernels import mask as kernels
from spladed.index.words import Words

__all__ = ["Filtered", "evaluate"]


class Filtered(Protocol):
    """What a filter must know of a segment."""

    @property
    def documents(self) -> int:
        """How many rows it has."""
        ...

    @property
    def columns(self) -> Mapping[str, npt.NDArray[Any]]:
        """The arrays of its columns, by name."""
        ...

    def rows_of_ids(self, ids: list[str]) -> npt.NDArray[np.int64]:
        """The row of each id, -1 of one that is not here."""
        ...


def evaluate(filter: Filter, segment: Filtered) -> Bits:
    """The rows that the filter keeps; `filter` is as `filter.checked` gives it."""
    match filter:
        case AllOf(filters):
            return reduce(np.bitwise_and, (evaluate(each, segment) for each in filters))
        case AnyOf(filters):
            return reduce(np.bitwise_or, (evaluate(each, segment) for each in filters))
        case Not(negated):
            return bits.inverted(evaluate(negated, segment), segment.documents)
        case Ids(ids):
            rows = segment.rows_of_ids(list(ids))
            return bits.of_rows(rows[rows >= 0], segment.documents)
        case Exists(name):
            return _existing(Column.of(segment.columns, name))
        case Membership(name, values):
            column = Column.of(segment.columns, name)
            return _rows(column, _members(column, values))
        case Range(name):
            column = Column.of(segment.columns, name)
            return _rows(column, _within(column, filter))


def _existing(column: Column) -> Bits:
    return bits.pack(column.counts() > 0) if column.exists is None else column.exists


def _rows(column: Column, values: Bits) -> Bits:
    """The rows that have one of these values."""
    if column.starts is None:
        return values if column.exists is None else values & column.exists
    rows = np.empty(bits.words_of(len(column.starts) - 1), np.uint64)
    kernels.any_of_row(column.starts, values, rows)
    return rows


def _empty(column: Column) -> Bits:
    return np.zeros(bits.words_of(len(column.values)), np.uint64)


def _members(column: Column, wanted: Collection[Any]) -> Bits:
    if column.words is not None:
        return _listed(column, column.words, sorted(wanted))
    dtype, found = column.values.dtype, _empty(column)
    numbers = np.unique(np.array([stored(value) for value in wanted], dtype))
    if dtype == np.uint8:
        kernels.within(column.values, numbers[0], numbers[-1], found)
    else:
        kernels.among(column.values, numbers, found)
    return found


def _listed(column: Column, words: Words, wanted: Sequence[str]) -> Bits:
    found = _empty(column)
    # One more than there are words: what has no word is not wanted.
    table = np.zeros(len(words) + 1, np.uint8)
    codes = words.first_at_least(wanted)
    there = [
        code
        for word, code in zip(wanted, codes.tolist(), strict=True)
        if code < len(words) and words.word(code) == word
    ]
    table[there] = 1
    kernels.listed(column.values, table, found)
    return found


def _within(column: Column, bounds: Range) -> Bits:
    found = _empty(column)
    limits = _codes(column.words, bounds) if column.words is not None else _numbers(column, bounds)
    if limits is not None:
        low, high = map(column.values.dtype.type, limits)
        kernels.within(column.values, low, high, found)
    return found


def _codes(words: Words, bounds: Range) -> tuple[int, int] | None:
    """The first and the last code within bounds; None if there is none."""
    low, high = 0, len(words) - 1
    if bounds.at_least is not None:
        low = _first(words, bounds.at_least)
    if bounds.above is not None:
        low = _first(words, bounds.above, beyond=True)
    if bounds.at_most is not None:
        high = _first(words, bounds.at_most, beyond=True) - 1
    if bounds.below is not None:
        high = _first(words, bounds.below) - 1
    return (low, high) if low <= high else None


def _first(words: Words, bound: Any, *, beyond: bool = False) -> int:
    """The first code at least at the bound, or beyond it."""
    # No string lies between a word and itself with a NUL behind it.
    (code,) = words.first_at_least([bound + "\0" if beyond else bound])
    return int(code)


def _numbers(column: Column, bounds: Range) -> tuple[Any, Any] | None:
    """The least and the greatest number within bounds; None if there is none."""
    low, high = least, greatest = _ends_of(column.values.dtype)
    if bounds.at_least is not None:
        low = stored(bounds.at_least)
    if bounds.above is not None:
        low = _next(stored(bounds.above), greatest)
    if bounds.at_most is not None:
        high = stored(bounds.at_most)
    if bounds.below is not None:
        high = _next(stored(bounds.below), least)
    return None if low is None or high is None else (low, high)


def _ends_of(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    if dtype == np.float64:
        return -math.inf, math.inf
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def _next(number: Any, end: Any) -> Any:
    """The next number of its kind towards this end of them; None if it is the end."""
    if number == end:
        return None
    if isinstance(number, float):
        return math.nextafter(number, end)
    return number + 1 if number < end else number - 1
