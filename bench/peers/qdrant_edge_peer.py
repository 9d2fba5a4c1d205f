"""Qdrant Edge: a Qdrant shard in the process, with float16 weights, the nearest to ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qdrant_edge import (
    EdgeConfig,
    EdgeShard,
    EdgeSparseVectorParams,
    Point,
    SparseVector,
    UpdateOperation,
    VectorStorageDatatype,
)

from spladed.sparse import SparseBatch


class QdrantEdgeUnflushed:
    """As it comes: `update` writes to a mapped log and returns before any fsync (by strace)."""

    durability = "none before flush(): update() calls neither fsync nor msync"
    settled_by = "optimize(), then flush()"

    def __init__(self, folder: Path, dimension: int) -> None:
        del dimension
        folder.mkdir()
        weights = EdgeSparseVectorParams(datatype=VectorStorageDatatype.Float16)
        self._shard = EdgeShard.create(str(folder), EdgeConfig(sparse_vectors={"terms": weights}))

    def prepare(self, ids: Sequence[str], vectors: SparseBatch) -> list[Point]:
        """Its ids are numbers or UUIDs: ours go along in the payload, as its users do."""
        rows = (vectors.row(row) for row in range(len(vectors)))
        return [
            Point(int(id), {"terms": SparseVector(terms.tolist(), weights.tolist())}, {"id": id})
            for id, (terms, weights) in zip(ids, rows, strict=True)
        ]

    def upsert(self, prepared: list[Point]) -> None:
        self._shard.update(UpdateOperation.upsert_points(prepared))

    def flush(self) -> None:
        self._shard.flush()

    def debt(self) -> dict[str, float]:
        info = self._shard.info()
        return {"unindexed_documents": info.points_count - info.indexed_vectors_count}

    def settle(self) -> None:
        self._shard.optimize()
        self._shard.flush()

    def close(self) -> None:
        self._shard.close()


class QdrantEdge(QdrantEdgeUnflushed):
    """Made as durable as the others: a flush after every batch."""

    durability = "update(), then flush() after every batch, which calls fsync and msync"

    def upsert(self, prepared: list[Point]) -> None:
        super().upsert(prepared)
        self._shard.flush()
