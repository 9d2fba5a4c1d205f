"""Stores that take the same documents: one adapter a file, all of the same few methods."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from spladed.sparse import SparseBatch

# name: module and class; imported where it is run, in a process of its own
ENGINES = {
    "spladed": ("ours", "Spladed"),
    "SQLite FTS5": ("sqlite_fts5", "SqliteFts5"),
    "Qdrant Edge": ("qdrant_edge_peer", "QdrantEdge"),
    "Qdrant Edge, unflushed": ("qdrant_edge_peer", "QdrantEdgeUnflushed"),
}


class Engine(Protocol):
    """One store in one folder; `upsert` may be called from many threads."""

    durability: str  # what an acknowledged write has survived, in words
    settled_by: str  # what `settle` does, in words

    def __init__(self, folder: Path, dimension: int) -> None: ...

    def prepare(self, ids: Sequence[str], vectors: SparseBatch) -> Any:
        """The documents as this store takes them; not timed."""
        ...

    def upsert(self, prepared: Any) -> None:
        """Acknowledged on return, with `durability`."""
        ...

    def flush(self) -> None:
        """Make durable what was acknowledged before it was."""
        ...

    def debt(self) -> dict[str, float]:
        """What is still owed after the last write, in the store's own terms."""
        ...

    def settle(self) -> None:
        """Pay it: afterwards nothing is left for the background."""
        ...

    def close(self) -> None: ...


def open_engine(name: str, folder: Path, dimension: int) -> Engine:
    """A new store of that name; ImportError where its package is absent: a peer must be there."""
    module, attribute = ENGINES[name]
    return getattr(importlib.import_module(f"peers.{module}"), attribute)(folder, dimension)
