"""spladed's Collection, with the defaults of a new collection."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spladed.index import Collection, CollectionSettings, Document
from spladed.sparse import SparseBatch

Prepared = tuple[list[Document], SparseBatch]


class Spladed:
    durability = "group commit to SQLite: WAL, synchronous=FULL, fsync before the answer"
    settled_by = "flush(), then waiting for the merges that are due"

    def __init__(self, folder: Path, dimension: int) -> None:
        self.collection = Collection.create(folder, CollectionSettings(dimension))

    def prepare(self, ids: Sequence[str], vectors: SparseBatch) -> Prepared:
        return [Document(id) for id in ids], vectors

    def upsert(self, prepared: Prepared) -> None:
        documents, vectors = prepared
        self.collection.upsert(documents, vectors)

    def flush(self) -> None:
        """It is durable already."""

    def debt(self) -> dict[str, float]:
        stats = self.collection.stats()
        return {
            "buffered_documents": stats.buffered_documents,
            "segments": stats.segments,
            "dead_documents": stats.deleted,
        }

    def settle(self) -> None:
        self.collection.flush()

    def close(self) -> None:
        self.collection.close()
