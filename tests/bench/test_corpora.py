"""Collections that are grown: their statistics, their files, and what repeats."""

from pathlib import Path

import numpy as np
import pytest
from corpora import Corpus, Csr, finish, keep
from corpora.grown import RECIPES, grown, make, nearest
from corpora.seeds import DIMENSION, seeds_of
from rows import PLUS_PLUS, V3, Rows


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("grown") / "corpus"
    seeds = seeds_of("pp", None)
    near = np.zeros((len(seeds.seeds), 8), np.int32)
    keep(folder / "documents", grown(seeds, near, RECIPES["pp"], 3_000))
    keep(folder / "queries", [seeds.queries])
    finish(folder, {"dimension": DIMENSION, "documents": 3_000})
    return Corpus.open(folder)


def test_documents_have_the_lengths_weights_and_postings_of_the_model(corpus: Corpus) -> None:
    documents, queries = corpus.documents, corpus.queries
    assert np.diff(documents.starts).mean() == pytest.approx(121, abs=3)
    assert documents.weights.mean() == pytest.approx(0.45, abs=0.02)
    frequencies = np.bincount(documents.terms, minlength=DIMENSION)
    postings = frequencies[np.asarray(queries.terms)].sum() / len(queries)
    assert postings / len(documents) == pytest.approx(2.7, abs=0.4)


def test_rows_are_sound(corpus: Corpus) -> None:
    for number in range(0, len(corpus.documents), 100):
        terms, weights = corpus.documents.row(number)
        assert (np.diff(terms) > 0).all() and terms[0] >= 0 and terms[-1] < DIMENSION
        assert (weights > 0).all() and len(terms) >= 12


def test_a_larger_collection_starts_with_the_smaller_one() -> None:
    seeds = seeds_of("v3", None)
    near = np.zeros((len(seeds.seeds), 8), np.int32)
    (small,) = grown(seeds, near, RECIPES["v3"], 50)
    (large,) = grown(seeds, near, RECIPES["v3"], 90)
    np.testing.assert_array_equal(large.starts[:51], small.starts)
    np.testing.assert_array_equal(large.terms[: len(small.terms)], small.terms)
    np.testing.assert_array_equal(large.weights[: len(small.weights)], small.weights)


def test_the_nearest_rows_are_those_of_the_greatest_cosine() -> None:
    random = np.random.default_rng(0)
    dense = random.random((40, 30)) * (random.random((40, 30)) < 0.3) + np.eye(40, 30)
    rows, terms = np.nonzero(dense)
    starts = np.searchsorted(rows, np.arange(41))
    csr = Csr(starts, terms.astype(np.int32), dense[rows, terms].astype(np.float32))
    unit = dense / np.linalg.norm(dense, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -1)
    for row, found in enumerate(nearest(csr, 3)):
        assert sorted(cosines[row, found]) == pytest.approx(np.sort(cosines[row])[-3:], abs=1e-5)


def test_a_collection_is_there_once_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corpora.grown.nearest", lambda rows, _: np.zeros((len(rows), 8), np.int32))
    make(tmp_path / "corpus", "pp", 20, None)
    opened = Corpus.open(tmp_path / "corpus")
    assert len(opened.documents) == opened.about["documents"] == 20
    first = [part.terms.tolist() for _, part in opened.documents.slices(7)]
    assert sum(map(len, first)) == len(opened.documents.terms)


@pytest.mark.parametrize(("statistics", "terms"), [(PLUS_PLUS, 122), (V3, 165)])
def test_rows_follow_the_statistics_that_they_are_given(statistics: object, terms: int) -> None:
    rows = Rows(statistics=statistics).batch(500)  # type: ignore[arg-type]
    assert rows.nnz / len(rows) == pytest.approx(terms, rel=0.05)
