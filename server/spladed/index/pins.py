"""Which snapshots are being read, so that nothing is forgotten that one of them still has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from spladed.index.snapshot import Snapshot

__all__ = ["Pins"]


class Pins:
    """Held snapshots; safe from any thread."""

    def __init__(self, published: Callable[[], Snapshot]) -> None:
        self._published = published
        self._changed = threading.Condition()
        self._held: dict[int, int] = {}  # the generation of each, by its number, rising
        self._next = 0

    @contextmanager
    def hold(self) -> Iterator[Snapshot]:
        """The published snapshot, whole for as long as the block runs."""
        with self._changed:
            snapshot = self._published()
            number, self._next = self._next, self._next + 1
            self._held[number] = snapshot.generation
        try:
            yield snapshot
        finally:
            with self._changed:
                del self._held[number]
                self._changed.notify_all()

    def oldest(self) -> int:
        """Readers, present and to come, see this generation or later ones."""
        with self._changed:
            return min(self._held.values(), default=self._published().generation)

    def wait_for_present(self, seconds: float) -> bool:
        """Whether everyone who holds a snapshot now lets it go within so long."""
        with self._changed:
            end = self._next
            return self._changed.wait_for(
                lambda: min(self._held, default=end) >= end, timeout=seconds
            )
