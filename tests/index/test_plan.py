"""Pruning is chosen where the k-th hit stands out, or few documents can be hits."""

from __future__ import annotations

import pytest

from spladed.index.kernels.prune import EACH, ESSENTIAL, VISIT
from spladed.index.plan import Plan, plan

M = 1_000_000


@pytest.mark.parametrize(
    ("k", "documents", "allowed", "superblocks", "expected"),
    [
        (10, M, M, M // 64, VISIT),
        (100, M, M, M // 64, ESSENTIAL),
        (1000, M, M, M // 64, None),
        (10, 200_000, 200_000, 3125, VISIT),
        (30, 200_000, 200_000, 3125, ESSENTIAL),
        (100, 200_000, 200_000, 3125, None),
        (10, M, M // 10, M // 64, VISIT),  # a filter: the tenth of these is the hundredth of all
        (10, M, M // 100, 7_400, ESSENTIAL),
        (100, M, M // 100, 7_400, ESSENTIAL),
        (1000, M, M // 100, 7_400, None),
        (1000, M, M // 100, 160, VISIT),  # what is kept lies together
        (1000, M, 2000, 1900, EACH),
        (10, M, 0, 0, EACH),
    ],
)
def test_the_way_through_a_segment(
    k: int, documents: int, allowed: int, superblocks: int, expected: int | None
) -> None:
    made = plan(k, 1.0, documents=documents, allowed=allowed, superblocks=superblocks)
    assert (made and made.way) == expected
    assert made is None or (made.trust, made.most) == (1.0, 1 << 62)


def made(k: int, effort: float, allowed: int = M) -> Plan | None:
    return plan(k, effort, documents=M, allowed=allowed, superblocks=M // 64)


@pytest.mark.parametrize("k", [1, 10, 100, 1000])
def test_more_effort_gives_up_less(k: int) -> None:
    plans = [made(k, effort) for effort in (0.0, 0.3, 0.7, 1.0)]
    trusts = [each.trust for each in plans if each]
    limits = [each.most for each in plans if each]
    assert trusts == sorted(trusts)
    assert limits == sorted(limits)
    assert all(0 < trust <= 1 for trust in trusts)


def test_little_effort_changes_nothing_where_each_row_or_posting_is_read() -> None:
    assert made(1000, 0.0) == made(1000, 1.0)
    assert made(10, 0.0, allowed=1000) == made(10, 1.0, allowed=1000)
