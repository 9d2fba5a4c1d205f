"""Columns give back what documents said, however they are cut and joined."""

from __future__ import annotations

import math
import struct
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spladed.index import columns
from spladed.index.values import Field
from tests.index import declared
from tests.index.declared import Fields, Values

YEAR = Field("year", "integer")
NAMES = Field("names", "keyword", True)
EVERY = [
    Field("word", "keyword"),
    Field("words", "keyword", True),
    Field("number", "integer"),
    Field("real", "float"),
    Field("reals", "float", True),
    Field("flag", "boolean"),
    Field("flags", "boolean", True),
    Field("time", "time"),
    Field("times", "time", True),
]


@st.composite
def corpora(draw: st.DrawFn) -> tuple[Fields, list[Values]]:
    fields = draw(declared.fields)
    return fields, draw(declared.documents(fields))


def every_row(count: int) -> Any:
    return np.arange(count, dtype=np.int64)


def exactly(documents: list[Any]) -> list[dict[str, list[tuple[type, Any]]]]:
    """With the type of each value and the bits of each float, so that 0.0 is not -0.0."""
    return [
        {name: [(type(one), _bits(one)) for one in given] for name, given in each.items()}
        for each in documents
    ]


def _bits(value: Any) -> Any:
    return struct.pack("<d", value) if isinstance(value, float) else value


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and np.array_equal(one[name], other[name])
        for name in one
    )


@settings(max_examples=200, deadline=None)
@given(corpora())
def test_values_come_back_as_they_were(corpus: tuple[Fields, list[Values]]) -> None:
    fields, documents = corpus
    encoded = columns.encode(fields, documents)
    found = columns.values(fields, encoded, every_row(len(documents)))
    assert exactly(found) == exactly(documents)
    assert columns.problems(fields, encoded, len(documents)) == []
    for array in encoded.values():
        assert array.ndim == 1
        assert array.dtype.str[1:] in ("u1", "u4", "u8", "i8", "f8")


@settings(max_examples=200, deadline=None)
@given(corpora(), st.data())
def test_rows_taken_are_as_if_encoded_alone(
    corpus: tuple[Fields, list[Values]], data: st.DataObject
) -> None:
    fields, documents = corpus
    last = len(documents) - 1
    rows = data.draw(st.lists(st.integers(0, last), max_size=70)) if documents else []
    encoded = columns.encode(fields, documents)
    taken = columns.take(fields, encoded, np.array(rows, np.int64))
    assert same(taken, columns.encode(fields, [documents[row] for row in rows]))


@settings(max_examples=200, deadline=None)
@given(corpora(), st.lists(st.integers(0, 90), max_size=6))
def test_parts_joined_are_as_if_encoded_together(
    corpus: tuple[Fields, list[Values]], cuts: list[int]
) -> None:
    fields, documents = corpus
    bounds = [0, *sorted(min(cut, len(documents)) for cut in cuts), len(documents)]
    parts = [documents[start:stop] for start, stop in pairwise(bounds)]
    joined = columns.concatenate(
        fields, [columns.encode(fields, part) for part in parts], [len(part) for part in parts]
    )
    assert same(joined, columns.encode(fields, documents))


def test_many_parts_share_one_dictionary() -> None:
    documents = [{"names": (f"n{number % 37}", f"m{number % 11}")} for number in range(500)]
    parts = [columns.encode([NAMES], [each]) for each in documents]
    joined = columns.concatenate([NAMES], parts, [1] * 500)
    assert same(joined, columns.encode([NAMES], documents))
    assert len(joined["names/ends"]) == 37 + 11 + 1


def test_no_parts_make_empty_columns() -> None:
    assert same(columns.concatenate(EVERY, [], []), columns.encode(EVERY, []))
    assert columns.problems(EVERY, columns.encode(EVERY, []), 0) == []


def test_the_layout_is_as_the_docstring_says() -> None:
    fields = [YEAR, NAMES]
    encoded = columns.encode(fields, [{"year": (7,), "names": ("b", "a", "b")}, {"names": ("é",)}])
    assert {name: array.tolist() for name, array in encoded.items()} == {
        "year/values": [7, 0],
        "year/exists": [0b01],
        "names/values": [1, 0, 1, 2],
        "names/starts": [0, 3, 4],
        "names/words": list("abé".encode()),
        "names/ends": [0, 1, 2, 4],
    }


SOUND: list[Values] = [
    {"word": ("a",), "words": ("b", "a"), "number": (1,), "real": (0.5,), "flag": (True,)},
    {"word": ("b",), "reals": (1.0, 2.0), "flags": (False, True)},
]


@pytest.mark.parametrize(
    ("name", "broken", "says"),
    [
        ("number/values", None, "has no number/values"),
        ("number/values", np.zeros(3, np.int64), "3 values"),
        ("number/values", np.zeros(2, np.int32), "int32"),
        ("number/exists", np.array([0b101], np.uint64), "beyond row 1"),
        ("words/starts", np.array([0, 3, 2]), "starts"),
        ("words/starts", np.array([0, 2]), "starts"),
        ("words/values", np.array([0, 2], np.uint32), "code 2"),
        ("words/values", np.array([0, 0], np.uint32), "no row uses"),
        ("word/ends", np.array([0, 2, 1]), "ends"),
        ("word/words", np.frombuffer(b"ba", np.uint8), "do not rise"),
        ("flag/values", np.array([2, 0], np.uint8), "neither 0 nor 1"),
        ("reals/values", np.array([1.0, math.nan]), "NaN"),
    ],
)
def test_a_broken_column_is_named(name: str, broken: Any, says: str) -> None:
    encoded = columns.encode(EVERY, SOUND)
    assert columns.problems(EVERY, encoded, 2) == []
    if broken is None:
        del encoded[name]
    else:
        encoded[name] = broken
    (problem,) = columns.problems(EVERY, encoded, 2)
    assert problem.startswith(f"column {name.split('/')[0]}: ")
    assert says in problem
