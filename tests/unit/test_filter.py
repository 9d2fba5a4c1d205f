"""The wire's filters are read as the contract says, and what cannot be is named by its path."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from spladed.errors import InvalidInput
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
from spladed.index.values import Field
from spladed.rpc.field_values import read_value, write_value
from spladed.rpc.filters import read_filter
from spladed.v1 import index_pb2 as pb
from tests.index import declared
from tests.index.declared import Fields

FIELDS = [Field("year", "integer"), Field("tags", "keyword", True), Field("at", "time")]


def value(given: Any) -> pb.FieldValue:
    return write_value(given, "x")


def written(filter: Filter) -> pb.Filter:
    """The message that says the same."""
    match filter:
        case AllOf(filters):
            return pb.Filter(all_of=pb.Filters(filters=[written(each) for each in filters]))
        case AnyOf(filters):
            return pb.Filter(any_of=pb.Filters(filters=[written(each) for each in filters]))
        case Not(negated):
            return pb.Filter(negation=written(negated))
        case Ids(ids):
            return pb.Filter(ids=pb.Ids(ids=ids))
        case Exists(name):
            return pb.Filter(exists=name)
        case Membership(name, values):
            return member(name, *map(value, values))
        case Range(name):
            bounds = ("at_least", "above", "at_most", "below")
            given = {each: getattr(filter, each) for each in bounds}
            return between(name, **{k: value(v) for k, v in given.items() if v is not None})


def member(name: str, *values: pb.FieldValue) -> pb.Filter:
    return pb.Filter(membership=pb.Membership(field=name, values=values))


def between(name: str, **bounds: pb.FieldValue) -> pb.Filter:
    return pb.Filter(range=pb.Range(field=name, **bounds))


def every(*filters: pb.Filter) -> pb.Filter:
    return pb.Filter(all_of=pb.Filters(filters=filters))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Fields, Filter]:
    fields = draw(declared.fields)
    return fields, draw(declared.filters(fields))


@settings(max_examples=200, deadline=None)
@given(cases())
def test_every_filter_is_read_as_it_was_meant(case: tuple[Fields, Filter]) -> None:
    fields, filter = case
    try:
        expected = checked(filter, fields)
    except InvalidInput as error:
        with pytest.raises(InvalidInput) as caught:
            read_filter(written(filter), fields)
        assert caught.value.reason == error.reason
    else:
        assert read_filter(written(filter), fields) == expected


@pytest.mark.parametrize("given", [*declared.WORDS, *declared.INTEGERS, *declared.FLOATS,
                                   *declared.TIMES, True, False])  # fmt: skip
def test_values_travel_whole(given: Any) -> None:
    message = pb.FieldValue.FromString(value(given).SerializeToString())
    found = read_value(message, "x")
    assert (type(found), repr(found)) == (type(given), repr(given))


TRUE = pb.FieldValue(boolean=True)
LATE = pb.FieldValue(time=Timestamp(seconds=5, nanos=1_500))
BEYOND = pb.FieldValue(time=Timestamp(seconds=253_402_300_800))
NEGATIVE = pb.FieldValue(time=Timestamp(nanos=-1))
YEAR = pb.FieldValue(integer=2020)


@pytest.mark.parametrize(
    ("filter", "reason", "field"),
    [
        (pb.Filter(), "FILTER", "filter"),
        (every(), "FILTER", "filter.all_of.filters"),
        (pb.Filter(any_of=pb.Filters()), "FILTER", "filter.any_of.filters"),
        (pb.Filter(negation=pb.Filter()), "FILTER", "filter.negation"),
        (
            every(pb.Filter(exists="year"), between("x", above=YEAR)),
            "FIELD",
            "filter.all_of.filters[1].range.field",
        ),
        (member("x", YEAR), "FIELD", "filter.membership.field"),
        (pb.Filter(exists="x"), "FIELD", "filter.exists"),
        (pb.Filter(negation=member("year")), "FILTER", "filter.negation.membership.values"),
        (member("year", YEAR, TRUE), "FIELD_TYPE", "filter.membership.values[1]"),
        (member("year", pb.FieldValue()), "FIELD_VALUE", "filter.membership.values[0]"),
        (between("year"), "FILTER", "filter.range"),
        (between("year", below=TRUE), "FIELD_TYPE", "filter.range.below"),
        (between("year", below=pb.FieldValue()), "FIELD_VALUE", "filter.range.below"),
        (between("year", below=YEAR, above=YEAR), "FILTER", "filter.range"),
        (between("at", at_least=LATE), "FIELD_VALUE", "filter.range.at_least.time"),
        (between("at", at_least=BEYOND), "FIELD_VALUE", "filter.range.at_least.time"),
        (between("at", at_most=NEGATIVE), "FIELD_VALUE", "filter.range.at_most.time"),
    ],
)
def test_what_cannot_be_is_named_by_its_path(filter: pb.Filter, reason: str, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_filter(filter, FIELDS)
    assert (caught.value.reason, caught.value.field) == (reason, field)
    assert field in str(caught.value)


def test_times_finer_than_stored_are_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="1500 nanos; expected whole microseconds"):
        read_value(LATE, "x")
    sound = pb.FieldValue(time=Timestamp(seconds=-1, nanos=999_999_000))
    assert read_value(sound, "x") == datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (2**63, "FIELD_VALUE"),
        ("\ud800", "FIELD_VALUE"),
        (datetime(2020, 1, 1), "FIELD_VALUE"),
        (None, "FIELD_TYPE"),
        (b"bytes", "FIELD_TYPE"),
    ],
)
def test_what_no_message_can_hold_is_named(given: Any, reason: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        write_value(given, "x")
    assert (caught.value.reason, caught.value.field) == (reason, "x")
