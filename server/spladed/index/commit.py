"""What one write changes in the catalog, as SQL in one transaction."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spladed.index import blob
from spladed.index.blob import Batch
from spladed.index.catalog import Connection
from spladed.index.values import CollectionSettings, Document

__all__ = ["Added", "Change", "apply"]


@dataclass(frozen=True, slots=True, eq=False)
class Added:
    """Documents and their rows, one a row, and the bundle that encoded them."""

    documents: Sequence[Document]
    batch: Batch
    bundle_id: str


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One write: the seqs that die, what is added, and the generation it makes."""

    generation: int
    dead_seqs: Sequence[int]
    added: Added | None


def apply(connection: Connection, change: Change, settings: CollectionSettings) -> None:
    """Make the change in the caller's transaction."""
    _remove(connection, change.dead_seqs, settings)
    if change.added is not None:
        _insert(connection, change.added, settings)
    connection.execute("UPDATE collection SET generation = ?", (change.generation,))


def _insert(connection: Connection, added: Added, settings: CollectionSettings) -> None:
    seqs = added.batch.seqs.tolist()
    text = settings.store_text
    connection.executemany(
        "INSERT INTO documents VALUES (?, ?, ?, ?)",
        (
            (seq, one.id, one.text if text else "", one.metadata)
            for seq, one in zip(seqs, added.documents, strict=True)
        ),
    )
    row = (seqs[0], len(seqs), len(seqs), added.bundle_id)
    connection.execute("INSERT INTO batches VALUES (?, ?, ?, ?)", row)
    _write_blob(connection, seqs[0], added.batch, settings)
    connection.execute("UPDATE collection SET next_seq = ?", (seqs[-1] + 1,))


def _write_blob(
    connection: Connection, first_seq: int, batch: Batch, settings: CollectionSettings
) -> None:
    data = blob.encode(batch, settings.weight_format)
    row = (first_seq, hashlib.sha256(data).digest(), data)
    connection.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", row)


def _remove(connection: Connection, seqs: Sequence[int], settings: CollectionSettings) -> None:
    connection.executemany("DELETE FROM documents WHERE seq = ?", ((seq,) for seq in seqs))
    batch_of = "SELECT max(first_seq) FROM batches WHERE first_seq <= ?"
    losses = Counter(connection.execute(batch_of, (seq,)).fetchone()[0] for seq in seqs)
    for first_seq, lost in losses.items():
        loses = "UPDATE batches SET live = live - ? WHERE first_seq = ?"
        connection.execute(loses, (lost, first_seq))
        counts = "SELECT rows, live FROM batches WHERE first_seq = ?"
        rows, live = connection.execute(counts, (first_seq,)).fetchone()
        if live * 2 < rows:
            _rewrite(connection, first_seq, settings)


def _rewrite(connection: Connection, first_seq: int, settings: CollectionSettings) -> None:
    """Leave out a batch's dead rows: it pays once for each time they came to be half of it."""
    select = "SELECT rows FROM vectors WHERE first_seq = ?"
    (data,) = connection.execute(select, (first_seq,)).fetchone()
    batch = blob.decode(data, settings.weight_format)
    between = "SELECT seq FROM documents WHERE seq BETWEEN ? AND ?"
    bounds = (first_seq, int(batch.seqs[-1]))
    live = [seq for (seq,) in connection.execute(between, bounds)]
    if not live:
        connection.execute("DELETE FROM batches WHERE first_seq = ?", (first_seq,))
        connection.execute("DELETE FROM vectors WHERE first_seq = ?", (first_seq,))
        return
    kept = batch.take(np.flatnonzero(np.isin(batch.seqs, live)))
    # The batch keeps its key, though that seq may be dead: it bounds the seqs from below.
    _write_blob(connection, first_seq, kept, settings)
    counts = (len(live), len(live), first_seq)
    connection.execute("UPDATE batches SET rows = ?, live = ? WHERE first_seq = ?", counts)
