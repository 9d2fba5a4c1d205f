"""Every power cut of a record: when it comes, what it leaves, and what may be found then."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from .disk import Cut, Disk, Tree
from .record import Allowed, Event

__all__ = ["PowerCut", "Store", "cuts_without", "power_cuts"]


def _digest(tree: Tree) -> bytes:
    """Equal for equal trees."""
    whole = blake2b(digest_size=16)
    for path, content in tree.items():
        whole.update(f"{path}\0{-1 if content is None else len(content)}\0".encode())
        whole.update(content or b"")
    return whole.digest()


@dataclass(frozen=True, slots=True, eq=False)
class PowerCut:
    """What lies on the disk if the power goes after so many events, and what may lie there."""

    events: int
    cut: Cut
    tree: Tree
    allowed: tuple[object, ...]

    def __str__(self) -> str:
        return f"after {self.events} events, of what was not synced {self.cut.value}"


_SURE = (Cut.DROPPED, Cut.KEPT, Cut.NAMES, Cut.INNER, Cut.BYTES)


def power_cuts(events: Sequence[Event], torn: int) -> Iterator[PowerCut]:
    """Every point at which the power may go, in every way, and torn in so many.

    What is the same as before, and may be, is left out.
    """
    seen: set[tuple[bytes, int]] = set()
    for number, disk, allowed in _replayed(events):
        cuts = [(cut, 0) for cut in _SURE] + [(Cut.TORN, seed) for seed in range(torn)]
        for cut, seed in cuts:
            tree = disk.after(cut, (number, seed))
            key = _digest(tree), id(allowed)
            if key not in seen:
                seen.add(key)
                yield PowerCut(number, cut, tree, allowed)


def cuts_without(events: Sequence[Event], missing: Container[int]) -> Iterator[PowerCut]:
    """Where the disk differs for want of these events, if no unsynced bytes are kept."""
    seen: set[tuple[bytes, int]] = set()
    less = [Allowed(()) if n in missing else one for n, one in enumerate(events)]
    pairs = zip(_replayed(events), _replayed(less), strict=True)
    for (number, disk, allowed), (_, other, _) in pairs:
        for cut in (Cut.DROPPED, Cut.NAMES, Cut.INNER):
            tree = other.after(cut)
            key = _digest(tree), id(allowed)
            if key not in seen and tree != disk.after(cut):
                seen.add(key)
                yield PowerCut(number, cut, tree, allowed)


def _replayed(events: Iterable[Event]) -> Iterator[tuple[int, Disk, tuple[object, ...]]]:
    disk, allowed = Disk(), ()
    for number, event in enumerate(events, start=1):
        disk.apply(event)
        if isinstance(event, Allowed):
            allowed = event.states
        yield number, disk, allowed


class Store:
    """Trees as real folders; what `shared` says never changes is written once and linked."""

    def __init__(self, folder: Path, shared: Iterable[str] = ()) -> None:
        self._folder = folder
        self._shared = tuple(shared)
        self._blobs: dict[bytes, Path] = {}

    def build(self, tree: Tree, target: Path) -> None:
        """The tree below `target`, which is made."""
        target.mkdir()
        for path, content in tree.items():
            if content is None:
                (target / path).mkdir()
            elif content and path.endswith(self._shared):
                os.link(self._blob(content), target / path)
            else:
                (target / path).write_bytes(content)

    def _blob(self, content: bytes) -> Path:
        name = blake2b(content, digest_size=16).digest()
        if name not in self._blobs:
            self._blobs[name] = self._folder / name.hex()
            self._blobs[name].write_bytes(content)
        return self._blobs[name]
