"""Rows as files have them: what is mended, what is refused, and by which place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spladed.errors import InvalidInput, Mismatch
from spladed.jobs.vectors.checked import check_indptr, checked, cuts
from spladed.jobs.vectors.chunk import Options, decide_dimension
from spladed.sparse import SparseBatch


def rows(indices: Any, values: Any, *, indptr: Any = (0, 1, 4), **given: Any) -> SparseBatch:
    batch = checked(
        given.pop("dimension", 10), np.array(indptr, np.int64), np.array(indices),
        np.array(values), place="row {}".format, **given,
    )  # fmt: skip
    return batch.checked("batch")


@pytest.mark.parametrize("dtype", ["<i4", ">i4", "u4", "i8", "u8", "i2", "u1"])
def test_rows_are_sorted_and_zeros_dropped(dtype: str) -> None:
    batch = rows(np.array([3, 7, 0, 2], dtype), [1.0, 2.0, 0.0, -0.0])
    assert [(i.tolist(), v.tolist()) for i, v in batch.rows()] == [([3], [1.0]), ([7], [2.0])]


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "f8", "f2", "i4", "u1", "i8"])
def test_weights_of_any_number_are_divided_by_the_scale(dtype: str) -> None:
    batch = rows([1, 0, 1, 2], np.array([100, 50, 25, 1], dtype), scale=100)
    assert batch.values.tolist() == np.float32([1, 0.5, 0.25, 0.01]).tolist()
    assert batch.values.dtype == np.float32


@pytest.mark.parametrize(
    ("indices", "values", "reason", "words"),
    [
        ([0, 1, 2, 10], [1, 1, 1, 1], "VECTOR_INDEX_RANGE", "row 1 has term 10; expected 0 to 9"),
        ([-1, 1, 2, 3], [1, 1, 1, 1], "VECTOR_INDEX_RANGE", "row 0 has term -1"),
        ([0, 1, 2, 2**40], [1, 1, 1, 1], "VECTOR_INDEX_RANGE", "row 1 has term 1099511627776"),
        ([0, 5, 4, 5], [1, 1, 1, 2], "VECTOR_INDEX_ORDER", "row 1 has term 5 twice"),
        ([0, 5, 4, 5], [1, 1, 1, 0], "VECTOR_INDEX_ORDER", "row 1 has term 5 twice"),
        ([0, 1, 2, 3], [1, 1, -0.5, 1], "VECTOR_WEIGHT", "row 1 has weight -0.5 for term 2"),
        ([0, 3, 2, 1], [1, -1.0, 1, 1], "VECTOR_WEIGHT", "row 1 has weight -1.0 for term 3"),
        ([0, 1, 2, 3], [1, 1, float("nan"), 1], "VECTOR_WEIGHT", "weight nan for term 2"),
        ([0, 1, 2, 3], [1, 1, float("inf"), 1], "VECTOR_WEIGHT", "weight inf"),
        ([0, 1, 2, 3], [1e300, 1, 1, 1], "VECTOR_WEIGHT", "weight inf for term 0"),
        ([0, 1, 2, 3], [10_001, 1, 1, 1], "VECTOR_WEIGHT", "--scale divides"),
    ],
)
def test_a_bad_row_is_named(indices: Any, values: Any, reason: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words.replace("(", r"\(")) as caught:
        rows(indices, values)
    assert caught.value.reason == reason


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8"])
def test_negative_terms_of_any_width_are_refused(dtype: str) -> None:
    with pytest.raises(InvalidInput, match="row 0 has term -1"):
        rows(np.array([-1, 1, 2, 3], dtype), [1.0] * 4, dimension=1 << 24)


def test_no_rows_and_rows_of_nothing() -> None:
    empty = np.empty(0)
    assert len(rows(empty.astype(int), empty, indptr=[0])) == 0
    assert len(rows(empty.astype(int), empty, indptr=[0, 0, 0])) == 2
    assert rows([1], [0.0], indptr=[0, 0, 1, 1]).indptr.tolist() == [0, 0, 0, 0]


@given(
    lengths=st.lists(st.integers(0, 30), max_size=40),
    limits=st.tuples(st.integers(1, 8), st.integers(1, 50)),
)
def test_cuts_cover_all_rows_within_their_limits(
    lengths: list[int], limits: tuple[int, int]
) -> None:
    indptr = np.cumsum([0, *lengths])
    ranges = list(cuts(indptr, *limits))
    assert [row for start, stop in ranges for row in range(start, stop)] == [*range(len(lengths))]
    for start, stop in ranges:
        assert stop - start <= limits[0]
        assert indptr[stop] - indptr[start] <= limits[1] or stop == start + 1


@pytest.mark.parametrize(
    ("indptr", "words"),
    [
        ([], "goes nowhere"),
        ([1, 3], "goes from 1 to 3, with 3 weights"),
        ([0, 2], "goes from 0 to 2"),
        ([0, 2, 1, 3], "falls at row 1, from 2 to 1"),
    ],
)
def test_offsets_that_do_not_fit_are_named(indptr: list[int], words: str) -> None:
    with pytest.raises(InvalidInput, match=f"x.npz: indptr {words}"):
        check_indptr(np.array(indptr, np.int64), 3, "x.npz: indptr")


def test_the_dimension_is_what_is_wanted_or_what_the_file_says(tmp_path: Any) -> None:
    path = tmp_path / "x"
    assert decide_dimension(path, 100, 0) == 100
    assert decide_dimension(path, 100, 300) == 300
    assert decide_dimension(path, 0, 300) == 300
    with pytest.raises(Mismatch, match="vectors of 301 terms, more than the 300"):
        decide_dimension(path, 301, 300)
    with pytest.raises(InvalidInput, match="give --dimension"):
        decide_dimension(path, 0, 0)
    with pytest.raises(InvalidInput, match=r"says it has 16777217 terms"):
        decide_dimension(path, (1 << 24) + 1, 0)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
def test_a_scale_that_is_none_is_refused(scale: float) -> None:
    with pytest.raises(InvalidInput, match="scale is"):
        Options(scale=scale)
