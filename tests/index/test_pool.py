"""A pool that is shrunk has lost nothing that is among the k best."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spladed.index.kernels.pool import Pool, fullness, room, shrink

scores = st.floats(0, 1e300, exclude_min=True) | st.sampled_from([1.0, 1.5, 2.0])


def shrunk(values: list[float], k: int) -> tuple[list[tuple[float, int]], float]:
    """What is left, as (score, row), and the lowest score."""
    pool = Pool(np.array(values), np.arange(len(values)))
    left, lowest = shrink(pool, len(values), k)
    kept = zip(pool.scores[:left].tolist(), pool.rows[:left].tolist(), strict=True)
    return list(kept), lowest


@settings(deadline=None)  # the first call compiles
@given(st.lists(scores, min_size=1, max_size=200), st.integers(1, 60))
def test_keeps_the_best_and_what_equals_them(values: list[float], k: int) -> None:
    kept, lowest = shrunk(values, k)
    assert all(values[row] == score for score, row in kept)
    assert lowest == min(score for score, _ in kept)
    gone = set(range(len(values))) - {row for _, row in kept}
    kth = sorted(values, reverse=True)[:k][-1]
    assert all(values[row] < min(kth, lowest) for row in gone)


def test_drops_most_of_what_is_not_wanted() -> None:
    values = np.random.default_rng(1).random(10_000).tolist()
    kept, _ = shrunk(values, 100)
    assert 100 <= len(kept) < 120


def test_a_full_pool_has_room_for_one_more_superblock() -> None:
    for k in (1, 10, 10_000):
        assert fullness(k) + 64 == room(k)
