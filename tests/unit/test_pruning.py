"""Pruning, beside a slow one that is written out term by term."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spladed import Pruning, SparseBatch
from spladed.errors import InvalidInput

DIMENSION = 50
# Few values, so that many are equal.
weights = st.sampled_from([0.25, 0.5, 0.75, 1.0, 3.0])
rows = st.lists(st.dictionaries(st.integers(0, DIMENSION - 1), weights, max_size=12), max_size=6)
shares = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])
prunings = st.builds(
    Pruning,
    top_terms=st.integers(0, 12),
    threshold=st.sampled_from([0.0, 0.3, 0.5, 5.0]),
    max_ratio=shares,
    alpha_mass=shares,
)


def batch(rows: list[dict[int, float]]) -> SparseBatch:
    pairs = [(sorted(row), [row[term] for term in sorted(row)]) for row in rows]
    return SparseBatch.from_rows(DIMENSION, pairs)


def as_rows(found: SparseBatch) -> list[dict[int, float]]:
    return [dict(zip(i.tolist(), v.tolist(), strict=True)) for i, v in found.rows()]


def slowly(row: dict[int, float], how: Pruning) -> dict[int, float]:
    """Term by term, the heaviest first; of a share, as long as it is not reached."""
    kept, before = {}, 0.0
    for rank, term in enumerate(sorted(row, key=lambda term: (-row[term], term))):
        weight = row[term]
        passes = (
            (not how.top_terms or rank < how.top_terms)
            and weight >= how.threshold
            and weight >= how.max_ratio * max(row.values())
            and (not how.alpha_mass or before < how.alpha_mass * sum(row.values()))
        )
        if passes:
            kept[term] = weight
        before += weight
    return kept


@given(rows, prunings)
def test_each_row_keeps_the_terms_that_pass_every_rule(
    given_rows: list[dict[int, float]], how: Pruning
) -> None:
    found = how.apply(batch(given_rows)).checked("found")
    assert as_rows(found) == [slowly(row, how) for row in given_rows]


@given(rows, prunings)
def test_a_row_does_not_depend_on_its_batch(
    given_rows: list[dict[int, float]], how: Pruning
) -> None:
    whole = as_rows(how.apply(batch(given_rows)))
    assert whole == [as_rows(how.apply(batch([row])))[0] for row in given_rows]


@given(rows, prunings)
def test_pruned_once_more_the_counted_and_the_least_are_kept(
    given_rows: list[dict[int, float]], how: Pruning
) -> None:
    how = replace(how, alpha_mass=0.0)  # whose sum is another one then
    once = how.apply(batch(given_rows))
    assert as_rows(how.apply(once)) == as_rows(once)


def test_no_rule_drops_nothing() -> None:
    rows = batch([{1: 0.5}, {}])
    assert not Pruning()
    assert Pruning().apply(rows) is rows


def test_a_heaviest_term_is_always_kept_by_a_share_of_the_sum() -> None:
    found = Pruning(alpha_mass=1e-9).apply(batch([{3: 0.5, 8: 2.0}]))
    assert as_rows(found) == [{8: 2.0}]


@pytest.mark.parametrize("field", ["top_terms", "threshold", "max_ratio", "alpha_mass"])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_a_rule_out_of_range_is_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(InvalidInput, match=f"pruning.{field} is {value}; expected 0 to") as caught:
        Pruning(**{field: value})  # type: ignore[arg-type]
    assert (caught.value.reason, caught.value.field) == ("PRUNING", f"pruning.{field}")


@pytest.mark.parametrize("field", ["max_ratio", "alpha_mass"])
def test_a_share_is_at_most_1(field: str) -> None:
    assert Pruning(**{field: 1.0})
    with pytest.raises(InvalidInput):
        Pruning(**{field: np.nextafter(1, 2)})
