from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spladed.client import shapes
from spladed.errors import InvalidInput
from spladed.sparse import SparseBatch

VOCABULARY = [f"t{number}" for number in range(50)]
rows = st.lists(
    st.dictionaries(st.integers(0, 49), st.floats(0.0625, 16, width=32), max_size=8), max_size=5
)


def assert_same(left: SparseBatch, right: SparseBatch) -> None:
    assert left.dimension == right.dimension
    for name in ("indptr", "indices", "values"):
        assert np.array_equal(getattr(left, name), getattr(right, name))


@given(rows)
def test_maps_come_back_as_they_were(maps: list[dict[int, float]]) -> None:
    batch = shapes.from_index_maps(50, maps)
    assert shapes.to_index_maps(batch) == maps
    assert_same(shapes.from_index_maps(50, shapes.to_index_maps(batch)), batch)
    assert_same(shapes.from_token_maps(VOCABULARY, shapes.to_token_maps(batch, VOCABULARY)), batch)
    lists = shapes.to_index_lists(batch)
    assert [dict(zip(r["indices"], r["values"], strict=True)) for r in lists] == maps


def test_scipy_comes_and_goes() -> None:
    scipy = pytest.importorskip("scipy.sparse", reason="scipy is not installed")
    batch = shapes.from_index_maps(50, [{3: 1.5, 1: 0.5}, {}, {49: 2.0}])
    matrix = shapes.to_scipy(batch)
    assert matrix.shape == (3, 50)
    assert_same(shapes.from_scipy(matrix), batch)
    unsorted = scipy.coo_array(([1.0, 2.0, 3.0], ([0, 0, 0], [7, 2, 7])), shape=(1, 50))
    assert shapes.to_index_maps(shapes.from_scipy(unsorted)) == [{2: 2.0, 7: 4.0}]


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(InvalidInput, match="'zebra'"):
        shapes.from_token_maps(VOCABULARY, [{"t1": 1.0}, {"zebra": 1.0}])
    with pytest.raises(InvalidInput, match=r"rows\.indices"):
        shapes.from_index_maps(50, [{50: 1.0}])
    with pytest.raises(InvalidInput, match=r"rows\.values"):
        shapes.from_index_maps(50, [{5: -1.0}])


def test_the_examples_run() -> None:
    assert doctest.testmod(shapes).failed == 0
