"""A formula is a setting: refused when it cannot be, kept, and shown by what it gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spladed.errors import InvalidInput
from spladed.index import Collection, CollectionSettings, Field, Scoring, grid, scoring
from spladed.index.settings import MAX_POWER, check_settings

from .oracle import FORMATS, SCORINGS, batch, collection, documents, hits, impacts, rounded

rows = st.dictionaries(st.integers(0, 99), st.floats(2**-12, 15.875, width=32), max_size=20)
powers = st.floats(2**-6, MAX_POWER)


@settings(max_examples=200, deadline=None)
@given(st.lists(rows, max_size=5), rows, powers, powers, st.sampled_from(FORMATS))
def test_impacts_are_those_of_the_formula_on_both_sides(
    given_rows: list[dict[int, float]], query: dict[int, float], ours: float, theirs: float,
    weight_format: Any,
) -> None:  # fmt: skip
    vectors, asked = batch(100, *given_rows), batch(100, query)
    stored = grid.to_grid(vectors, weight_format)
    for how in (*SCORINGS, Scoring("saturation", ours, theirs)):
        found = scoring.document_impacts(how, stored)
        numbers = grid.numbers(found) if found.dtype == np.uint16 else found
        expected = [
            impact
            for row in rounded(vectors, weight_format)
            for _, impact in sorted(impacts(how, row, how.document_power).items())
        ]
        assert numbers.tolist() == expected
        found = scoring.query_impacts(how, asked)
        assert found.dtype == np.float32
        expected = [impact for _, impact in sorted(impacts(how, query, how.query_power).items())]
        assert found.tolist() == expected


@given(rows.filter(len))
def test_a_row_is_of_length_one_under_cosine(row: dict[int, float]) -> None:
    stored = grid.to_grid(batch(100, row), "float32")
    found = scoring.document_impacts(Scoring("cosine"), stored).astype(np.float64)
    assert np.sqrt((found**2).sum()) == pytest.approx(1, abs=1e-6)


@given(rows, st.sampled_from(FORMATS))
def test_a_power_of_one_is_the_weight_itself(row: dict[int, float], weight_format: Any) -> None:
    stored = grid.to_grid(batch(100, row), weight_format)
    found = scoring.document_impacts(Scoring("saturation", 1.0, 1.0), stored)
    assert found.tobytes() == grid.numbers(stored.weights).tobytes()


@pytest.mark.parametrize("formula", ["dot", "cosine", "saturation"])
def test_only_dot_keeps_what_is_stored_as_it_is(formula: Any) -> None:
    assert scoring.has_plain_impacts(Scoring(formula)) == (formula == "dot")


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "formula": ({"scoring": Scoring("bm25")}, "SCORING", "one of dot, cosine, saturation"),  # pyright: ignore
    "power of dot": ({"scoring": Scoring("dot", 2.0)}, "SCORING", "only saturation has powers"),
    "power of cosine": ({"scoring": Scoring("cosine", 1.0, 2.0)}, "SCORING", "only saturation"),
    "no power": ({"scoring": Scoring("saturation", 0.0)}, "SCORING", "above 0"),
    "negative power": ({"scoring": Scoring("saturation", 1.0, -1.0)}, "SCORING", "above 0"),
    "large power": ({"scoring": Scoring("saturation", 8.1)}, "SCORING", "at most 8"),
    "power that is no number": (
        {"scoring": Scoring("saturation", float("nan"))}, "SCORING", "above 0",
    ),
    "field twice": (
        {"fields": (Field("a", "keyword"), Field("a", "float"))},
        "FIELD_DECLARATION", "declared twice",
    ),
    "field without a name": ({"fields": (Field("", "keyword"),)}, "FIELD_DECLARATION", "1 to 32"),
    "type": ({"fields": (Field("a", "text"),)}, "FIELD_DECLARATION", "one of keyword"),  # pyright: ignore
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_collection_can_be_made_with_is_refused_by_name(tmp_path: Path, case: str) -> None:
    """By the library too, and nothing is left."""
    content, reason, message = REFUSED[case]
    made = CollectionSettings(100, **content)
    for call in (lambda: check_settings(made), lambda: Collection.create(tmp_path / "c", made)):
        with pytest.raises(InvalidInput, match=message) as caught:
            call()
        assert caught.value.reason == reason
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", SCORINGS, ids=lambda how: how.formula)
def test_the_formula_is_kept_and_so_are_the_scores(tmp_path: Path, how: Scoring) -> None:
    with collection(tmp_path, scoring=how) as c:
        c.upsert(documents("a", "b"), batch(100, {1: 1.0, 2: 3.0}, {1: 2.0}))
        query = batch(100, {1: 2.0, 2: 0.5})
        expected = hits(c, query, 5)
        c.flush()
    with Collection.open(tmp_path / "c") as c:
        assert c.settings.scoring == how
        assert hits(c, query, 5) == expected
        assert len(expected) == 2
