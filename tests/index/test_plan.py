"""Pruning is chosen where the k-th hit stands out, or few superblocks can have hits."""

from __future__ import annotations

import pytest

from spladed.index.plan import prunes

M = 1_000_000


@pytest.mark.parametrize(
    ("k", "documents", "allowed", "superblocks", "expected"),
    [
        (10, M, M, M // 64, True),
        (100, M, M, M // 64, True),
        (1000, M, M, M // 64, False),
        (10, 100_000, 100_000, 1563, True),
        (100, 100_000, 100_000, 1563, False),
        (10, M, M // 10, M // 64, True),  # a filter: the tenth of these is the hundredth of all
        (100, M, M // 10, M // 64, False),
        (10, M, M // 100, 7_400, False),
        (1000, M, M // 100, 160, True),  # what is kept lies together
        (10, M, 500, 490, True),
        (10, M, 0, 0, True),
    ],
)
def test_plan(k: int, documents: int, allowed: int, superblocks: int, expected: bool) -> None:
    chosen = prunes(k, documents=documents, allowed=allowed, superblocks=superblocks)
    assert chosen is expected
