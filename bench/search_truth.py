"""Brute force: the best documents of every query, from the documents' own numbers.

Twice: over weights in steps of 1/4096, as a collection stores them, and over float32 weights as
they came, which other engines take. Sums are float64, in the order of terms. A document that
scores 0 is no hit, and equal scores rank by number.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numba
import numpy as np
from corpora import Corpus, Csr
from numpy.typing import NDArray
from searchers import Hits

from spladed.index.grid import FIXED16_STEP

DEPTH = 1_000
TOLERANCE = {"stored": 0.0, "float32": 1e-4}  # of a score that an engine sums in float32
Numbers = Literal["stored", "float32"]


@dataclass(frozen=True)
class Truth:
    """documents: int64 [queries, DEPTH], -1 where there are no more; scores: float64, alike."""

    corpus: Corpus
    numbers: Numbers
    documents: NDArray[np.int64]
    scores: NDArray[np.float64]

    def recall(self, found: list[Hits], k: int) -> float:
        """The mean share of the k best (all, where fewer score at all) among what was found: any
        document counts whose true score reaches the k-th, whatever the engine's own score."""
        shares = []
        for query, hits in enumerate(found):
            wanted = min(k, int((self.documents[query] >= 0).sum()))
            if wanted:
                least = self.scores[query, wanted - 1] - TOLERANCE[self.numbers]
                chosen = np.unique(hits.documents[:k])
                reached = self.scores_of(query, chosen) >= least
                shares.append(min(int(reached.sum()), wanted) / wanted)
        return float(np.mean(shares))

    def different(self, found: list[Hits], k: int) -> int:
        """How many queries have other hits than these, or in another order, or other scores."""
        wrong = 0
        for query, hits in enumerate(found):
            documents = self.documents[query, :k]
            there = documents >= 0
            same = np.array_equal(hits.documents, documents[there])
            wrong += not (same and np.array_equal(hits.scores, self.scores[query, :k][there]))
        return wrong

    def scores_of(self, query: int, documents: NDArray[np.int64]) -> NDArray[np.float64]:
        rows = self.corpus.documents
        return _scores(
            documents, rows.starts, rows.terms, self._weights, self._asked(query)
        )  # fmt: skip

    def _asked(self, query: int) -> NDArray[np.float64]:
        terms, weights = self.corpus.queries.row(query)
        dense = np.zeros(self.corpus.dimension)
        dense[terms] = weights
        return dense

    @cached_property
    def _weights(self) -> NDArray[np.float32]:
        return weights_of(self.corpus.documents, self.numbers)


def truth(folder: Path, queries: int, numbers: Numbers) -> Truth:
    """Of a collection's first queries; kept in its folder."""
    corpus = Corpus.open(folder / "corpus")
    path = folder / f"truth-{numbers}-{queries}.npz"
    if not path.exists():
        documents, scores = best(corpus, queries, numbers)
        np.savez(path, documents=documents, scores=scores)
    kept = np.load(path)
    return Truth(corpus, numbers, kept["documents"], kept["scores"])


def weights_of(rows: Csr, numbers: Numbers) -> NDArray[np.float32]:
    """Rounded to the nearest step, a half to the even one, if they are stored."""
    weights = np.asarray(rows.weights)
    if numbers == "float32":
        return weights
    return np.rint(weights / np.float32(FIXED16_STEP)) * np.float32(FIXED16_STEP)


def best(
    corpus: Corpus, queries: int, numbers: Numbers
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    rows = corpus.documents
    weights = weights_of(rows, numbers)
    starts, by_term, by_term_weights = _turned(
        rows.starts, np.asarray(rows.terms), weights, corpus.dimension
    )
    documents = np.full((queries, DEPTH), -1, np.int64)
    scores = np.zeros((queries, DEPTH))
    sums = np.empty(len(rows))
    for query in range(queries):
        asked = corpus.queries.row(query)
        _sum(asked.terms, asked.weights, starts, by_term, by_term_weights, sums)
        chosen = _chosen(sums)
        documents[query, : len(chosen)] = chosen
        scores[query, : len(chosen)] = sums[chosen]
    return documents, scores


def _chosen(sums: NDArray[np.float64]) -> NDArray[np.int64]:
    """The DEPTH greatest above 0: sums falling, then numbers rising."""
    least = 0.0
    if len(sums) > DEPTH:
        least = np.partition(sums, len(sums) - DEPTH)[len(sums) - DEPTH]
    candidates = np.flatnonzero((sums >= least) & (sums > 0))
    order = np.lexsort((candidates, -sums[candidates]))
    return candidates[order[:DEPTH]]


@numba.njit(cache=True)
def _turned(starts: Any, terms: Any, weights: Any, dimension: int) -> Any:
    """The same by terms: where the documents of each term start, they, and their weights."""
    first = np.zeros(dimension + 1, np.int64)
    for term in terms:
        first[term + 1] += 1
    first = np.cumsum(first)
    place = first.copy()
    documents, turned = np.empty(len(terms), np.int32), np.empty(len(terms), np.float32)
    for document in range(len(starts) - 1):
        for at in range(starts[document], starts[document + 1]):
            documents[place[terms[at]]] = document
            turned[place[terms[at]]] = weights[at]
            place[terms[at]] += 1
    return first, documents, turned


@numba.njit(cache=True)
def _sum(terms: Any, weights: Any, starts: Any, documents: Any, turned: Any, sums: Any) -> None:
    sums[:] = 0
    for number in range(len(terms)):
        weight = np.float64(weights[number])
        for at in range(starts[terms[number]], starts[terms[number] + 1]):
            sums[documents[at]] += weight * np.float64(turned[at])


@numba.njit(cache=True)
def _scores(documents: Any, starts: Any, terms: Any, weights: Any, asked: Any) -> Any:
    found = np.zeros(len(documents))
    for number in range(len(documents)):
        for at in range(starts[documents[number]], starts[documents[number] + 1]):
            found[number] += asked[terms[at]] * np.float64(weights[at])
    return found
