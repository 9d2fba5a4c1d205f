"""A disk that replays a record, and what a power cut leaves of it at any point.

A file has the bytes that were synced, and those that were only written since; a folder has its
names when it was synced, and the changes of them since. A power cut keeps the first; of the
second it keeps what it likes (`Cut`).
"""

from __future__ import annotations

import os
import random
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from hashlib import blake2b
from pathlib import Path

from .record import ROOT, Allowed, Committed, Event, Made, Removed, Renamed, Synced, Wrote

__all__ = ["Cut", "Disk", "PowerCut", "Store", "Tree", "cuts_without", "power_cuts"]


class Cut(Enum):
    """What a power cut leaves of what was not synced."""

    DROPPED = "nothing"
    KEPT = "everything"
    NAMES = "names without bytes"
    BYTES = "bytes without names"
    TORN = "some names, and some bytes, behind which come zeros or garbage"


# What lies where: the bytes of each file, None for a folder.
Tree = dict[str, bytes | None]


class _Choice:
    """What one power cut does to each name and each file."""

    def __init__(self, cut: Cut, seed: object) -> None:
        self._cut = cut
        self._random = random.Random(repr(seed))

    def keeps_name(self) -> bool:
        if self._cut is Cut.TORN:
            return self._random.random() < 0.5
        return self._cut in (Cut.KEPT, Cut.NAMES)

    def kept_of(self, written: bytes) -> bytes:
        if self._cut is Cut.TORN:
            return self._torn(written)
        return written if self._cut in (Cut.KEPT, Cut.BYTES) else b""

    def _torn(self, written: bytes) -> bytes:
        kept = written[: self._random.randrange(len(written) + 1)]
        rest = len(written) - len(kept)
        return kept + self._random.choice([b"", bytes(rest), self._random.randbytes(rest)])


@dataclass(slots=True)
class _File:
    durable: bytes = b""
    written: list[bytes] = field(default_factory=list)

    def content(self, choice: _Choice) -> bytes:
        if not self.written:
            return self.durable
        return self.durable + choice.kept_of(b"".join(self.written))

    def sync(self) -> None:
        self.durable, self.written = b"".join((self.durable, *self.written)), []


@dataclass(slots=True)
class _Folder:
    durable: dict[str, int] = field(default_factory=dict)
    changes: list[Made | Renamed | Removed] = field(default_factory=list)

    def names(self, choice: _Choice) -> dict[str, int]:
        names = dict(self.durable)
        for change in self.changes:
            if choice.keeps_name():
                _change(names, change)
        return names

    def sync(self) -> None:
        for change in self.changes:
            _change(self.durable, change)
        self.changes = []


def _change(names: dict[str, int], change: Made | Renamed | Removed) -> None:
    if isinstance(change, Removed):
        names.pop(change.name, None)
    elif isinstance(change, Made):
        names[change.name] = change.node
    else:
        names.pop(change.old, None)
        names[change.new] = change.node


class Disk:
    """The disk after some events, which come in order."""

    def __init__(self) -> None:
        self._files: dict[int, _File] = {}
        self._folders: dict[int, _Folder] = {ROOT: _Folder()}

    def apply(self, event: Event) -> None:
        """The next event."""
        if isinstance(event, Made | Renamed | Removed):
            if isinstance(event, Made):
                self._make(event)
            self._folders[event.parent].changes.append(event)
        elif isinstance(event, Wrote):
            self._files[event.node].written.append(event.data)
        elif isinstance(event, Committed):
            self._files[event.node] = _File(event.data)
        elif isinstance(event, Synced):
            (self._files.get(event.node) or self._folders[event.node]).sync()
        else:
            assert isinstance(event, Allowed)

    def after(self, cut: Cut, seed: object = 0) -> Tree:
        """What is there after the power came back; `seed` is for torn ones."""
        return dict(self._below(ROOT, "", _Choice(cut, seed)))

    def _make(self, event: Made) -> None:
        if event.is_folder:
            self._folders[event.node] = _Folder()
        else:
            self._files[event.node] = _File()

    def _below(self, node: int, path: str, choice: _Choice) -> Iterator[tuple[str, bytes | None]]:
        for name, child in sorted(self._folders[node].names(choice).items()):
            if child in self._files:
                yield path + name, self._files[child].content(choice)
            else:
                yield path + name, None
                yield from self._below(child, f"{path}{name}/", choice)


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


_SURE = (Cut.DROPPED, Cut.KEPT, Cut.NAMES, Cut.BYTES)


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
    """Where the disk differs for want of these events, with nothing unsynced kept, or no bytes."""
    seen: set[tuple[bytes, int]] = set()
    less = [Allowed(()) if n in missing else one for n, one in enumerate(events)]
    pairs = zip(_replayed(events), _replayed(less), strict=True)
    for (number, disk, allowed), (_, other, _) in pairs:
        for cut in (Cut.DROPPED, Cut.NAMES):
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
