"""The paired test on cases whose answer is known."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spladed.errors import InvalidInput
from spladed.jobs.paired import SAMPLES, compare

FIGURES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30)


def test_a_system_does_not_differ_from_itself() -> None:
    figures = np.random.default_rng(1).random(200)
    found = compare(figures, figures)
    assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)
    assert (found.wins, found.losses, found.queries) == (0, 0, 200)


def test_always_better_is_as_unlikely_as_chance_can_be() -> None:
    found = compare(np.full(50, 0.75), np.full(50, 0.5))
    assert found.p == 1 / (SAMPLES + 1)
    assert (found.difference, found.low, found.high) == (0.25, 0.25, 0.25)
    assert (found.wins, found.losses) == (50, 0)


def test_p_is_that_of_every_possible_flip() -> None:
    apart = np.array([0.5, 0.3, -0.1, 0.25, 0.4, -0.05, 0.2, 0.1, 0.0, 0.35])
    sums = [abs(float(np.dot(signs, apart))) for signs in product((1, -1), repeat=len(apart))]
    exact = np.mean(np.array(sums) >= abs(apart.sum()) - 1e-12)
    assert compare(apart, np.zeros(10)).p == pytest.approx(exact, abs=0.005)


def test_p_and_interval_agree_with_the_normal_law_on_many_queries() -> None:
    apart = np.random.default_rng(2).normal(0.01, 0.2, 2_000)
    error = apart.std() / math.sqrt(len(apart))
    found = compare(apart, np.zeros(len(apart)))
    assert found.p == pytest.approx(math.erfc(abs(apart.mean()) / error / math.sqrt(2)), abs=0.02)
    assert found.low == pytest.approx(apart.mean() - 1.96 * error, abs=error / 10)
    assert found.high == pytest.approx(apart.mean() + 1.96 * error, abs=error / 10)


def test_one_query_proves_nothing() -> None:
    assert compare([1.0], [0.0]).p == 1


@settings(max_examples=30, deadline=None)
@given(FIGURES)
def test_it_is_seeded_and_the_order_of_the_two_changes_only_signs(
    figures: list[tuple[float, float]],
) -> None:
    first, second = zip(*figures, strict=True)
    found = compare(first, second, samples=500)
    assert compare(first, second, samples=500) == found
    turned = compare(second, first, samples=500)
    assert turned.p == found.p
    assert turned.difference == -found.difference
    assert (turned.wins, turned.losses) == (found.losses, found.wins)
    assert found.low <= found.high
    assert 0 < found.p <= 1


@pytest.mark.parametrize(("first", "second"), [([1.0], [1.0, 2.0]), ([], []), ([[1.0]], [[1.0]])])
def test_figures_that_are_no_pairs_are_refused(first: list[float], second: list[float]) -> None:
    with pytest.raises(InvalidInput) as caught:
        compare(first, second)
    assert (caught.value.reason, caught.value.field) == ("LENGTHS", "second")
