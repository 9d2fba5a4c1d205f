"""Which segments become one: few remain, in order, and nobody is copied too often."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spladed.index import merge


@pytest.mark.parametrize(
    ("sizes", "groups"),
    [
        ([], []),
        ([0], []),
        ([5], [(0, 1)]),
        ([4, 2, 1], [(0, 1), (1, 2), (2, 3)]),
        ([4, 2, 1, 1], [(0, 4)]),
        ([100, 2, 1, 1], [(0, 1), (1, 4)]),
        ([1, 100], [(0, 2)]),
        ([100, 0, 1], [(0, 1), (2, 3)]),
        ([8, 0, 5], [(0, 3)]),
    ],
)
def test_groups(sizes: list[int], groups: list[tuple[int, int]]) -> None:
    assert merge.plan(sizes) == groups


@given(st.lists(st.integers(0, 1000), max_size=50))
def test_groups_are_neighbours_that_keep_every_document(sizes: list[int]) -> None:
    groups = merge.plan(sizes)
    merged = [sum(sizes[start:stop]) for start, stop in groups]
    assert sum(merged) == sum(sizes)
    assert all(a[1] <= b[0] for a, b in pairwise(groups))
    assert all(older >= 2 * younger for older, younger in pairwise(merged))
    assert len(merged) <= math.log2(sum(merged) + 1) + 1


def test_one_at_a_time_copies_each_document_about_log_n_times() -> None:
    sizes: list[int] = []
    copied = 0
    for _ in range(4096):
        sizes.append(1)
        groups = merge.plan(sizes)
        copied += sum(sum(sizes[a:b]) for a, b in groups if b - a > 1)
        sizes = [sum(sizes[a:b]) for a, b in groups]
    assert copied <= 4096 * 12


def test_rewriting_starts_when_the_dead_outnumber_the_live() -> None:
    assert [merge.worth_rewriting(4, dead) for dead in range(5)] == [False] * 3 + [True] * 2
