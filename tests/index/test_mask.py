"""Masks keep what brute force keeps, and are kept themselves while they fit."""

from __future__ import annotations

import gc
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spladed.errors import InvalidInput
from spladed.index import bits, columns, filter, mask
from spladed.index.filter import AllOf, AnyOf, Exists, Filter, Ids, Membership, Not, Range
from spladed.index.masks import Masks
from spladed.index.values import Field
from tests.index import declared
from tests.index.declared import IDS, Fields, Values

YEAR = Field("year", "integer")
TAGS = Field("tags", "keyword", True)


class Segment:
    """What a filter must know of a segment; counts how often it was asked for its columns."""

    def __init__(self, fields: Fields, documents: Sequence[Values]) -> None:
        self.documents = len(documents)
        self._columns = columns.encode(fields, documents)
        self.asked = 0

    @property
    def columns(self) -> Mapping[str, Any]:
        self.asked += 1
        return self._columns

    def rows_of_ids(self, ids: Sequence[str]) -> Any:
        rows = [IDS.index(id) if id in IDS[: self.documents] else -1 for id in ids]
        return np.array(rows, np.int64)


def kept(filter: Filter, segment: Segment) -> list[int]:
    found = mask.evaluate(filter, segment)
    assert found.dtype == np.uint64
    assert len(found) == (segment.documents + 63) // 64
    rows = np.flatnonzero(bits.unpack(found, len(found) * 64)).tolist()
    assert not rows or rows[-1] < segment.documents, "bits beyond the last row are 0"
    return rows


@st.composite
def cases(draw: st.DrawFn) -> tuple[Fields, list[Values], Filter]:
    fields = draw(declared.fields)
    return fields, draw(declared.documents(fields)), draw(declared.filters(fields))


@settings(max_examples=400, deadline=None)
@given(cases())
def test_a_filter_keeps_what_brute_force_keeps(case: tuple[Fields, list[Values], Filter]) -> None:
    fields, documents, wanted = case
    ids = [*IDS, *("other" for _ in documents)]
    right = [
        row for row, values in enumerate(documents) if declared.keeps(wanted, ids[row], values)
    ]
    try:
        canonical = filter.checked(wanted, fields)
    except InvalidInput as error:
        assert error.reason == "FILTER"
        return
    assert kept(canonical, Segment(fields, documents)) == right
    assert filter.checked(canonical, fields) == canonical


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 128, 1000])
@pytest.mark.parametrize("wanted", [1, 3, 95, 96, 97, 500])
def test_every_length_of_a_membership(count: int, wanted: int) -> None:
    rng = np.random.default_rng(count + wanted)
    numbers = rng.integers(0, 2 * wanted, count).tolist()
    segment = Segment([YEAR], [{"year": (number,)} for number in numbers])
    odd = set(range(1, 2 * wanted, 2))
    found = kept(filter.checked(Membership("year", odd), [YEAR]), segment)
    assert found == [row for row, number in enumerate(numbers) if number in odd]


DOCUMENTS: list[Values] = [
    {"year": (2020,), "tags": ("a", "b")},
    {"year": (2021,)},
    {"tags": ("c",)},
    {},
]


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [
        (Membership("year", {2020}), [0]),
        (Not(Membership("year", {2020})), [1, 2, 3]),
        (Not(Not(Membership("year", {2020}))), [0]),
        (Exists("year"), [0, 1]),
        (Not(Exists("tags")), [1, 3]),
        (Range("year", above=2020), [1]),
        (Range("year", below=2021), [0]),
        (Range("tags", at_least="b"), [0, 2]),
        (AllOf([Range("tags", at_most="a"), Range("tags", at_least="b")]), [0]),
        (Range("year", above=2**63 - 1), []),
        (AnyOf([Ids({"id-3", "unknown"}), Membership("tags", {"c", "z"})]), [2, 3]),
        (Ids(()), []),
        (Not(Ids(())), [0, 1, 2, 3]),
    ],
)
def test_a_document_without_a_value_meets_no_condition(wanted: Filter, rows: list[int]) -> None:
    canonical = filter.checked(wanted, [YEAR, TAGS])
    assert kept(canonical, Segment([YEAR, TAGS], DOCUMENTS)) == rows


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("tags/values", np.full(3, 2**32 - 1, np.uint32)),
        ("tags/starts", np.array([0, 2**62, -(2**62), 2**62, 5])),
        ("tags/starts", np.array([-(2**62), 0, 1, 2, 2**62])),
        ("tags/ends", np.array([0, 2**62, -5, 2**62])),
    ],
)
def test_a_wrong_number_in_a_column_is_not_followed(name: str, broken: Any) -> None:
    segment = Segment([YEAR, TAGS], DOCUMENTS)
    segment._columns[name] = broken
    for wanted in (Membership("tags", {"a", "c"}), Range("tags", above="a"), Exists("tags")):
        assert set(kept(wanted, segment)) <= {0, 1, 2, 3}


def test_a_mask_is_evaluated_once() -> None:
    segment, masks = Segment([YEAR], DOCUMENTS), Masks()
    first = masks.get(Membership("year", {2020, 2021}), segment)
    assert masks.get(Membership("year", {2021, 2020}), segment) is first
    assert segment.asked == 1
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 0


def test_masks_go_with_their_segment() -> None:
    segment, masks = Segment([YEAR], DOCUMENTS), Masks()
    masks.get(Exists("year"), segment)
    held = masks.nbytes
    other = Segment([YEAR], DOCUMENTS[1:])
    assert masks.get(Exists("year"), other).tolist() == [0b001]
    assert masks.nbytes == held + 8
    del segment
    gc.collect()
    assert masks.nbytes == held


def test_masks_stay_within_their_bytes() -> None:
    segment, masks = Segment([YEAR], DOCUMENTS), Masks(max_bytes=20_000)
    often = Exists("year")
    for year in range(200):
        masks.get(often, segment)
        masks.get(Membership("year", {year}), segment)
    assert masks.nbytes <= 20_000
    assert segment.asked == 201, "what is asked for again and again stays"
    masks.get(Ids({f"id-{number}" for number in range(1_000)}), segment)
    assert masks.nbytes <= 20_000, "a filter counts with the ids that it names"


def test_threads_share_the_masks() -> None:
    segments = [Segment([YEAR], DOCUMENTS[: count + 1]) for count in range(4)]
    masks, wrong = Masks(max_bytes=20_000), []

    def ask(number: int) -> None:
        rng = np.random.default_rng(number)
        for _ in range(300):
            wanted = Membership("year", {int(rng.integers(2018, 2024))})
            segment = segments[rng.integers(4)]
            if masks.get(wanted, segment).tolist() != mask.evaluate(wanted, segment).tolist():
                wrong.append(wanted)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
