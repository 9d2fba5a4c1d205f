"""The heap keeps the k best by score, ties by seq, in whatever order they come."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spladed.index.kernels import heap

hits = st.lists(st.integers(0, 5), max_size=60)


@settings(max_examples=100, deadline=None)
@given(hits, st.integers(1, 20), st.randoms(use_true_random=False))
def test_keeps_the_best_in_any_order(scores: list[int], k: int, random: Random) -> None:
    offered = [(float(score), seq) for seq, score in enumerate(scores)]
    random.shuffle(offered)
    kept = np.zeros(k), np.zeros(k, np.int64), np.zeros(k, np.int64)
    size = 0
    for score, seq in offered:
        size = heap.offer(score, seq, -seq, *kept, size, k)
        assert heap.threshold(kept[0], size, k) == (min(kept[0]) if size == k else 0)
    found = sorted((-kept[0][slot], kept[1][slot], kept[2][slot]) for slot in range(size))
    best = sorted((-score, seq, -seq) for score, seq in offered if score > 0)
    assert found == best[:k]
