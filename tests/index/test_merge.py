"""Which segments become one: few remain, in order, and nobody is copied too often."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spladed.index import merge


def test_rewriting_starts_when_the_dead_outnumber_the_live() -> None:
    assert [merge.worth_rewriting(4, dead) for dead in range(5)] == [False] * 3 + [True] * 2


FLUSH = 32_768


def grown(flushes: int, documents: int = FLUSH) -> tuple[list[int], int, int]:
    """(segments, documents written, the most segments there were) after flushes, each merge
    done as soon as it is due."""
    sizes: list[int] = []
    written = most = 0
    for _ in range(flushes):
        sizes.append(documents)
        written += documents
        while (group := merge.due([(size, 0) for size in sizes], FLUSH)) is not None:
            merged = sum(sizes[slice(*group)])
            sizes[slice(*group)] = [merged]
            written += merged
        most = max(most, len(sizes))
    return sizes, written, most


def test_ten_thousand_flushes_write_a_document_once_a_tier_and_keep_few_segments() -> None:
    sizes, written, most = grown(10_000)
    assert sum(sizes) == 10_000 * FLUSH
    tiers = math.log(10_000, merge.FAN_IN)
    assert written <= sum(sizes) * (tiers + 1)
    assert most <= (merge.FAN_IN - 1) * (tiers + 1)


def test_small_flushes_are_of_one_tier_until_they_fill_it() -> None:
    sizes, _, most = grown(1_000, documents=100)
    assert sum(sizes) == 100_000
    assert most < 2 * merge.FAN_IN


@pytest.mark.parametrize(
    ("sizes", "group"),
    [
        ([], None),
        ([(10, 0)], None),
        ([(10, 5)], None),
        ([(10, 6)], (0, 1)),  # most of it is dead
        ([(10, 10)], (0, 1)),
        ([(5, 0)] * 3, None),
        ([(5, 0)] * 4, (0, 4)),
        ([(5, 0)] * 5, (0, 5)),
        ([(1000, 0), (5, 0), (5, 0), (5, 0)], None),  # a large one is no reason to merge
        ([(1000, 0), *[(5, 0)] * 4], (1, 5)),
        ([(5, 0)] * 3 + [(1000, 0)] + [(5, 0)] * 3, None),  # only neighbours merge
        ([(30, 0), (5, 0)] * 3 + [(30, 0)], (0, 7)),  # what lies between goes along
        ([(20, 12), *[(5, 0)] * 4], (0, 1)),
        ([(19, 9), *[(5, 0)] * 3], (0, 4)),  # live documents decide the tier
    ],
)
def test_what_is_due(sizes: list[tuple[int, int]], group: tuple[int, int] | None) -> None:
    assert merge.due(sizes, 10) == group


segments = st.tuples(st.integers(1, 10**7), st.floats(0, 1)).map(
    lambda one: (one[0], int(one[0] * one[1]))
)


@given(st.lists(segments, max_size=80))
def test_merging_ends_with_few_segments_of_neighbours_most_of_them_alive(
    sizes: list[tuple[int, int]],
) -> None:
    live = sum(documents - dead for documents, dead in sizes)
    for _ in range(len(sizes) * 3):
        if (group := merge.due(sizes, 1_000)) is None:
            break
        start, stop = group
        assert 0 <= start < stop <= len(sizes)
        merged = sum(documents - dead for documents, dead in sizes[start:stop])
        sizes[start:stop] = [(merged, 0)] if merged else []
    assert merge.due(sizes, 1_000) is None
    assert sum(documents - dead for documents, dead in sizes) == live
    assert len(sizes) < merge.MANY
    assert not any(merge.worth_rewriting(*one) for one in sizes)
