"""Which filters and fields are refused, and that what means the same is the same."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from spladed.errors import InvalidInput
from spladed.index.fields import check_declarations, checked_fields, checked_value
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
    named_ids,
)
from spladed.index.values import Field

NOW = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)
FIELDS = [
    Field("word", "keyword"),
    Field("tags", "keyword", True),
    Field("year", "integer"),
    Field("price", "float"),
    Field("open", "boolean"),
    Field("at", "time"),
]
A, B = Membership("year", {1}), Exists("word")


@pytest.mark.parametrize(
    ("filter", "reason", "field"),
    [
        (Exists("colour"), "FIELD", "filter.exists"),
        (Not(AllOf([Exists("colour")])), "FIELD", "filter.negation.all_of.exists"),
        (Membership("colour", {1}), "FIELD", "filter.membership.field"),
        (Range("", at_least=1), "FIELD", "filter.range.field"),
        (Membership("year", {"2020"}), "FIELD_TYPE", "filter.membership.values"),
        (Membership("year", {True}), "FIELD_TYPE", "filter.membership.values"),
        (Membership("year", {2020.0}), "FIELD_TYPE", "filter.membership.values"),
        (Membership("word", {1}), "FIELD_TYPE", "filter.membership.values"),
        (Membership("open", {1}), "FIELD_TYPE", "filter.membership.values"),
        (Membership("at", {"2020-01-01"}), "FIELD_TYPE", "filter.membership.values"),
        (Range("price", at_most=2**53 + 1), "FIELD_TYPE", "filter.range.at_most"),
        (Range("price", below=math.nan), "FIELD_VALUE", "filter.range.below"),
        (Range("year", above=2**63), "FIELD_VALUE", "filter.range.above"),
        (Range("at", above=NOW.replace(tzinfo=None)), "FIELD_VALUE", "filter.range.above"),
        (Range("open", at_least=False), "FILTER", "filter.range.field"),
        (Range("year"), "FILTER", "filter.range"),
        (Range("year", at_least=3, at_most=2), "FILTER", "filter.range"),
        (Range("year", above=2, below=3), "FILTER", "filter.range"),
        (Range("price", at_least=0.5, below=0.5), "FILTER", "filter.range"),
        (Range("word", above="b", at_most="b"), "FILTER", "filter.range"),
        (Range("at", at_least=NOW, below=NOW), "FILTER", "filter.range"),
        (Membership("year", ()), "FILTER", "filter.membership.values"),
        (AllOf([]), "FILTER", "filter.all_of"),
        (Not(AnyOf([])), "FILTER", "filter.negation.any_of"),
    ],
)  # fmt: skip
def test_a_filter_that_cannot_be_is_named(filter: Filter, reason: str, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked(filter, FIELDS)
    assert (caught.value.reason, caught.value.field) == (reason, field)
    assert field in str(caught.value)


def test_an_undeclared_field_comes_with_those_there_are() -> None:
    with pytest.raises(InvalidInput, match=r"'colour'.*word \(keyword\), tags \(list of keyword\)"):
        checked(Exists("colour"), FIELDS)
    with pytest.raises(InvalidInput, match="declared: none"):
        checked(Exists("colour"), [])


def nested(depth: int) -> Filter:
    filter: Filter = B
    for level in range(depth - 1):
        filter = Not(filter) if level % 2 else AllOf([filter, A])
    return filter


def test_nesting_and_size_are_bounded() -> None:
    checked(nested(32), FIELDS)
    with pytest.raises(InvalidInput, match="32 levels"):
        checked(nested(33), FIELDS)
    many = [Membership("year", {number}) for number in range(1_024)]
    checked(AnyOf(many[1:]), FIELDS)
    with pytest.raises(InvalidInput, match="1024 conditions"):
        checked(AnyOf(many), FIELDS)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (AllOf([A, B]), AllOf((B, A, A))),
        (AllOf([A]), A),
        (AnyOf([A, AnyOf([B])]), AnyOf([B, A])),
        (AllOf([A, AllOf([B, AllOf([A])])]), AllOf([A, B])),
        (Not(Not(Not(A))), Not(A)),
        (Membership("price", [1, 2.0]), Membership("price", {2.0, 1.0})),
        (Range("year", at_least=1, above=0), Range("year", at_least=1)),
        (Range("year", at_least=1, above=1), Range("year", above=1)),
        (Range("year", at_most=5, below=5), Range("year", below=5)),
        (Range("at", above=NOW), Range("at", above=NOW.astimezone(timezone(timedelta(hours=2))))),
        (Ids(["a", "b"]), Ids({"b", "a"})),
    ],
)
def test_what_means_the_same_is_the_same(one: Filter, other: Filter) -> None:
    assert checked(one, FIELDS) == checked(other, FIELDS)
    assert hash(checked(one, FIELDS)) == hash(checked(other, FIELDS))


def test_every_id_that_is_named() -> None:
    assert named_ids(AnyOf([Ids("a"), Not(AllOf([Ids("bc"), A]))])) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("name", "value", "same"),
    [
        ("price", 3, 3.0),
        ("price", math.inf, math.inf),
        ("year", -(2**63), -(2**63)),
        ("at", NOW.astimezone(timezone(timedelta(hours=-7))), NOW),
        ("word", "", ""),
        ("word", "é" * 16_383, "é" * 16_383),
        ("open", False, False),
    ],
)
def test_a_value_has_one_form(name: str, value: Any, same: Any) -> None:
    (field,) = (field for field in FIELDS if field.name == name)
    found = checked_value(field, value, "x")
    assert (type(found), found) == (type(same), same)
    if isinstance(found, datetime):
        assert found.tzinfo is UTC


@pytest.mark.parametrize(
    ("values", "reason", "field"),
    [
        ({"colour": ("red",)}, "FIELD", "f"),
        ({"year": (1, 2)}, "FIELD_VALUE", "f.year"),
        ({"year": ("1",)}, "FIELD_TYPE", "f.year.values[0]"),
        ({"tags": ("a", 1)}, "FIELD_TYPE", "f.tags.values[1]"),
        ({"tags": "ab"}, "FIELD_TYPE", "f.tags"),
        ({"tags": 7}, "FIELD_TYPE", "f.tags"),
        ({"year": (2**63,)}, "FIELD_VALUE", "f.year.values[0]"),
        ({"price": (math.nan,)}, "FIELD_VALUE", "f.price.values[0]"),
        ({"word": ("\ud800",)}, "FIELD_VALUE", "f.word.values[0]"),
        ({"word": ("é" * 16_384,)}, "FIELD_VALUE", "f.word.values[0]"),
        ({"at": (datetime(2020, 1, 1),)}, "FIELD_VALUE", "f.at.values[0]"),
        (
            {"at": (datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),)},
            "FIELD_VALUE",
            "f.at.values[0]",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_named(values: Any, reason: str, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked_fields(FIELDS, values, "f")
    assert (caught.value.reason, caught.value.field) == (reason, field)


def test_a_field_of_no_values_is_left_out() -> None:
    assert checked_fields(FIELDS, {"tags": (), "year": [1]}, "f") == {"year": (1,)}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ([Field("", "keyword")], "settings.fields[0].name"),
        ([Field("é" * 17, "keyword")], "settings.fields[0].name"),
        ([Field("a/b", "keyword")], "settings.fields[0].name"),
        ([Field("a\0", "keyword")], "settings.fields[0].name"),
        ([Field("\ud800", "keyword")], "settings.fields[0].name"),
        ([Field("a", "keyword"), Field("a", "integer")], "settings.fields[1].name"),
        ([Field("a", "text")], "settings.fields[0].type"),  # pyright: ignore
        ([Field(str(number), "float") for number in range(257)], "settings.fields"),
    ],
)
def test_a_declaration_that_cannot_be_is_named(fields: list[Field], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_declarations(fields)
    assert (caught.value.reason, caught.value.field) == ("FIELD_DECLARATION", field)
    check_declarations([Field("é" * 16, "keyword"), *FIELDS])
