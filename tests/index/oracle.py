"""The trivial implementation that the room is held against, and makers of inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from spladed.index import (
    Collection,
    CollectionSettings,
    Document,
    Field,
    Scoring,
    Upkeep,
    WeightFormat,
    build,
    columns,
    grid,
)
from spladed.index.batch import Batch
from spladed.index.container import Container, to_bytes
from spladed.index.ids import Ids
from spladed.index.packed import pack
from spladed.index.segment import Segment
from spladed.index.values import Value
from spladed.sparse import SparseBatch

Row = Mapping[int, float]

FORMATS: tuple[WeightFormat, ...] = ("fixed16", "float32")
DOT = Scoring()
SCORINGS = (DOT, Scoring("cosine"), Scoring("saturation", 0.5, 0.75))


def batch(dimension: int, *rows: Row) -> SparseBatch:
    """A batch of these {term: weight} rows."""
    return SparseBatch.from_rows(
        dimension, [(sorted(row), [row[term] for term in sorted(row)]) for row in rows]
    )


def rows_of(vectors: SparseBatch) -> list[dict[int, float]]:
    """The batch as {term: weight} rows."""
    return [dict(zip(i.tolist(), v.tolist(), strict=True)) for i, v in vectors.rows()]


def rounded(vectors: SparseBatch, weight_format: WeightFormat) -> list[dict[int, float]]:
    """The rows as a collection stores them."""
    return rows_of(grid.vectors(grid.to_grid(vectors, weight_format), vectors.dimension))


def documents(*ids: str) -> list[Document]:
    """Documents of these ids whose text and metadata follow from the id."""
    return [Document(id, f"text of {id}", f'{{"id": "{id}"}}') for id in ids]


def collection(
    folder: Path,
    dimension: int = 100,
    weight_format: WeightFormat = "fixed16",
    *,
    scoring: Scoring = DOT,
    fields: tuple[Field, ...] = (),
    upkeep: Upkeep | None = None,
) -> Collection:
    """A new collection in this folder; its upkeep is done in the writes that make it due."""
    made = CollectionSettings(
        dimension, weight_format=weight_format, scoring=scoring, fields=fields
    )
    return Collection.create(folder / "c", made, upkeep=upkeep or Upkeep(background=False))


def segment_of(
    settings: CollectionSettings,
    vectors: SparseBatch,
    *,
    seqs: Sequence[int] | None = None,
    ids: Sequence[str] | None = None,
    fields: Sequence[Mapping[str, tuple[Value, ...]]] | None = None,
) -> Segment:
    """These documents as a segment in memory; ids are the seqs unless they are given."""
    numbers = np.arange(len(vectors)) if seqs is None else np.array(seqs, np.int64)
    source = Batch(
        numbers,
        Ids.of([str(seq) for seq in numbers.tolist()] if ids is None else ids),
        pack(grid.to_grid(vectors, settings.weight_format), wide=settings.is_wide),
        columns.encode(settings.fields, fields or [{}] * len(vectors)),
    )
    order = build.sort_order(source)
    data = to_bytes(build.segment_sections(source, settings, order))
    return Segment(Container.of(data, "a segment"))


def impacts(how: Scoring, row: Row, power: float) -> dict[int, float]:
    """What each weight is worth, by the documented formula; each a float32 number."""
    if how.formula == "dot":
        return dict(row)
    if how.formula == "saturation":
        return {term: float(np.float32(math.pow(weight, power))) for term, weight in row.items()}
    squares = 0.0
    for term in sorted(row):
        squares += row[term] * row[term]
    return {term: float(np.float32(row[term] / math.sqrt(squares))) for term in row}


def score(query: Row, row: Row, how: Scoring = DOT) -> float:
    """The sum over shared terms in rising order, added one by one in float64."""
    ours, theirs = impacts(how, query, how.query_power), impacts(how, row, how.document_power)
    total = 0.0
    for term in sorted(ours.keys() & theirs.keys()):
        total += ours[term] * theirs[term]
    return total


def brute_force(
    stored: Sequence[tuple[str, Row]], query: Row, k: int, how: Scoring = DOT
) -> list[tuple[str, float]]:
    """(id, score) of the k best; `stored` is in the order of acceptance."""
    scored = [(id, score(query, row, how)) for id, row in stored]
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
