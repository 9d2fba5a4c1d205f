"""Brute force, and what is said of an engine's hits by it."""

from pathlib import Path

import numpy as np
import pytest
from corpora import Corpus, finish, keep
from corpora.seeds import DIMENSION
from search_truth import Truth, best, truth
from searchers import Hits, as_hits

from tests.bench.small import csr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    documents = csr([{1: 1.0, 2: 0.5}, {2: 2.0}, {1: 1.0, 2: 0.5}, {3: 1.0}, {1: 0.25, 3: 3.0}])
    keep(tmp_path / "corpus" / "documents", [documents])
    keep(tmp_path / "corpus" / "queries", [csr([{1: 2.0, 2: 1.0}, {3: 1.0}])])
    finish(tmp_path / "corpus", {"dimension": DIMENSION})
    return tmp_path


def test_scores_fall_ties_rank_by_number_and_zero_is_no_hit(folder: Path) -> None:
    documents, scores = best(Corpus.open(folder / "corpus"), 2, "float32")
    assert documents[0, :5].tolist() == [0, 2, 1, 4, -1]
    assert scores[0, :4].tolist() == [2.5, 2.5, 2.0, 0.5]
    assert documents[1, :3].tolist() == [4, 3, -1]


def test_stored_weights_are_rounded_to_steps(tmp_path: Path) -> None:
    rows = csr([{1: 0.3}, {1: 1 / 8192}, {1: 3 / 8192}])
    keep(tmp_path / "documents", [rows])
    keep(tmp_path / "queries", [csr([{1: 1.0}])])
    finish(tmp_path, {"dimension": DIMENSION})
    documents, scores = best(Corpus.open(tmp_path), 1, "stored")
    assert documents[0, :3].tolist() == [0, 2, -1]  # half a step is even at 0, and none there
    assert scores[0, :2].tolist() == [round(0.3 * 4096) / 4096, 2 / 4096]


@pytest.mark.parametrize(
    ("first", "k", "recall"),
    [
        ([0, 2, 1, 4], 10, 1.0),  # all that score, though fewer than k
        ([2], 1, 1.0),  # an equal score counts
        ([0, 1], 2, 0.5),
        ([0, 0], 2, 0.5),  # a document counts once
        ([3, 4], 2, 0.0),
        ([], 10, 0.0),
    ],
)
def test_recall_goes_by_true_scores(folder: Path, first: list[int], k: int, recall: float) -> None:
    known, perfect = truth(folder, 2, "stored"), as_hits([4, 3], [3.0, 1.0])
    found = [as_hits(first, [9.0] * len(first)), perfect]
    assert known.recall(found, k) == (recall + 1) / 2


def test_a_hit_elsewhere_or_of_another_score_is_a_difference(folder: Path) -> None:
    known = truth(folder, 2, "stored")
    same = [as_hits([0, 2, 1, 4], [2.5, 2.5, 2.0, 0.5]), as_hits([4, 3], [3.0, 1.0])]
    assert known.different(same, 10) == 0
    assert known.different([_swapped(same[0]), same[1]], 10) == 1
    assert known.different([same[0], as_hits([4, 3], [3.0, 1.5])], 10) == 1
    assert known.different([as_hits([0, 2], [2.5, 2.5]), same[1]], 2) == 0


def test_it_is_kept(folder: Path) -> None:
    first = truth(folder, 1, "float32")
    assert (folder / "truth-float32-1.npz").exists()
    again: Truth = truth(folder, 1, "float32")
    np.testing.assert_array_equal(again.documents, first.documents)


def _swapped(hits: Hits) -> Hits:
    order = [1, 0, *range(2, len(hits.documents))]
    return as_hits(hits.documents[order], hits.scores[order])
