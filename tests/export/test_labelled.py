"""The measures of the gate, on rows small enough to check by hand."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spladed.sparse import SparseBatch
from spladed_export.labelled import mean_overlap, ndcg_at_10, scores
from spladed_export.texts import golden_texts, labelled_pages, long_text, probe_texts

Row = dict[int, float]


def batch(*rows: Row) -> SparseBatch:
    pairs = [(sorted(row), [row[index] for index in sorted(row)]) for row in rows]
    return SparseBatch.from_rows(10, pairs)


def test_a_query_that_finds_its_document_first_has_ndcg_1() -> None:
    assert ndcg_at_10(batch({0: 1}, {1: 1}), batch({0: 2}, {1: 2})) == 1


def test_a_document_at_rank_2_counts_less() -> None:
    queries, documents = batch({0: 1}, {0: 1}), batch({0: 2}, {0: 1})
    assert ndcg_at_10(queries, documents) == pytest.approx((1 + 1 / math.log2(3)) / 2)


def test_a_tie_ranks_against_the_right_document() -> None:
    assert ndcg_at_10(batch({0: 1}, {0: 1}), batch({0: 1}, {0: 1})) == pytest.approx(
        1 / math.log2(3)
    )


def test_a_document_without_a_common_term_is_not_found() -> None:
    assert ndcg_at_10(batch({0: 1}), batch({1: 1})) == 0


@pytest.mark.parametrize(
    ("left", "right", "top", "expected"),
    [
        ({0: 3, 1: 2, 2: 1}, {0: 1, 1: 1, 2: 1}, 2, 1.0),
        ({0: 3, 1: 2, 2: 1}, {0: 3, 2: 2, 1: 1}, 2, 0.5),
        ({0: 3}, {0: 1, 1: 9}, 64, 0.0),  # compared over one term, which is another
        ({0: 3}, {}, 64, 0.0),
        ({}, {0: 1}, 64, 0.0),
    ],
)
def test_overlap(left: Row, right: Row, top: int, expected: float) -> None:
    assert mean_overlap(batch(left), batch(right), top) == expected


weights = st.dictionaries(st.integers(0, 9), st.floats(0.125, 8, width=32), max_size=10)


@settings(deadline=None)
@given(st.lists(weights, min_size=1, max_size=5), st.lists(weights, min_size=1, max_size=70))
def test_scores_are_dot_products(left: list[Row], right: list[Row]) -> None:
    found = scores(batch(*left), batch(*right))
    expected = [[sum(a[t] * b[t] for t in a if t in b) for b in right] for a in left]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_labelled_pages_are_400_and_no_query_names_its_command() -> None:
    pages = labelled_pages()
    assert len(pages) == len({page.passage for page in pages}) == 400
    commands = [page.passage.split(":")[0].split()[0].lower() for page in pages]
    asked = [page.query.lower().split() for page in pages]
    assert not any(name in words for name, words in zip(commands, asked, strict=True))


def test_the_golden_texts_are_32_of_both_kinds_with_one_too_long() -> None:
    texts = golden_texts()
    assert len(texts) == len({text for text, _ in texts}) == 32
    assert Counter(kind for _, kind in texts) == {"document": 13, "query": 19}
    assert (long_text(), "document") in texts


def test_the_probes_hold_what_tokenizers_trip_over() -> None:
    together = "\n".join(probe_texts())
    for awkward in ("[SEP]", "\u4f60", "\u00e9", "e\u0301", "\U0001f98a", "\u200d", "\t", "\u00a0"):
        assert awkward in together
