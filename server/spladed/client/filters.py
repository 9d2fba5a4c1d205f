"""Which documents a call shall keep, written as Python conditions.

>>> recent = (field("year") >= 2020) & field("language").is_in(["en", "de"])
>>> recent | ids(["pinned"]) & ~field("retracted").exists()
Filter(any_of(all_of(year >= 2020, language in ('en', 'de')), all_of(ids('pinned'), not exists(retracted))))

A document without a value in a field meets no condition on it, so `field("year") != 2020` keeps
it. Of a list one value is enough: `field("tags") == "new"` keeps what has that tag among others.
"""  # noqa: E501  # the example's one line of output

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from spladed.client.values import Value
from spladed.rpc.field_values import read_value, write_value
from spladed.v1 import index_pb2 as pb

__all__ = ["Filter", "FilterField", "field", "ids"]

_SIGNS = {"at_least": ">=", "above": ">", "at_most": "<=", "below": "<"}


def field(name: str) -> FilterField:
    """A declared field of the collection, to compare."""
    return FilterField(name)


def ids(ids: Iterable[str]) -> Filter:
    """Keeps the documents of these ids."""
    return Filter(pb.Filter(ids=pb.Ids(ids=ids)))


class Filter:
    """A condition on documents. Combine with `&`, `|` and `~`, not with `and`, `or`, `not`."""

    __slots__ = ("message",)

    def __init__(self, message: pb.Filter) -> None:
        self.message = message

    def __and__(self, other: Filter) -> Filter:
        parts = [*_parts(self, "all_of"), *_parts(other, "all_of")]
        return Filter(pb.Filter(all_of=pb.Filters(filters=parts)))

    def __or__(self, other: Filter) -> Filter:
        parts = [*_parts(self, "any_of"), *_parts(other, "any_of")]
        return Filter(pb.Filter(any_of=pb.Filters(filters=parts)))

    def __invert__(self) -> Filter:
        return Filter(pb.Filter(negation=self.message))

    def __bool__(self) -> NoReturn:
        """Python asks for it in `and`, `or`, `not` and `1 <= x <= 2`, none of which can work."""
        raise TypeError(
            "a filter is neither true nor false: combine with &, | and ~, each comparison in "
            "parentheses; write a <= x <= b as field(x).within(at_least=a, at_most=b)"
        )

    def __repr__(self) -> str:
        return f"Filter({_spelt(self.message)})"


class FilterField:
    """A field by its name; comparing it makes a `Filter`."""

    __slots__ = ("name",)
    __hash__ = None  # type: ignore[assignment]  # equality is a filter here

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, value: Value) -> Filter:  # type: ignore[override]  # a filter, no bool
        return self.is_in([value])

    def __ne__(self, value: Value) -> Filter:  # type: ignore[override]
        return ~self.is_in([value])

    def __ge__(self, value: Value) -> Filter:
        return self.within(at_least=value)

    def __gt__(self, value: Value) -> Filter:
        return self.within(above=value)

    def __le__(self, value: Value) -> Filter:
        return self.within(at_most=value)

    def __lt__(self, value: Value) -> Filter:
        return self.within(below=value)

    def is_in(self, values: Iterable[Value]) -> Filter:
        """Keeps the documents that have one of these values."""
        written = [write_value(value, f"filter.{self.name}") for value in values]
        return Filter(pb.Filter(membership=pb.Membership(field=self.name, values=written)))

    def within(
        self,
        *,
        at_least: Value | None = None,
        above: Value | None = None,
        at_most: Value | None = None,
        below: Value | None = None,
    ) -> Filter:
        """Keeps the documents that have one value within all of these bounds.

        Keywords are ordered by their UTF-8 bytes, as Python orders strings.
        """
        given = {"at_least": at_least, "above": above, "at_most": at_most, "below": below}
        bounds = {
            bound: write_value(value, f"filter.{self.name}")
            for bound, value in given.items()
            if value is not None
        }
        return Filter(pb.Filter(range=pb.Range(field=self.name, **bounds)))

    def exists(self) -> Filter:
        """Keeps the documents that have any value."""
        return Filter(pb.Filter(exists=self.name))


def _parts(filter: Filter, combined: str) -> Iterable[pb.Filter]:
    """Those of a filter that is combined in this way already, so that a & b & c nests once."""
    if filter.message.WhichOneof("condition") == combined:
        return getattr(filter.message, combined).filters
    return [filter.message]


def _spelt(message: pb.Filter) -> str:
    condition = message.WhichOneof("condition") or "nothing"
    inner: Any = getattr(message, condition, None)
    match condition:
        case "all_of" | "any_of":
            return f"{condition}({', '.join(map(_spelt, inner.filters))})"
        case "negation":
            return f"not {_spelt(inner)}"
        case "membership":
            values = tuple(read_value(value, inner.field) for value in inner.values)
            return f"{inner.field} in {values}"
        case "range":
            bounds = (
                f"{inner.field} {sign} {read_value(getattr(inner, bound), inner.field)!r}"
                for bound, sign in _SIGNS.items()
                if inner.HasField(bound)
            )
            return " and ".join(bounds)
        case "exists":
            return f"exists({inner})"
        case "ids":
            return f"ids({', '.join(map(repr, inner.ids))})"
    return condition
