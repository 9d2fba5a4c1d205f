from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spladed.errors import InvalidInput
from spladed.sparse import SparseBatch

DIMENSION = 40


@st.composite
def batches(draw: st.DrawFn) -> SparseBatch:
    rows = draw(
        st.lists(
            st.dictionaries(
                st.integers(0, DIMENSION - 1), st.floats(0.0625, 100, width=32), max_size=8
            ),
            max_size=6,
        )
    )
    return SparseBatch.from_rows(
        DIMENSION, [(sorted(row), [row[term] for term in sorted(row)]) for row in rows]
    )


def as_lists(batch: SparseBatch) -> list[tuple[list[int], list[float]]]:
    return [(indices.tolist(), values.tolist()) for indices, values in batch.rows()]


@given(batches())
def test_a_batch_built_from_rows_holds_every_invariant(batch: SparseBatch) -> None:
    assert batch.checked("v") is batch
    assert batch.nnz == sum(len(indices) for indices, _ in batch.rows())


@given(batches(), st.data())
def test_take_gives_the_rows_named_in_the_order_named(
    batch: SparseBatch, data: st.DataObject
) -> None:
    positions = st.integers(0, max(0, len(batch) - 1))
    numbers = data.draw(st.lists(positions, max_size=8 if len(batch) else 0))
    rows = as_lists(batch)
    assert as_lists(batch.take(numbers)) == [rows[number] for number in numbers]


@given(batches(), st.data())
def test_slices_put_together_are_the_batch(batch: SparseBatch, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(batch)))
    parts = [batch.slice(0, cut), batch.slice(cut, len(batch))]
    assert as_lists(SparseBatch.concatenate(DIMENSION, parts)) == as_lists(batch)


NAN, INF = float("nan"), float("inf")
BAD = {
    "no offsets": (([], [1], [1.0]), "v.indptr", "must start with 0, found nothing"),
    "offsets start late": (([1, 1], [1], [1.0]), "v.indptr", "must start with 0, found 1"),
    "offsets fall": (([0, 2, 1, 2], [1, 2], [1, 1]), "v.indptr", "falls at row 1"),
    "offsets end early": (([0, 1], [1, 2], [1, 1]), "v.indptr", "ends at 1, with 2 indices"),
    "values missing": (([0, 2], [1, 2], [1]), "v.indptr", "1 values"),
    "index at V": (([0, 1], [DIMENSION], [1]), "v.indices", "index from 0 to 39"),
    "index negative": (([0, 1], [-1], [1]), "v.indices", "is -1"),
    "unsorted": (([0, 1, 3], [5, 4, 3], [1, 1, 1]), "v.indices", "(row 1) is 3"),
    "repeated": (([0, 2], [4, 4], [1, 1]), "v.indices", "none repeated"),
    "zero": (([0, 1], [4], [0]), "v.values", "leave zero weights out"),
    "negative": (([0, 1], [4], [-0.5]), "v.values", "is -0.5"),
    "NaN": (([0, 1], [4], [NAN]), "v.values", "is nan"),
    "infinite": (([0, 1], [4], [INF]), "v.values", "is inf"),
    "absurd": (([0, 1], [4], [10_001]), "v.values", "at most 10000"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_broken_invariant_is_named(name: str) -> None:
    (indptr, indices, values), field, words = BAD[name]
    batch = SparseBatch(
        DIMENSION,
        np.array(indptr, np.int64),
        np.array(indices, np.int32),
        np.array(values, np.float32),
    )
    with pytest.raises(InvalidInput) as caught:
        batch.checked("v")
    assert caught.value.field == field
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("indptr", np.zeros(1, np.int32)),
        ("indices", np.zeros(0, np.int64)),
        ("values", np.zeros(0, np.float64)),
        ("values", np.zeros((0, 2), np.float32)),
    ],
)
def test_arrays_of_another_type_are_named(name: str, array: np.ndarray) -> None:
    arrays = {
        "indptr": np.zeros(1, np.int64),
        "indices": np.zeros(0, np.int32),
        "values": np.zeros(0, np.float32),
    }
    with pytest.raises(InvalidInput, match=f"v.{name} has dtype {array.dtype}") as caught:
        SparseBatch(DIMENSION, **(arrays | {name: array})).checked("v")
    assert (caught.value.reason, caught.value.field) == ("VECTOR_DTYPE", f"v.{name}")


def test_equal_terms_in_neighbouring_rows_are_not_a_repetition() -> None:
    SparseBatch.from_rows(DIMENSION, [([3], [1]), ([], []), ([3], [1]), ([0], [1])]).checked("v")


@given(batches(), st.data())
def test_merged_rows_keep_each_terms_heaviest_weight(
    batch: SparseBatch, data: st.DataObject
) -> None:
    counts: list[int] = []
    while sum(counts) < len(batch):
        counts.append(data.draw(st.integers(1, len(batch) - sum(counts))))
    merged = batch.merged(counts).checked("merged")
    start = 0
    for count, row in zip(counts, merged.rows(), strict=True):
        expected: dict[int, float] = {}
        for indices, values in (batch.row(start + number) for number in range(count)):
            for index, value in zip(indices.tolist(), values.tolist(), strict=True):
                expected[index] = max(value, expected.get(index, 0))
        assert dict(zip(row[0].tolist(), row[1].tolist(), strict=True)) == expected
        start += count
