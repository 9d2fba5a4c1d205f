"""Which documents are kept: a condition on ids and declared fields, as a value. Pure.

`checked` makes of a filter one that a collection can evaluate, in its canonical form: what is
written in two ways is one key of the cache.

A document without a value in a field meets no condition on that field; so it is kept by the
negation of any. A list meets a condition if one of its values does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from spladed.errors import InvalidInput
from spladed.index.fields import checked_value, declared
from spladed.index.values import Field, Value

__all__ = [
    "MAX_CONDITIONS",
    "MAX_DEPTH",
    "AllOf",
    "AnyOf",
    "Exists",
    "Filter",
    "Ids",
    "Membership",
    "Not",
    "Range",
    "checked",
    "named_ids",
]

# Lucene's bound on the clauses of a query. Each costs a pass over a column: a millisecond a
# million documents.
MAX_CONDITIONS = 1_024
# protobuf's own limit of 100 messages holds 49 levels of all_of and any_of.
MAX_DEPTH = 32

# A bound and which side of it is meant; of two lower bounds the greater pair is the tighter,
# of two upper bounds the lesser.
_Bound = tuple[Any, bool]


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one of these holds."""

    filters: Collection[Filter]

    def __post_init__(self) -> None:
        object.__setattr__(self, "filters", frozenset(self.filters))


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of these holds."""

    filters: Collection[Filter]

    def __post_init__(self) -> None:
        object.__setattr__(self, "filters", frozenset(self.filters))


@dataclass(frozen=True, slots=True)
class Not:
    """This does not hold."""

    filter: Filter


@dataclass(frozen=True, slots=True)
class Membership:
    """The field has one of these values; of one value: equality."""

    field: str
    values: Collection[Value]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", frozenset(self.values))


@dataclass(frozen=True, slots=True)
class Range:
    """The field has a value within these bounds, of which None is open.

    Keywords are ordered by their UTF-8 bytes; booleans are not ordered.
    """

    field: str
    at_least: Value | None = None
    above: Value | None = None
    at_most: Value | None = None
    below: Value | None = None


@dataclass(frozen=True, slots=True)
class Exists:
    """The field has a value."""

    field: str


@dataclass(frozen=True, slots=True)
class Ids:
    """The document's id is one of these, of which there may be none."""

    ids: Collection[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", frozenset(self.ids))


Filter = AllOf | AnyOf | Not | Membership | Range | Exists | Ids


def named_ids(filter: Filter) -> frozenset[str]:
    """Every id that the filter names, anywhere in it."""
    match filter:
        case AllOf(filters) | AnyOf(filters):
            return frozenset().union(*map(named_ids, filters))
        case Not(negated):
            return named_ids(negated)
        case Ids(ids):
            return frozenset(ids)
    return frozenset()


def checked(filter: Filter, fields: Sequence[Field], where: str = "filter") -> Filter:
    """The same filter on these fields, in its canonical form.

    Raises InvalidInput FILTER for one that is empty, holds for nothing by its own bounds, or
    is too large; FIELD for a field that is not declared, with those that are; FIELD_TYPE and
    FIELD_VALUE for a value that does not fit its field.
    """
    _check_size(filter, where)
    return _checked(filter, fields, where)


def _check_size(filter: Filter, where: str) -> None:
    conditions, level = 0, [filter]
    for _ in range(MAX_DEPTH):
        if not level:
            return
        conditions += len(level)
        if conditions > MAX_CONDITIONS:
            raise _refused(where, f"has more than {MAX_CONDITIONS} conditions", "ask for less")
        level = [inner for each in level for inner in _inner(each)]
    if level:
        raise _refused(where, f"nests deeper than {MAX_DEPTH} levels", "ask for less")


def _inner(filter: Filter) -> Collection[Filter]:
    match filter:
        case AllOf(filters) | AnyOf(filters):
            return filters
        case Not(negated):
            return [negated]
    return []


def _checked(filter: Filter, fields: Sequence[Field], where: str) -> Filter:
    match filter:
        case AllOf(filters):
            return _combined(AllOf, filters, fields, f"{where}.all_of")
        case AnyOf(filters):
            return _combined(AnyOf, filters, fields, f"{where}.any_of")
        case Not(negated):
            inner = _checked(negated, fields, f"{where}.negation")
            return inner.filter if isinstance(inner, Not) else Not(inner)
        case Membership():
            return _checked_membership(filter, fields, f"{where}.membership")
        case Range():
            return _checked_range(filter, fields, f"{where}.range")
        case Exists(name):
            declared(fields, name, f"{where}.exists")
    return filter


def _combined(
    combine: type[AllOf] | type[AnyOf],
    filters: Collection[Filter],
    fields: Sequence[Field],
    where: str,
) -> Filter:
    """One level of it: what combines in the same way within is part of it."""
    if not filters:
        raise _refused(where, "is empty", "expected at least one filter")
    parts: set[Filter] = set()
    for each in filters:
        part = _checked(each, fields, where)
        parts.update(part.filters if isinstance(part, combine) else [part])
    return parts.pop() if len(parts) == 1 else combine(parts)


def _checked_membership(filter: Membership, fields: Sequence[Field], where: str) -> Membership:
    field = declared(fields, filter.field, f"{where}.field")
    if not filter.values:
        raise _refused(f"{where}.values", "is empty", "expected at least one value")
    values = (checked_value(field, value, f"{where}.values") for value in filter.values)
    return Membership(field.name, frozenset(values))


def _checked_range(filter: Range, fields: Sequence[Field], where: str) -> Range:
    field = declared(fields, filter.field, f"{where}.field")
    if field.type == "boolean":
        raise _refused(
            f"{where}.field", f"names {field.name!r}, a boolean", "use membership: true or false"
        )
    bounds = {
        bound: checked_value(field, value, f"{where}.{bound}")
        for bound in ("at_least", "above", "at_most", "below")
        if (value := getattr(filter, bound)) is not None
    }
    if not bounds:
        raise _refused(where, "has no bound", "set one, or use exists")
    lower = max(_given(bounds, at_least=False, above=True), default=None)
    upper = min(_given(bounds, at_most=True, below=False), default=None)
    if lower and upper and _holds_nothing(*lower, *upper):
        raise _refused(
            where, f"from {lower[0]} to {upper[0]} lets no value through", "swap or widen them"
        )
    return _range(field.name, lower, upper)


def _given(bounds: dict[str, Any], **flags: bool) -> list[tuple[Any, bool]]:
    return [(bounds[bound], flag) for bound, flag in flags.items() if bound in bounds]


def _range(name: str, lower: _Bound | None, upper: _Bound | None) -> Range:
    """One lower and one upper bound at most: of two, the tighter."""
    low, above = lower or (None, False)
    high, at_most = upper or (None, True)
    return Range(
        name,
        at_least=None if above else low,
        above=low if above else None,
        at_most=high if at_most else None,
        below=None if at_most else high,
    )


def _holds_nothing(low: Any, above: bool, high: Any, at_most: bool) -> bool:
    if isinstance(low, int):
        return low + above > high - (not at_most)
    return low > high or (low == high and (above or not at_most))


def _refused(where: str, found: str, to_do: str) -> InvalidInput:
    return InvalidInput(f"{where} {found}; {to_do}", reason="FILTER", field=where)
