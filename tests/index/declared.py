"""Random declared fields, documents and filters, and what a filter keeps by plain Python."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from hypothesis import strategies as st

from spladed.index.filter import AllOf, AnyOf, Exists, Filter, Ids, Membership, Not, Range
from spladed.index.values import Field, FieldType, Value

Fields = Sequence[Field]
Values = Mapping[str, tuple[Value, ...]]

# A few of each, so that values meet; with the ends of each type.
WORDS = ["", "a", "a\0", "ab", "b", "é", "z", "\uffff", "\U0001f43a"]
INTEGERS = [-(2**63), -(2**53) - 1, -2, -1, 0, 1, 2, 3, 2**53 + 1, 2**63 - 2, 2**63 - 1]
FLOATS = [-math.inf, -1.5, -5e-324, -0.0, 0.0, 5e-324, 0.1, 1.0, 2.0**53, math.inf]
TIMES = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=1),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC),
]
OF_TYPE: dict[FieldType, st.SearchStrategy[Any]] = {
    "keyword": st.sampled_from(WORDS) | st.text(max_size=3),
    "integer": st.sampled_from(INTEGERS) | st.integers(-(2**63), 2**63 - 1),
    "float": st.sampled_from(FLOATS) | st.floats(allow_nan=False),
    "boolean": st.booleans(),
    "time": st.sampled_from(TIMES) | st.datetimes(timezones=st.just(UTC)),
}
IDS = [f"id-{number}" for number in range(12)]

fields = st.lists(
    st.builds(
        Field, st.sampled_from("abcdef"), st.sampled_from(get_args(FieldType)), st.booleans()
    ),
    max_size=5,
    unique_by=lambda field: field.name,
)


def values_of(field: Field) -> st.SearchStrategy[tuple[Value, ...]]:
    """Some values, or none."""
    one = OF_TYPE[field.type]
    return st.lists(one, max_size=4 if field.list else 1).map(tuple)


def documents(declared: Fields, max_size: int = 90) -> st.SearchStrategy[list[Values]]:
    """Values of documents, those of no value left out."""
    one = st.fixed_dictionaries({field.name: values_of(field) for field in declared})
    return st.lists(one.map(_without_empty), max_size=max_size)


def _without_empty(values: Values) -> Values:
    return {name: given for name, given in values.items() if given}


@st.composite
def filters(draw: st.DrawFn, declared: Fields) -> Filter:
    """A filter that `checked` accepts or refuses by its bounds alone."""
    leaves = st.builds(Ids, st.frozensets(st.sampled_from(IDS)))
    for field in declared:
        leaves |= st.just(Exists(field.name))
        leaves |= st.builds(
            Membership,
            st.just(field.name),
            st.frozensets(OF_TYPE[field.type], min_size=1, max_size=5),
        )
        if field.type != "boolean":
            bound = st.none() | OF_TYPE[field.type]
            leaves |= st.builds(Range, st.just(field.name), bound, bound, bound, bound)
    several = lambda inner: st.lists(inner, min_size=1, max_size=3)  # noqa: E731
    return draw(
        st.recursive(
            leaves,
            lambda inner: (
                st.builds(AllOf, several(inner))
                | st.builds(AnyOf, several(inner))
                | st.builds(Not, inner)
            ),
            max_leaves=6,
        )
    )


def keeps(filter: Filter, id: str, values: Values) -> bool:
    """Whether the filter keeps a document, by its definition."""
    match filter:
        case AllOf(inner):
            return all(keeps(each, id, values) for each in inner)
        case AnyOf(inner):
            return any(keeps(each, id, values) for each in inner)
        case Not(inner):
            return not keeps(inner, id, values)
        case Ids(ids):
            return id in ids
        case Exists(name):
            return name in values
        case Membership(name, wanted):
            return any(value in wanted for value in values.get(name, ()))
        case Range(name):
            return any(_within(filter, value) for value in values.get(name, ()))


def _within(bounds: Range, value: Any) -> bool:
    key = _key(value)
    return (
        (bounds.at_least is None or key >= _key(bounds.at_least))
        and (bounds.above is None or key > _key(bounds.above))
        and (bounds.at_most is None or key <= _key(bounds.at_most))
        and (bounds.below is None or key < _key(bounds.below))
    )


def _key(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value
