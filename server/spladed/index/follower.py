"""A collection that another process writes, read as it goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spladed.errors import Corrupt
from spladed.index import buffer
from spladed.index.catalog import Catalog, Reading
from spladed.index.load import batches, deleted, load
from spladed.index.snapshot import Snapshot

__all__ = ["Follower"]

# A segment may be merged away between the catalog's naming it and its being opened.
_ATTEMPTS = 5


class Follower:
    """Snapshots of what the writer committed last; safe from any thread.

    Each view is a transaction of the catalog, so that nothing in it is forgotten meanwhile;
    keep it short, since for as long SQLite's log cannot be folded back.
    """

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        self._folder = folder
        self._catalog = catalog
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._layout, self._next_seq = -1, 0

    @contextmanager
    def view(self) -> Iterator[tuple[Snapshot, Reading]]:
        """The present snapshot, and the catalog at that same write."""
        for attempt in range(_ATTEMPTS):
            with self._catalog.reading() as reading:
                try:
                    snapshot = self._at(reading)
                except Corrupt as error:
                    if error.reason != "FILE_MISSING" or attempt == _ATTEMPTS - 1:
                        raise
                    continue
                yield snapshot, reading
                return

    def _at(self, reading: Reading) -> Snapshot:
        """The snapshot of that write, from the one before where that is possible.

        Readings of several threads may come in another order than they were taken.
        """
        with self._lock:
            before = self._snapshot
            if before is not None and reading.layout == self._layout:
                if reading.generation == before.generation:
                    return before
                if reading.generation > before.generation:
                    return self._keep(self._after(before, reading), reading)
            known = {part.segment.name: part.segment for part in before.parts} if before else {}
            snapshot = load(self._folder, reading, self._catalog.settings, known)
            return self._keep(snapshot, reading)

    def _after(self, before: Snapshot, reading: Reading) -> Snapshot:
        """What later writes made of it: their batches, and their dead."""
        settings = self._catalog.settings
        parts = (*before.parts, *batches(reading, settings, self._next_seq - 1))
        dead = deleted(reading, before.generation)
        left = tuple(part.without_seqs(dead) for part in parts)
        return Snapshot(reading.generation, buffer.merged(left, settings, frozen_through=-1))

    def _keep(self, snapshot: Snapshot, reading: Reading) -> Snapshot:
        self._snapshot, self._layout, self._next_seq = snapshot, reading.layout, reading.next_seq
        return snapshot
