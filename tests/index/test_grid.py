"""A weight is rounded once, to the nearest step, and read back bit-equal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spladed.errors import InvalidInput
from spladed.index import grid
from spladed.sparse import SparseBatch

STEP = 1 / 4096
in_range = st.floats(0, grid.FIXED16_LIMIT, exclude_min=True, width=32)


def one_row(values: list[float]) -> SparseBatch:
    return SparseBatch.from_rows(1000, [(range(len(values)), values)])


@pytest.mark.parametrize(
    ("weight", "steps"),
    [
        (STEP, [1]),
        (0.5 * STEP, []),  # a half goes to the even neighbour, here 0, and 0 is dropped
        (0.51 * STEP, [1]),
        (1.5 * STEP, [2]),
        (2.5 * STEP, [2]),
        (1.0, [4096]),
        (65535 * STEP, [65535]),
        (65535.4 * STEP, [65535]),
    ],
)
def test_fixed16_rounds_half_to_even_and_drops_zero(weight: float, steps: list[int]) -> None:
    rows = grid.to_grid(one_row([weight]), "fixed16")
    assert rows.weights.tolist() == steps
    assert rows.weights.dtype == np.uint16
    assert rows.indptr.tolist() == [0, len(steps)]


@pytest.mark.parametrize("weight", [65535.6 * STEP, 16.0, 10_000.0])
def test_a_weight_beyond_the_range_is_refused_by_name(weight: float) -> None:
    vectors = SparseBatch.from_rows(1000, [([1], [1.0]), ([4, 7], [2.0, weight])])
    with pytest.raises(InvalidInput, match=r"vectors.values\[2\] \(row 1, term 7\).*float32") as e:
        grid.to_grid(vectors, "fixed16")
    assert (e.value.reason, e.value.field) == ("WEIGHT_RANGE", "vectors.values")
    kept = grid.to_grid(vectors, "float32")
    assert grid.vectors(kept, 1000).values.tobytes() == vectors.values.tobytes()


@given(st.lists(in_range, max_size=20))
def test_fixed16_moves_no_weight_by_more_than_half_a_step(values: list[float]) -> None:
    rows = grid.to_grid(one_row(values), "fixed16")
    stored = dict(zip(rows.indices.tolist(), grid.numbers(rows.weights).tolist(), strict=True))
    for term, value in enumerate(values):
        assert abs(stored.get(term, 0.0) - value) <= STEP / 2


@given(st.lists(in_range, max_size=20))
def test_fixed16_is_idempotent(values: list[float]) -> None:
    once = grid.vectors(grid.to_grid(one_row(values), "fixed16"), 1000)
    twice = grid.vectors(grid.to_grid(once, "fixed16"), 1000)
    assert twice.values.tobytes() == once.values.tobytes()
    assert twice.indices.tobytes() == once.indices.tobytes()


@given(st.lists(st.floats(0, 10_000, exclude_min=True, width=32), max_size=20))
def test_float32_keeps_every_bit(values: list[float]) -> None:
    vectors = one_row(values)
    rows = grid.to_grid(vectors, "float32")
    assert grid.vectors(rows, 1000).values.tobytes() == vectors.values.tobytes()
    assert not np.shares_memory(rows.weights, vectors.values)


def test_dropping_keeps_the_rows_apart() -> None:
    tiny = STEP / 4
    vectors = SparseBatch.from_rows(
        9, [([0, 1], [tiny, 1]), ([2], [tiny]), ([], []), ([3, 4], [2, tiny])]
    )
    rows = grid.to_grid(vectors, "fixed16")
    assert (rows.indptr.tolist(), rows.indices.tolist()) == ([0, 1, 1, 1, 2], [1, 3])
