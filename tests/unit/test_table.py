"""Queries without a network: the set of a text's tokens, each with its weight."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spladed.encoder.table import QueryTable
from spladed.errors import Corrupt

DIMENSION = 30
WEIGHTS = np.linspace(0, 3, DIMENSION, dtype=np.float32)  # token 0 weighs nothing
texts = st.lists(st.lists(st.integers(0, DIMENSION - 1), max_size=12), max_size=6)


@given(texts)
def test_a_row_is_the_set_of_its_tokens(texts: list[list[int]]) -> None:
    rows = QueryTable(WEIGHTS).rows([np.array(text, np.int64) for text in texts])
    assert rows.checked("rows") is rows
    assert len(rows) == len(texts)
    for text, (indices, values) in zip(texts, rows.rows(), strict=True):
        assert indices.tolist() == sorted(set(text) - {0})
        np.testing.assert_array_equal(values, WEIGHTS[indices])


@pytest.mark.parametrize(
    ("stored", "says"),
    [
        (np.ones(29, np.float32), r"holds float32 \(29,\)"),
        (np.ones(30, np.float64), "holds float64"),
        (np.full(30, -1, np.float32), "weights from -1.0"),
        (np.full(30, np.nan, np.float32), "weights from nan"),
        (np.array([{}] * 30, object), "cannot be read"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, stored: np.ndarray, says: str) -> None:
    path = tmp_path / "query_table.npy"
    np.save(path, stored, allow_pickle=True)
    with pytest.raises(Corrupt, match=says) as caught:
        QueryTable.open(path, dimension=DIMENSION)
    assert caught.value.reason == "BUNDLE_TABLE"


def test_a_table_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "query_table.npy"
    np.save(path, WEIGHTS)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(Corrupt, match="cannot be read"):
        QueryTable.open(path, dimension=DIMENSION)
