"""Sparse vectors that look like SPLADE's, from statistics alone: free of any licence.

The tables below are of SPLADE++ EnsembleDistil, and of SPLADE-v3, on MS MARCO: how often the terms
of a rank occur, in queries and in long documents; the sorted weights of a vector; how many terms
a vector has. A
document is the maximum of a topic (a query), a part of another one, and frequent terms at random;
its terms are cut to a lognormal number, and weighted by their rank. So posting lists have
real lengths, and documents of a topic have their heaviest terms in common. Score gaps
are synthetic: good for writing, filtering and scanning, not for judging a ranking.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spladed.sparse import SparseBatch

CHUNK = 4_096  # rows made at once; a row depends on (seed, chunk) and not on what is asked for
TOPICS, LONGEST_TOPIC = 20_000, 80
SPREAD = 0.38
RANKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_522)

IN_DOCUMENTS = (
    *(0.5, 0.414, 0.388, 0.294, 0.254, 0.190, 0.144, 0.1095, 0.0654, 0.0441),
    *(0.024, 0.008, 0.0027, 0.0008),
)


@dataclass(frozen=True)
class Statistics:
    """Of a model's vectors. in_queries, in_documents: the share of them that has the term of each
    of RANKS; query_weights, document_weights: falling, each mean over a twentieth of the ranks;
    query_terms, document_terms: how many, in the mean; background: frequent terms that are drawn
    for a document, of which some come twice."""

    in_queries: tuple[float, ...]
    in_documents: tuple[float, ...]
    query_weights: tuple[float, ...]
    document_weights: tuple[float, ...]
    query_terms: int
    document_terms: int
    background: int


PLUS_PLUS = Statistics(
    (
        *(0.151, 0.138, 0.119, 0.0924, 0.0821, 0.0709, 0.0599, 0.0443, 0.0235, 0.0103),
        *(0.0036, 0.0009, 0.0001, 0.00001),
    ),
    IN_DOCUMENTS,
    (
        *(2.457, 1.8, 1.384, 1.089, 0.873, 0.716, 0.593, 0.496, 0.418, 0.352),
        *(0.297, 0.25, 0.209, 0.174, 0.142, 0.113, 0.086, 0.062, 0.039, 0.017),
    ),
    (
        *(1.673, 1.212, 0.982, 0.83, 0.692, 0.593, 0.498, 0.426, 0.365, 0.31),
        *(0.258, 0.225, 0.19, 0.151, 0.124, 0.1, 0.075, 0.055, 0.033, 0.011),
    ),
    44,
    122,
    170,
)
V3 = Statistics(
    (
        *(0.197, 0.151, 0.0782, 0.0613, 0.0486, 0.0345, 0.0261, 0.0195, 0.0106, 0.0057),
        *(0.0024, 0.0007, 0.0001, 0.00001),
    ),
    IN_DOCUMENTS,
    (
        *(1.347, 1.105, 0.911, 0.763, 0.645, 0.549, 0.472, 0.408, 0.353, 0.305),
        *(0.262, 0.226, 0.193, 0.163, 0.136, 0.11, 0.086, 0.064, 0.044, 0.026),
    ),
    (
        *(1.017, 0.799, 0.672, 0.578, 0.505, 0.443, 0.389, 0.342, 0.3, 0.264),
        *(0.229, 0.199, 0.171, 0.144, 0.12, 0.097, 0.076, 0.055, 0.034, 0.016),
    ),
    24,
    165,
    250,
)
STEP = 1 / 65_536  # of weights while they are sorted: their bits share an integer with the term
ABSENT = np.iinfo(np.int64).max


class Rows:
    """Documents and queries over `dimension` terms; the same seed gives the same rows."""

    def __init__(
        self, dimension: int = 30_522, seed: int = 0, statistics: Statistics = PLUS_PLUS
    ) -> None:
        self.dimension = dimension
        self._statistics = statistics
        self._seed = seed
        random = np.random.default_rng((seed, 0))
        self._terms = random.permutation(dimension)  # the term of each rank of frequency
        self._background = _cumulated(statistics.in_documents, dimension)
        self._topic_terms, self._topic_weights = self._topics(random)
        popular = random.lognormal(0, 0.8, TOPICS)
        self._popular = np.cumsum(popular / popular.sum())

    def documents(self, count: int) -> Iterator[SparseBatch]:
        """`count` documents in batches of at most CHUNK rows; ~120 weights each."""
        for chunk, start in enumerate(range(0, count, CHUNK)):
            yield self._chunk(chunk).slice(0, min(CHUNK, count - start))

    def batch(self, count: int) -> SparseBatch:
        """The first `count` documents in one batch."""
        return SparseBatch.concatenate(self.dimension, list(self.documents(count)))

    def queries(self, count: int) -> SparseBatch:
        """Topics, their weights somewhat off; ~44 weights each."""
        random = np.random.default_rng((self._seed, 2))
        chosen = np.searchsorted(self._popular, random.random(count))
        weights = self._topic_weights[chosen]
        noisy = weights * random.lognormal(0, 0.3, weights.shape)
        return self._csr(_packed(self._topic_terms[chosen], np.minimum(noisy, 15)))

    def topics(self) -> SparseBatch:
        """What documents and queries are made from; ~44 weights each."""
        return self._csr(_packed(self._topic_terms, self._topic_weights))

    @property
    def background(self) -> NDArray[np.float64]:
        """Of each term, the share of background draws at it or before it."""
        likely = np.diff(self._background, prepend=0)
        return np.cumsum(likely[np.argsort(self._terms)])

    def _chunk(self, chunk: int) -> SparseBatch:
        random = np.random.default_rng((self._seed, 1, chunk))
        relevance = 0.35 + 0.65 * random.beta(2, 2, (CHUNK, 1))
        topic = self._part(random, relevance, 0.62 + 0.35 * relevance)
        other = self._part(random, 0.55 * random.random((CHUNK, 1)), 0.4)
        shape = (CHUNK, self._statistics.background)
        drawn = np.searchsorted(self._background, random.random(shape))
        strength = 0.25 * random.lognormal(0, 0.7, drawn.shape)
        found = _strongest(np.hstack([topic, other, _packed(self._terms[drawn], strength)]))
        return self._csr(_weighed(found, random, self._statistics))

    def _part(
        self, random: np.random.Generator, scale: NDArray[np.float64], keep: NDArray | float
    ) -> NDArray[np.int64]:
        """Of a topic for each row, the terms that are kept, packed with their strengths."""
        chosen = np.searchsorted(self._popular, random.random(CHUNK))
        weights = self._topic_weights[chosen]
        weights = weights * scale * random.lognormal(0, 0.35, weights.shape)
        weights[random.random(weights.shape) > keep] = 0
        return _packed(self._topic_terms[chosen], weights)

    def _topics(self, random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Terms and weights of each topic; a weight of 0 is no term, no term comes twice."""
        known = self._statistics
        cumulated = _cumulated(known.in_queries, self.dimension)
        drawn = np.searchsorted(cumulated, random.random((TOPICS, LONGEST_TOPIC)))
        terms = self._terms[np.sort(drawn, axis=1)]
        lengths = _lengths(random, TOPICS, known.query_terms, LONGEST_TOPIC)
        weights = _by_rank(known.query_weights, lengths, LONGEST_TOPIC)
        weights = random.permuted(weights, axis=1)
        weights[:, 1:][terms[:, 1:] == terms[:, :-1]] = 0
        return terms, weights

    def _csr(self, packed: NDArray[np.int64]) -> SparseBatch:
        packed = np.sort(packed, axis=1)
        there = packed != ABSENT
        flat = packed[there]
        indptr = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int64)
        values = ((flat & 0xFFFFFF) * STEP).astype(np.float32)
        return SparseBatch(self.dimension, indptr, (flat >> 24).astype(np.int32), values)


