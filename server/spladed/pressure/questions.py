"""What is asked, and which answer is right: the one that the server gave when it was idle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spladed.client.aio import AsyncClient
from spladed.client.values import Kind
from spladed.sparse import SparseBatch

__all__ = ["Encodes", "Searches", "made_texts"]

# How far a weight or a score may be from the idle server's: sums are taken in another order
# in another batch.
_TOLERANCE = 1e-3


def made_texts(vocabulary: Sequence[str], count: int, words: int, seed: int = 0) -> list[str]:
    """Texts of words of a vocabulary, whole and in letters, drawn at random."""
    whole = [token for token in vocabulary if token.isalpha() and token.isascii()]
    draw = np.random.default_rng(seed)
    return [" ".join(draw.choice(whole, words)) for _ in range(count)]


class Encodes:
    """Encoder.Encode of `batch` texts at a time."""

    def __init__(
        self, client: AsyncClient, texts: Sequence[str], kind: Kind, batch: int, *, checked: bool
    ) -> None:
        self._client = client
        self._kind: Kind = kind
        self._requests = [
            texts[start : start + batch] for start in range(0, len(texts) - batch + 1, batch)
        ]
        self._checked = checked
        self._expected: list[SparseBatch] = []

    async def prepare(self) -> None:
        """Asks everything once, one request after the other, and keeps the answers."""
        for texts in self._requests:
            self._expected.append((await self._client.encode(texts, kind=self._kind)).vectors)

    async def __call__(self, number: int) -> bool:
        """Asks request `number`, of as many as there are in turn; whether it was answered right."""
        at = number % len(self._requests)
        found = await self._client.encode(self._requests[at], kind=self._kind)
        return not self._checked or _same(found.vectors, self._expected[at])


class Searches:
    """Index.Search of one text at a time. Answers are right while nobody writes."""

    def __init__(
        self, client: AsyncClient, collection: str, texts: Sequence[str], k: int, *, checked: bool
    ) -> None:
        self._client = client
        self._collection = collection
        self._texts = texts
        self._k = k
        self._checked = checked
        self._expected: list[list[float]] = []

    async def prepare(self) -> None:
        """Asks everything once, one request after the other, and keeps the answers."""
        for number in range(len(self._texts)):
            self._expected.append(await self._scores(number))

    async def __call__(self, number: int) -> bool:
        """Asks request `number`, of as many as there are in turn; whether it was answered right."""
        at = number % len(self._texts)
        found = await self._scores(at)
        if not self._checked:
            return True
        expected = self._expected[at]
        return len(found) == len(expected) and np.allclose(found, expected, atol=_TOLERANCE)

    async def _scores(self, at: int) -> list[float]:
        found = await self._client.search(self._collection, texts=[self._texts[at]], k=self._k)
        return [hit.score for hit in found.hits[0]]


def _same(found: SparseBatch, expected: SparseBatch) -> bool:
    """Whether rows have the same weights, but for terms and differences next to nothing."""
    if len(found) != len(expected) or found.dimension != expected.dimension:
        return False
    if np.array_equal(found.indptr, expected.indptr) and np.array_equal(
        found.indices, expected.indices
    ):
        return bool(np.abs(found.values - expected.values).max(initial=0) <= _TOLERANCE)
    return all(_near(*both) for both in zip(found.rows(), expected.rows(), strict=True))


def _near(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> bool:
    weights = dict(zip(one[0].tolist(), one[1].tolist(), strict=True))
    for term, weight in zip(other[0].tolist(), other[1].tolist(), strict=True):
        weights[term] = weights.get(term, 0.0) - weight
    return all(abs(left) <= _TOLERANCE for left in weights.values())
