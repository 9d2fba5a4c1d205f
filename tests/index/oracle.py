"""The trivial implementation that the room is held against, and makers of inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from spladed.index import Collection, CollectionSettings, Document, WeightFormat
from spladed.sparse import SparseBatch

Row = Mapping[int, float]


def batch(dimension: int, *rows: Row) -> SparseBatch:
    """A batch of these {term: weight} rows."""
    return SparseBatch.from_rows(
        dimension, [(sorted(row), [row[term] for term in sorted(row)]) for row in rows]
    )


def rows_of(vectors: SparseBatch) -> list[dict[int, float]]:
    """The batch as {term: weight} rows."""
    return [dict(zip(i.tolist(), v.tolist(), strict=True)) for i, v in vectors.rows()]


def documents(*ids: str) -> list[Document]:
    """Documents of these ids whose text and metadata follow from the id."""
    return [Document(id, f"text of {id}", f'{{"id": "{id}"}}') for id in ids]


def collection(
    folder: Path, dimension: int = 100, weight_format: WeightFormat = "fixed16"
) -> Collection:
    """A new collection in this folder."""
    return Collection.create(folder / "c", CollectionSettings(dimension, "", "", weight_format))


def score(query: Row, row: Row) -> float:
    """The sum over shared terms in rising order, added one by one in float64."""
    total = 0.0
    for term in sorted(query.keys() & row.keys()):
        total += query[term] * row[term]
    return total


def brute_force(stored: Sequence[tuple[str, Row]], query: Row, k: int) -> list[tuple[str, float]]:
    """(id, score) of the k best; `stored` is in the order of acceptance."""
    scored = [(id, score(query, row)) for id, row in stored]
    return sorted((one for one in scored if one[1] > 0), key=lambda one: -one[1])[:k]


def hits(collection: Collection, query: SparseBatch, k: int) -> list[tuple[str, float]]:
    """(id, score) of the collection's answer to the first query."""
    found, _ = collection.search(query, k)
    return [(hit.id, hit.score) for hit in found[0]]


def random_batch(rng: np.random.Generator, dimension: int, rows: int, mean: int) -> SparseBatch:
    """Rows of 0 to 2 * mean terms, half of them among the first twenty; few distinct weights."""
    made: list[Row] = []
    for _ in range(rows):
        size = int(rng.integers(0, 2 * mean + 1))
        wide = rng.integers(0, dimension, size - size // 2)
        terms = np.unique(np.concatenate([wide, rng.integers(0, min(20, dimension), size // 2)]))
        made.append({int(term): float(rng.integers(1, 5)) / 4 for term in terms})
    return batch(dimension, *made)
