"""Conditions written in Python are the contract's filters."""

from __future__ import annotations

import doctest

import pytest

from spladed.client import filters
from spladed.client.filters import field, ids
from spladed.errors import InvalidInput
from spladed.v1 import index_pb2 as pb

YEAR = pb.FieldValue(integer=2020)
A, B, C = field("a").exists(), field("b").exists(), field("c").exists()


def test_the_docstrings_example_runs() -> None:
    assert doctest.testmod(filters).failed == 0
    assert doctest.testmod(filters).attempted > 0


def test_each_comparison_has_its_condition() -> None:
    year = field("year")
    assert (year >= 2020).message == pb.Filter(range=pb.Range(field="year", at_least=YEAR))
    assert (year > 2020).message == pb.Filter(range=pb.Range(field="year", above=YEAR))
    assert (year <= 2020).message == pb.Filter(range=pb.Range(field="year", at_most=YEAR))
    assert (year < 2020).message == pb.Filter(range=pb.Range(field="year", below=YEAR))
    equal = pb.Filter(membership=pb.Membership(field="year", values=[YEAR]))
    assert (year == 2020).message == equal
    assert (year != 2020).message == pb.Filter(negation=equal)
    assert ids(["x"]).message == pb.Filter(ids=pb.Ids(ids=["x"]))
    within = pb.Range(field="year", above=YEAR, below=pb.FieldValue(integer=2025))
    assert year.within(above=2020, below=2025).message == pb.Filter(range=within)


def test_combining_many_nests_once() -> None:
    flat = A & B & C & A
    assert len(flat.message.all_of.filters) == 4
    assert repr((A | B) | (C & ~A)) == (
        "Filter(any_of(exists(a), exists(b), all_of(exists(c), not exists(a))))"
    )


def test_what_python_would_misread_is_refused() -> None:
    with pytest.raises(TypeError, match="combine with &"):
        A and B  # noqa: B018  # Python asks for the truth of A
    with pytest.raises(TypeError, match="within"):
        2000 <= field("year") < 2010  # noqa: B015  # and here of the first comparison
    with pytest.raises(TypeError, match="unhashable"):
        hash(field("year"))


def test_a_value_that_cannot_travel_is_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        field("year").is_in([2020, None])  # type: ignore[list-item]
    assert (caught.value.reason, caught.value.field) == ("FIELD_TYPE", "filter.year")
