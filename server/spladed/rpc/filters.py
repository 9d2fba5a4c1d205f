"""Filters of requests -> the index's, every part checked where it stands."""

from __future__ import annotations

from collections.abc import Sequence

from spladed.errors import InvalidInput
from spladed.index.fields import checked_value, declared
from spladed.index.filter import (
    AllOf,
    AnyOf,
    Exists,
    Filter,
    Ids,
    Membership,
    Not,
    Range,
    checked,
)
from spladed.index.values import Field, Value
from spladed.rpc.field_values import read_value
from spladed.v1 import index_pb2 as pb

__all__ = ["read_filter"]

_BOUNDS = ("at_least", "above", "at_most", "below")


def read_filter(filter: pb.Filter, fields: Sequence[Field], where: str = "filter") -> Filter:
    """The filter on these declared fields, as `index.filter.checked` gives it.

    Raises what that raises, and names the place: `filter.all_of.filters[1].range.below`.
    """
    return checked(_read(filter, fields, where), fields, where)


def _read(filter: pb.Filter, fields: Sequence[Field], where: str) -> Filter:
    # protobuf's own limit of 100 nested messages bounds this recursion.
    match filter.WhichOneof("condition"):
        case "all_of":
            return AllOf(_read_several(filter.all_of, fields, f"{where}.all_of.filters"))
        case "any_of":
            return AnyOf(_read_several(filter.any_of, fields, f"{where}.any_of.filters"))
        case "negation":
            return Not(_read(filter.negation, fields, f"{where}.negation"))
        case "membership":
            return checked(_read_membership(filter.membership, fields, where), fields, where)
        case "range":
            return checked(_read_range(filter.range, fields, where), fields, where)
        case "exists":
            return checked(Exists(filter.exists), fields, where)
        case "ids":
            return Ids(frozenset(filter.ids.ids))
    raise _empty(where, "a condition")


def _read_several(filters: pb.Filters, fields: Sequence[Field], where: str) -> list[Filter]:
    if not filters.filters:
        raise _empty(where, "at least one filter")
    return [
        _read(each, fields, f"{where}[{number}]") for number, each in enumerate(filters.filters)
    ]


def _read_membership(membership: pb.Membership, fields: Sequence[Field], where: str) -> Membership:
    field = declared(fields, membership.field, f"{where}.membership.field")
    values = [
        _read_value(each, field, f"{where}.membership.values[{number}]")
        for number, each in enumerate(membership.values)
    ]
    return Membership(field.name, values)


def _read_range(range: pb.Range, fields: Sequence[Field], where: str) -> Range:
    field = declared(fields, range.field, f"{where}.range.field")
    bounds = {
        bound: _read_value(getattr(range, bound), field, f"{where}.range.{bound}")
        for bound in _BOUNDS
        if range.HasField(bound)
    }
    return Range(field.name, **bounds)


def _read_value(message: pb.FieldValue, field: Field, where: str) -> Value:
    return checked_value(field, read_value(message, where), where)


def _empty(where: str, expected: str) -> InvalidInput:
    return InvalidInput(f"{where} is empty; expected {expected}", reason="FILTER", field=where)
