"""What a group of writes does to a snapshot, before anything is touched. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spladed.index import buffer, build, columns
from spladed.index.batch import Batch, Columns
from spladed.index.commit import Change, Stored
from spladed.index.container import to_bytes
from spladed.index.ids import Ids
from spladed.index.packed import Packed
from spladed.index.snapshot import Part, Snapshot
from spladed.index.values import CollectionSettings

__all__ = ["Delete", "Draft", "Upsert", "Write", "draft", "draft_of_rows"]

_Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Upsert:
    """Documents to add; their distinct ids, rows, columns and payloads (empty: none)."""

    names: Sequence[str]
    ids: Ids
    rows: Packed
    columns: Columns
    payloads: Sequence[bytes]
    bundle_id: str


@dataclass(frozen=True, slots=True, eq=False)
class Delete:
    """Distinct ids to delete."""

    names: Sequence[str]
    ids: Ids


Write = Upsert | Delete


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """What is to be committed, the snapshot then, and for each write what its caller hears:
    (how many documents died by it, its generation)."""

    change: Change
    after: Snapshot
    results: list[tuple[int, int]]


class _Fates:
    """Who lives and dies, write after write: positions among the added, places before."""

    def __init__(self, before: Snapshot, writes: Sequence[Write]) -> None:
        self._where, self._rows = before.find(Ids.concatenate([one.ids for one in writes]))
        self._there: list[bool] = (self._where >= 0).tolist()
        self._added: dict[str, int] = {}
        self._gone: set[str] = set()
        self._asked = 0
        self.lost: list[int] = []  # positions among the ids asked for, of those that die
        self.dead_added: list[int] = []
        self.count = 0

    def upsert(self, names: Sequence[str]) -> None:
        """These are added, in place of those of the same ids."""
        for name in names:
            self._kill(name)
            self._added[name] = self.count
            self.count += 1

    def delete(self, names: Sequence[str]) -> int:
        """These die; how many were there."""
        return sum(self._kill(name) for name in names)

    def dead_rows(self, parts: int) -> list[_Rows]:
        """For each part the rows that die."""
        lost = np.array(self.lost, np.int64)
        where, rows = self._where[lost], self._rows[lost]
        return [rows[where == number] for number in range(parts)]

    def _kill(self, name: str) -> bool:
        position, self._asked = self._asked, self._asked + 1
        if name in self._added:
            self.dead_added.append(self._added.pop(name))
            return True
        if not self._there[position] or name in self._gone:
            return False
        self._gone.add(name)
        self.lost.append(position)
        return True


def draft(
    before: Snapshot,
    writes: Sequence[Write],
    settings: CollectionSettings,
    *,
    next_seq: int,
    last_bundle: str,
    frozen_through: int,
) -> Draft:
    """The writes in order, as one commit."""
    fates = _Fates(before, writes)
    results: list[tuple[int, int]] = []
    generation = before.generation
    for write in writes:
        if isinstance(write, Upsert):
            died, changed = 0, True
            fates.upsert(write.names)
        else:
            died = fates.delete(write.names)
            changed = died > 0
        generation += changed
        results.append((died, generation))
    upserts = [write for write in writes if isinstance(write, Upsert)]
    batch = _batch(upserts, next_seq, settings) if upserts else None
    parts, dead = _without(before.parts, fates.dead_rows(len(before.parts)))
    added = None
    if batch is not None:
        part = buffer.part_of(batch, settings).without(np.array(fates.dead_added, np.int64))
        dead.append(batch.seqs[fates.dead_added])
        parts = (*parts, part)
        added = _stored(upserts, batch, settings, last_bundle)
    after = Snapshot(generation, buffer.merged(parts, settings, frozen_through))
    change = Change(generation, np.concatenate([*dead, np.empty(0, np.int64)]), added)
    return Draft(change, after, results)


def draft_of_rows(before: Snapshot, rows: Sequence[_Rows]) -> Draft:
    """The deletion of these live rows of each part, as one commit."""
    parts, dead = _without(before.parts, rows)
    died = sum(map(len, dead))
    generation = before.generation + (died > 0)
    change = Change(generation, np.concatenate([*dead, np.empty(0, np.int64)]), None)
    return Draft(change, Snapshot(generation, parts), [(died, generation)])


def _without(
    parts: tuple[Part, ...], rows: Sequence[_Rows]
) -> tuple[tuple[Part, ...], list[_Rows]]:
    """The parts without these rows, and the seqs of those."""
    pairs = list(zip(parts, rows, strict=True))
    left = tuple(part.without(mine) if len(mine) else part for part, mine in pairs)
    return left, [part.segment.seqs[mine] for part, mine in pairs if len(mine)]


def _batch(upserts: Sequence[Upsert], next_seq: int, settings: CollectionSettings) -> Batch:
    ids = Ids.concatenate([one.ids for one in upserts])
    seqs = np.arange(next_seq, next_seq + len(ids), dtype=np.int64)
    rows = Packed.concatenate([one.rows for one in upserts])
    counts = [len(one.names) for one in upserts]
    fields = columns.concatenate(settings.fields, [one.columns for one in upserts], counts)
    return Batch(seqs, ids, rows, fields)


def _stored(
    upserts: Sequence[Upsert], batch: Batch, settings: CollectionSettings, last_bundle: str
) -> Stored:
    payloads = [payload for one in upserts for payload in one.payloads]
    beside = zip(batch.seqs.tolist(), payloads, strict=True)
    bundles, seq = [], int(batch.seqs[0])
    for one in upserts:
        if one.bundle_id != last_bundle:
            bundles.append((seq, one.bundle_id))
            last_bundle = one.bundle_id
        seq += len(one.names)
    return Stored(
        int(batch.seqs[0]),
        int(batch.seqs[-1]),
        to_bytes(build.batch_sections(batch, settings)),
        [(seq, payload) for seq, payload in beside if payload],
        bundles,
    )
