"""Writes, one group after another: draft -> SQLite commit (fsync) -> publish."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from spladed.errors import Unavailable
from spladed.index import buffer, commit
from spladed.index.catalog import Catalog, SegmentRow
from spladed.index.commit import Change, Exchange, Stored
from spladed.index.draft import Draft, Write, draft, draft_of_rows
from spladed.index.line import Line, Result
from spladed.index.reached import Reached
from spladed.index.segment import Segment
from spladed.index.snapshot import Part, Snapshot

__all__ = ["Writer"]

_Rows = npt.NDArray[np.int64]


class Writer:
    """The one that changes a collection; safe to call from any thread.

    snapshot: what reads that start now see
    next_seq: what the next document gets
    buffered: (documents, bytes) that the catalog holds as batches, dead ones too
    """

    def __init__(self, catalog: Catalog, snapshot: Snapshot, name: str) -> None:
        self._catalog = catalog
        self._name = name
        self._committing = threading.RLock()
        self._line = Line(self._committing, self._commit_group)
        self._closed = False
        self._frozen_through = -1
        self.snapshot = snapshot
        self.reached = Reached()
        with catalog.reading() as reading:
            self.next_seq = reading.next_seq
            bundles = reading.bundles()
            self._batches = reading.batch_sizes()
        self._count_buffered()
        self._last_bundle = bundles[-1][1] if bundles else ""

    def close(self) -> None:
        """Commit who waits, then refuse further writes."""
        self._line.close()
        with self._committing:
            self._closed = True

    def submit(self, write: Write) -> tuple[int, int]:
        """(how many documents died by it, generation), durable and visible."""
        return self._line.submit(write)

    def delete_rows(self, choose: Callable[[Snapshot], Sequence[_Rows]]) -> tuple[int, int]:
        """Delete the live rows that `choose` names for each part; returns as `submit`."""
        with self._committing:
            self._check_open()
            drafted = draft_of_rows(self.snapshot, choose(self.snapshot))
            self._commit(drafted)
            return drafted.results[0]

    @contextmanager
    def alone(self) -> Iterator[Snapshot]:
        """Nobody commits while this block runs."""
        with self._committing:
            self._check_open()
            yield self.snapshot

    def append(
        self, new: tuple[Segment, SegmentRow], stored: Stored, dead: Sequence[_Rows]
    ) -> None:
        """Add a segment file of new documents, in whose favour these rows of each part die.

        For who is `alone`, with an empty buffer. One transaction, then publish.
        """
        drafted = draft_of_rows(self.snapshot, dead)
        generation = self.snapshot.generation + 1
        change = Change(generation, drafted.change.dead, stored)
        with self._catalog.writing() as connection:
            commit.write(connection, change)
            commit.add_segment(connection, new[1])
        after = Snapshot(generation, (*drafted.after.parts, Part.of(new[0])))
        self._publish(Draft(change, after, []))

    def bundle_change(self, seq: int, bundle_id: str) -> list[tuple[int, str]]:
        """What to store of the bundle of documents from this seq on."""
        return [] if bundle_id == self._last_bundle else [(seq, bundle_id)]

    def freeze(self) -> tuple[list[Part], int]:
        """(the parts in memory, the last seq so far): they stay apart from what is written
        from now on, until `exchange` takes them."""
        with self._committing:
            self._frozen_through = self.next_seq - 1
            return buffer.in_memory(self.snapshot.parts), self._frozen_through

    def exchange(
        self,
        old: Sequence[Segment],
        new: tuple[Segment, SegmentRow] | None,
        *,
        through_seq: int = -1,
    ) -> None:
        """Let a segment file take the place of segments whose live documents it has, and of
        the batches up to `through_seq`.

        Documents that died since it was built die in it too. One transaction, then publish.
        """
        with self._committing:
            self._check_open()
            after = _exchanged(self.snapshot, old, new[0] if new else None)
            dead = [part.dead_seqs() for part in after.parts]
            change = Exchange(
                through_seq=through_seq,
                removed=[one.name for one in old if one.name],
                added=new[1] if new else None,
                dead=np.concatenate([*dead, np.empty(0, np.int64)]),
            )
            with self._catalog.writing() as connection:
                commit.exchange(connection, change)
            self.snapshot = after
            self._batches = [one for one in self._batches if one.last_seq > through_seq]
            self._count_buffered()

    def _commit_group(self, writes: Sequence[Write]) -> Sequence[Result]:
        self._check_open()
        drafted = draft(
            self.snapshot, writes, self._catalog.settings,
            next_seq=self.next_seq, last_bundle=self._last_bundle,
            frozen_through=self._frozen_through,
        )  # fmt: skip
        self._commit(drafted)
        return drafted.results

    def _commit(self, drafted: Draft) -> None:
        """Data, fsync, publish. Everything that can fail has happened before the commit."""
        if drafted.after.generation == self.snapshot.generation:
            return
        with self._catalog.writing() as connection:  # ends in COMMIT, which ends in fsync
            commit.write(connection, drafted.change)
        self._publish(drafted)

    def _publish(self, drafted: Draft) -> None:
        self.snapshot = drafted.after
        if (added := drafted.change.added) is not None:
            self.next_seq = added.last_seq + 1
            if added.batch:
                self._batches.append(added.size)
                documents, size = self.buffered
                self.buffered = documents + added.size.documents, size + added.size.bytes
            self._last_bundle = added.bundles[-1][1] if added.bundles else self._last_bundle
        self.reached.publish(drafted.after.generation)

    def _count_buffered(self) -> None:
        batches = self._batches
        self.buffered = sum(one.documents for one in batches), sum(one.bytes for one in batches)

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(f"collection {self._name} is closed", reason="CLOSED")


def _exchanged(before: Snapshot, old: Sequence[Segment], new: Segment | None) -> Snapshot:
    gone = {id(segment) for segment in old}
    kept = [part for part in before.parts if id(part.segment) not in gone]
    dead = [part.dead_seqs() for part in before.parts if id(part.segment) in gone]
    if new is not None:
        kept.append(Part.of(new).without_seqs(np.concatenate([*dead, np.empty(0, np.int64)])))
        kept.sort(key=lambda part: part.segment.first_seq)
    return Snapshot(before.generation, tuple(kept))
