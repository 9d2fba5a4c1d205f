"""The snapshot that the catalog holds, every byte of every vector checked."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from spladed.errors import Corrupt
from spladed.index import blob
from spladed.index.blob import Batch
from spladed.index.catalog import Reading, StoredBatch
from spladed.index.rows import Rows
from spladed.index.segment import Segment
from spladed.index.snapshot import Part, Snapshot
from spladed.index.values import CollectionSettings

__all__ = ["load"]


def load(reading: Reading, settings: CollectionSettings, name: str) -> Snapshot:
    """The live documents as one segment.

    Raises Corrupt, naming the collection and the batch, if a blob's sha256, counts or seqs
    are not what was written.
    """
    seqs, ids = _documents(reading)
    batches = [_live(stored, seqs, settings, name) for stored in reading.batches()]
    found = np.concatenate([batch.seqs for batch in batches] or [np.empty(0, np.int64)])
    if not np.array_equal(found, seqs):
        raise Corrupt(f"collection {name}: documents without vectors", reason="CATALOG")
    if not batches:
        return Snapshot(settings.dimension, reading.generation, ())
    rows = Rows.concatenate([batch.rows for batch in batches])
    segment = Segment.build(settings.dimension, seqs, ids, rows)
    return Snapshot(settings.dimension, reading.generation, (Part.of(segment),))


def _documents(reading: Reading) -> tuple[npt.NDArray[np.int64], list[str]]:
    pairs = list(reading.ids())
    seqs = np.fromiter((seq for seq, _ in pairs), np.int64, len(pairs))
    return seqs, [id for _, id in pairs]


def _live(
    stored: StoredBatch, seqs: npt.NDArray[np.int64], settings: CollectionSettings, name: str
) -> Batch:
    """The rows of a batch whose documents are live; `seqs` are those of all live documents."""
    where = f"collection {name}: the batch of seq {stored.first_seq}"
    if hashlib.sha256(stored.data).digest() != stored.sha256:
        raise Corrupt(f"{where} does not have its sha256; restore the folder", reason="CHECKSUM")
    batch = blob.decode(stored.data, settings.weight_format)
    # Both rise, so each batch looks up its own rows only: np.isin would sort all seqs each time.
    keep = np.flatnonzero(
        np.searchsorted(seqs, batch.seqs, "right") > np.searchsorted(seqs, batch.seqs, "left")
    )
    if (len(batch.seqs), len(keep)) != (stored.rows, stored.live):
        raise Corrupt(
            f"{where} has {len(batch.seqs)} rows, {len(keep)} live; the catalog says "
            f"{stored.rows}, {stored.live} live",
            reason="CATALOG",
        )
    return batch if len(keep) == stored.rows else batch.take(keep)
