"""A disk that replays a record, and what a power cut leaves of it at any point.

A file has the bytes that were synced, and those that were only written since; a folder has its
names when it was synced, and the changes of them since. A power cut keeps the first; of the
second it keeps what it likes (`Cut`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from .record import (
    ROOT,
    Allowed,
    Committed,
    Event,
    Made,
    Removed,
    Renamed,
    Synced,
    Unsettled,
    Wrote,
)

__all__ = ["Cut", "Disk", "Tree"]


class Cut(Enum):
    """What a power cut leaves of what was not synced."""

    DROPPED = "nothing"
    KEPT = "everything"
    NAMES = "names without bytes"
    INNER = "names in inner folders"
    BYTES = "bytes without names"
    TORN = "some names, and some bytes, behind which come zeros or garbage"


# What lies where: the bytes of each file, None for a folder.
Tree = dict[str, bytes | None]


class _Choice:
    """What one power cut does to each name and each file."""

    def __init__(self, cut: Cut, seed: object) -> None:
        self._cut = cut
        self._random = random.Random(repr(seed))

    def keeps_name(self, depth: int) -> bool:
        if self._cut is Cut.TORN:
            return self._random.random() < 0.5
        return self._cut in (Cut.KEPT, Cut.NAMES) or (self._cut is Cut.INNER and depth > 1)

    def keeps_commit(self) -> bool:
        if self._cut is Cut.TORN:
            return self._random.random() < 0.5
        return self._cut in (Cut.KEPT, Cut.BYTES)

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
    unsettled: bytes | None = None

    def content(self, choice: _Choice) -> bytes:
        if self.unsettled is not None and choice.keeps_commit():
            return self.unsettled
        if not self.written:
            return self.durable
        return self.durable + choice.kept_of(b"".join(self.written))

    def sync(self) -> None:
        settled = b"".join((self.durable, *self.written))
        self.durable = settled if self.unsettled is None else self.unsettled
        self.written, self.unsettled = [], None


@dataclass(slots=True)
class _Folder:
    durable: dict[str, int] = field(default_factory=dict)
    changes: list[Made | Renamed | Removed] = field(default_factory=list)

    def names(self, choice: _Choice, depth: int) -> dict[str, int]:
        names = dict(self.durable)
        for change in self.changes:
            if choice.keeps_name(depth):
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
        elif isinstance(event, Unsettled):
            self._files[event.node].unsettled = event.data
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
        names = self._folders[node].names(choice, path.count("/"))
        for name, child in sorted(names.items()):
            if child in self._files:
                yield path + name, self._files[child].content(choice)
            else:
                yield path + name, None
                yield from self._below(child, f"{path}{name}/", choice)
