"""Filters of requests -> the index's: sets of ids, and what and, or and not make of them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import reduce

from spladed.errors import InvalidInput, Unimplemented
from spladed.index.filter import Filter
from spladed.v1 import index_pb2 as pb

__all__ = ["read_filter"]


def read_filter(filter: pb.Filter, field: str = "filter") -> Filter:
    """The filter; protobuf's own depth limit of 100 bounds the nesting.

    Raises InvalidInput FILTER for an empty condition, Unimplemented for one on fields.
    """
    condition = filter.WhichOneof("condition")
    if condition is None:
        raise _empty(field, "expected a condition")
    if condition == "ids":
        return Filter(frozenset(filter.ids.ids))
    if condition == "negation":
        return ~read_filter(filter.negation, f"{field}.negation")
    if condition == "all_of":
        return _combined(operator.and_, filter.all_of, f"{field}.all_of.filters")
    if condition == "any_of":
        return _combined(operator.or_, filter.any_of, f"{field}.any_of.filters")
    raise Unimplemented(
        f"{field}.{condition} is in the contract and not built in this version, which has no "
        "declared fields; filter by ids",
        reason="NOT_BUILT",
        field=f"{field}.{condition}",
    )


def _combined(
    combine: Callable[[Filter, Filter], Filter], filters: pb.Filters, field: str
) -> Filter:
    if not filters.filters:
        raise _empty(field, "expected at least one filter")
    return reduce(
        combine,
        (read_filter(each, f"{field}[{number}]") for number, each in enumerate(filters.filters)),
    )


def _empty(field: str, expected: str) -> InvalidInput:
    return InvalidInput(f"{field} is empty; {expected}", reason="FILTER", field=field)
