"""What a collection holds and takes."""

from __future__ import annotations

from pathlib import Path

from spladed.index import folder
from spladed.index.masks import Masks
from spladed.index.snapshot import Snapshot
from spladed.index.values import Stats

__all__ = ["stats_of"]


def stats_of(snapshot: Snapshot, buffered: int, merges_due: int, masks: Masks, path: Path) -> Stats:
    """The figures of a snapshot; `buffered` documents wait for a flush."""
    parts = snapshot.parts
    in_memory = [part for part in parts if not part.segment.name]
    mapped = [part for part in parts if part.segment.name]
    return Stats(
        documents=len(snapshot),
        deleted=sum(part.dead_count for part in parts),
        nnz=sum(part.live_nnz() for part in parts),
        generation=snapshot.generation,
        segments=len(parts),
        buffered_documents=buffered,
        merges_due=merges_due,
        memory_bytes=masks.nbytes
        + sum(part.segment.data.nbytes for part in in_memory)
        + sum(part.live.nbytes for part in parts),
        mapped_bytes=sum(part.segment.data.nbytes for part in mapped),
        disk_bytes=folder.size(path),
    )
