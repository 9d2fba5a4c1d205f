"""Which snapshots are being read, so that nothing is forgotten that one of them still has."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from spladed.index.snapshot import Snapshot

__all__ = ["Pins"]


class Pins:
    """Held generations; safe from any thread."""

    def __init__(self, published: Callable[[], Snapshot]) -> None:
        self._published = published
        self._lock = threading.Lock()
        self._held: Counter[int] = Counter()

    @contextmanager
    def hold(self) -> Iterator[Snapshot]:
        """The published snapshot, whole for as long as the block runs."""
        with self._lock:
            snapshot = self._published()
            self._held[snapshot.generation] += 1
        try:
            yield snapshot
        finally:
            with self._lock:
                self._held[snapshot.generation] -= 1
                if not self._held[snapshot.generation]:
                    del self._held[snapshot.generation]

    def oldest(self) -> int:
        """Readers, present and to come, see this generation or later ones."""
        with self._lock:
            return min(self._held, default=self._published().generation)
