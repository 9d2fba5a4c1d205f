"""Qdrant Edge: a Qdrant shard in the process; exact over float32 weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from corpora import Corpus, Row
from qdrant_edge import (
    EdgeConfig,
    EdgeShard,
    EdgeSparseVectorParams,
    Point,
    Query,
    SearchRequest,
    SparseVector,
    UpdateOperation,
)

from searchers import Hits, Setting, as_hits

BATCH = 1_000
NAME = "terms"


class QdrantEdge:
    api = "EdgeShard.search: ScoredPoint of each hit, without payload"
    numbers = "float32"

    @staticmethod
    def convert(corpus: Corpus) -> Corpus:
        return corpus

    @staticmethod
    def build(documents: Corpus, folder: Path) -> None:
        """Upserts, then its optimizer; it takes a Point a document: making those is part of it."""
        shard = EdgeShard.create(
            str(folder), EdgeConfig(sparse_vectors={NAME: EdgeSparseVectorParams()})
        )
        for start, part in documents.documents.slices(BATCH):
            rows = (part.row(number) for number in range(len(part)))
            points = [
                Point(number, {NAME: SparseVector(row.terms.tolist(), row.weights.tolist())}, {})
                for number, row in enumerate(rows, start)
            ]
            shard.update(UpdateOperation.upsert_points(points))
        shard.optimize()
        shard.flush()
        shard.close()

    @staticmethod
    def itemised(folder: Path) -> dict[str, int]:
        del folder
        return {}

    def __init__(self, folder: Path) -> None:
        self._shard = EdgeShard.load(str(folder))

    def settings(self) -> list[Setting]:
        return [Setting("exact")]

    def prepare(self, queries: Sequence[Row]) -> list[Query]:
        return [
            Query.Nearest(SparseVector(row.terms.tolist(), row.weights.tolist()), using=NAME)
            for row in queries
        ]

    def use(self, setting: Setting) -> None:
        del setting

    def search(self, query: Query, k: int) -> Any:
        return self._shard.search(SearchRequest(query, k))

    def hits(self, found: Any) -> Hits:
        return as_hits([point.id for point in found], [point.score for point in found])