def _packed(terms: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """term << 24 | weight in steps; ABSENT where the weight rounds to 0."""
    steps = (weights / STEP).astype(np.int64)
    return np.where(steps > 0, (terms << 24) | steps, ABSENT)


def _strongest(packed: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each term of a row once, at its greatest strength; the strongest terms come first."""
    packed = np.sort(packed, axis=1)
    terms = packed >> 24
    packed[:, :-1][terms[:, :-1] == terms[:, 1:]] = ABSENT
    strength_first = ((packed & 0xFFFFFF) << 24) | (packed >> 24)
    return -np.sort(-np.where(packed == ABSENT, 0, strength_first), axis=1)


def _weighed(
    found: NDArray[np.int64], random: np.random.Generator, known: Statistics
) -> NDArray[np.int64]:
    """The first terms of each row, packed with the weights that their ranks have in documents."""
    lengths = np.minimum(
        _lengths(random, CHUNK, known.document_terms, 600), (found > 0).sum(axis=1)
    )
    weights = _by_rank(known.document_weights, lengths, found.shape[1])
    weights *= (0.85 + 0.3 * random.random((CHUNK, 1))) * random.lognormal(0, 0.12, found.shape)
    return _packed(found & 0xFFFFFF, weights)


def _by_rank(
    profile: tuple[float, ...], lengths: NDArray[np.int64], width: int
) -> NDArray[np.float64]:
    """[rows, width]: the sorted weights of rows of these lengths, 0 beyond their ends."""
    ranks = (np.arange(width) + 0.5) / lengths[:, None]
    at = (np.arange(len(profile)) + 0.5) / len(profile)
    return np.where(ranks < 1, np.interp(ranks, at, profile), 0.0)


def _lengths(random: np.random.Generator, count: int, mean: int, longest: int) -> NDArray[np.int64]:
    drawn = random.lognormal(np.log(mean) - SPREAD**2 / 2, SPREAD, count)
    return np.clip(drawn.astype(np.int64), 12, longest)


def _cumulated(frequencies: tuple[float, ...], dimension: int) -> NDArray[np.float64]:
    """Of each rank, the share of draws at it or before it; straight lines between the logs."""
    ranks = np.log(np.arange(1, dimension + 1))
    likely = np.exp(np.interp(ranks, np.log(RANKS), np.log(frequencies)))
    return np.cumsum(likely) / likely.sum()
