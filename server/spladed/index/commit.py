"""What changes in the catalog, as SQL in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spladed.index.catalog import BatchSize, Connection, SegmentRow
from spladed.index.container import Container, to_bytes

__all__ = [
    "Change", "Exchange", "Stored", "add_segment", "decode_seqs", "exchange", "purge", "write",
]  # fmt: skip

_Seqs = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """Documents added: their batch's bytes, and what lies beside each row.

    payloads:  (seq, bytes) of those that have any
    bundle_id: (first seq, bundle) wherever it is another one than before
    """

    first_seq: int
    last_seq: int
    batch: bytes
    payloads: Sequence[tuple[int, bytes]]
    bundles: Sequence[tuple[int, str]]

    @property
    def size(self) -> BatchSize:
        """Of the batch."""
        return BatchSize(self.last_seq, self.last_seq - self.first_seq + 1, len(self.batch))


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What one group of writes changes: the seqs that die, what is added, and the
    generation that it makes."""

    generation: int
    dead: _Seqs
    added: Stored | None


@dataclass(frozen=True, slots=True, eq=False)
class Exchange:
    """Documents that lie elsewhere from now on; not one of them comes or goes.

    through_seq: batches up to this one are in `added`
    removed:     names of segments whose live documents are in `added`
    dead:        every dead seq that a segment file still has; more do no harm
    """

    through_seq: int
    removed: Sequence[str]
    added: SegmentRow | None
    dead: _Seqs


def write(connection: Connection, change: Change) -> None:
    """Make the change of a group of writes."""
    if len(change.dead):
        row = (change.generation, encode_seqs(change.dead))
        connection.execute("INSERT INTO deletes VALUES (?, 0, ?)", row)
    if change.added is not None:
        add(connection, change.added)
    connection.execute("UPDATE collection SET generation = ?", (change.generation,))


def add(connection: Connection, added: Stored) -> None:
    """Store documents."""
    if added.batch:
        row = (added.first_seq, added.last_seq, added.batch)
        connection.execute("INSERT INTO batches VALUES (?, ?, ?)", row)
    connection.executemany("INSERT INTO documents VALUES (?, ?)", added.payloads)
    connection.executemany("INSERT INTO bundles VALUES (?, ?)", added.bundles)
    connection.execute("UPDATE collection SET next_seq = ?", (added.last_seq + 1,))


def exchange(connection: Connection, change: Exchange) -> None:
    """Name the segment that takes the place of batches or other segments."""
    connection.execute("DELETE FROM batches WHERE last_seq <= ?", (change.through_seq,))
    removed = ((name,) for name in change.removed)
    connection.executemany("DELETE FROM segments WHERE name = ?", removed)
    if change.added is not None:
        add_segment(connection, change.added)
    _consolidate(connection, change.dead)
    connection.execute("UPDATE collection SET layout = layout + 1")


def add_segment(connection: Connection, row: SegmentRow) -> None:
    """Name a segment file."""
    values = (row.first_seq, row.last_seq, row.name, row.documents, row.fingerprint)
    connection.execute("INSERT INTO segments VALUES (?, ?, ?, ?, ?)", values)
    connection.execute("UPDATE collection SET layout = layout + 1")


def purge(connection: Connection, through_generation: int) -> None:
    """Forget the payloads of documents that died up to this generation."""
    due = "FROM deletes WHERE purged = 0 AND generation <= ?"
    rows = connection.execute(f"SELECT data {due}", (through_generation,)).fetchall()
    for (data,) in rows:
        seqs = ((seq,) for seq in decode_seqs(data).tolist())
        connection.executemany("DELETE FROM documents WHERE seq = ?", seqs)
    mark = "UPDATE deletes SET purged = 1 WHERE purged = 0 AND generation <= ?"
    connection.execute(mark, (through_generation,))


def encode_seqs(seqs: _Seqs) -> bytes:
    """A set of seqs as stored."""
    return to_bytes([("seqs", np.sort(seqs))])


def decode_seqs(data: bytes) -> _Seqs:
    """A stored set of seqs, rising; raises Corrupt if it is not what was written."""
    stored = Container.of(data, "a set of deleted documents in the catalog")
    stored.verify("seqs")
    return stored["seqs"]


def _consolidate(connection: Connection, dead: _Seqs) -> None:
    """Write the purged sets as one, without the seqs that no segment has any more, once
    most of what they hold is that: so that it costs each seq a constant number of bytes."""
    select = "SELECT max(generation), total(length(data)) FROM deletes WHERE purged = 1"
    newest, size = connection.execute(select).fetchone()
    if newest is None or size < 2 * dead.nbytes + 65_536:
        return
    kept = np.union1d(dead, _purged_of_batches(connection))
    connection.execute("DELETE FROM deletes WHERE purged = 1")
    if len(kept):
        connection.execute("INSERT INTO deletes VALUES (?, 1, ?)", (newest, encode_seqs(kept)))


def _purged_of_batches(connection: Connection) -> _Seqs:
    """The seqs of purged sets that batches have, of which memory has dropped some."""
    (first_seq,) = connection.execute("SELECT min(first_seq) FROM batches").fetchone()
    if first_seq is None:
        return np.empty(0, np.int64)
    rows = connection.execute("SELECT data FROM deletes WHERE purged = 1").fetchall()
    seqs = np.concatenate([decode_seqs(data) for (data,) in rows])
    return seqs[seqs >= first_seq]
