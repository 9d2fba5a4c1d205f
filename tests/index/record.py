"""What was asked of the disk, written down while it is done.

`Recorder` stands in for `storage.calls`. SQLite is trusted with its transactions and with
nothing else: after a COMMIT the catalog's bytes are durable in whatever file it is, but a new
catalog's first bytes and its name are as lost as any other file's until somebody syncs them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from spladed.index import storage

__all__ = [
    "ROOT", "Allowed", "Committed", "Event", "KillAt", "Made", "Recorder", "Removed", "Renamed",
    "Synced", "Unsettled", "Wrote",
]  # fmt: skip

ROOT = 0


@dataclass(frozen=True, slots=True)
class Made:
    """A name in a folder, of a new file or folder."""

    parent: int
    name: str
    node: int
    is_folder: bool


@dataclass(frozen=True, slots=True)
class Wrote:
    """Bytes behind those of the file."""

    node: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Synced:
    """fsync of a file or folder; `site` is the code that asked for it."""

    node: int
    site: str


@dataclass(frozen=True, slots=True)
class Renamed:
    """Another name in the same folder, in one step."""

    parent: int
    old: str
    new: str
    node: int


@dataclass(frozen=True, slots=True)
class Removed:
    """A name is gone."""

    parent: int
    name: str


@dataclass(frozen=True, slots=True)
class Committed:
    """All bytes of a file are these, durably: SQLite's word."""

    node: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Unsettled:
    """All bytes of a file are these, until the power goes: SQLite was killed while it synced.
    An fsync of its log makes them durable."""

    node: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be found after a power cut from here on: one of these, equal to the last one
    acknowledged or to what the write in flight makes of it."""

    states: tuple[object, ...]


Event = Made | Wrote | Synced | Renamed | Removed | Committed | Unsettled | Allowed


class Killed(BaseException):
    """The process ends here, as far as the disk can tell."""


# Whether the process ends at this operation on this path, after these events.
KillAt = Callable[[str, Path, Sequence[Event]], bool]


def _never(name: str, path: Path, events: Sequence[Event]) -> bool:
    return False


class Recorder(storage.Calls):
    """Records what is done below `root`, which exists and counts as durable and empty."""

    def __init__(self, root: Path) -> None:
        self.events: list[Event] = []
        self._kill_at: KillAt = _never
        self._dead = False
        self._root = root
        self._nodes: dict[Path, int] = {root: ROOT}
        self._made = 0
        self._open: dict[int, Path] = {}

    def allow(self, *states: object) -> None:
        """What may be found from here on."""
        self.events.append(Allowed(states))

    @contextmanager
    def killing(self, at: KillAt) -> Iterator[None]:
        """The process ends in this block, before the first change that `at` chooses."""
        self._kill_at = at
        with suppress(Killed):
            yield
        assert self._dead
        self._dead, self._kill_at = False, _never

    def committed(self, path: Path, data: bytes) -> None:
        """SQLite has committed this; or was killed in it, when it had not yet synced its log."""
        if path not in self._nodes:
            self._make(path, is_folder=False)
        self._dead = self._dead or self._kill_at("commit", path, self.events)
        event = Unsettled if self._dead else Committed
        self.events.append(event(self._nodes[path], data))
        if self._dead:
            raise Killed(f"commit {path}")

    def open(self, path: Path, flags: int) -> int:
        if flags & os.O_CREAT:
            self._check_alive("open", path)
        descriptor = super().open(path, flags)
        self._open[descriptor] = path
        if flags & os.O_CREAT:
            self._make(path, is_folder=False)
        return descriptor

    def close(self, descriptor: int) -> None:
        self._open.pop(descriptor)
        super().close(descriptor)

    def write(self, descriptor: int, data: memoryview) -> int:
        path = self._open[descriptor]
        self._check_alive("write", path)
        count = super().write(descriptor, data)
        self.events.append(Wrote(self._nodes[path], bytes(data[:count])))
        return count

    def fsync(self, descriptor: int) -> None:
        path = self._open[descriptor]
        self._check_alive("fsync", path)
        super().fsync(descriptor)
        if not path.is_relative_to(self._root):
            return
        path = path.with_name(path.name.removesuffix("-wal"))
        if path not in self._nodes:  # SQLite made it
            self._make(path, is_folder=False)
            self.events.append(Wrote(self._nodes[path], path.read_bytes()))
        self.events.append(Synced(self._nodes[path], _site()))

    def rename(self, old: Path, new: Path) -> None:
        assert old.parent == new.parent
        self._check_alive("rename", new)
        super().rename(old, new)
        moved = {one: node for one, node in self._nodes.items() if one.is_relative_to(old)}
        self._forget(new)
        for one, node in moved.items():
            del self._nodes[one]
            self._nodes[new / one.relative_to(old)] = node
        parent, node = self._nodes[new.parent], self._nodes[new]
        self.events.append(Renamed(parent, old.name, new.name, node))

    def unlink(self, path: Path) -> None:
        self._check_alive("unlink", path)
        super().unlink(path)
        self._remove(path)

    def mkdir(self, path: Path) -> None:
        self._check_alive("mkdir", path)
        super().mkdir(path)
        self._make(path, is_folder=True)

    def rmdir(self, path: Path) -> None:
        self._check_alive("rmdir", path)
        super().rmdir(path)
        self._remove(path)

    def _check_alive(self, name: str, path: Path) -> None:
        self._dead = self._dead or self._kill_at(name, path, self.events)
        if self._dead:
            raise Killed(f"{name} {path}")

    def _make(self, path: Path, *, is_folder: bool) -> None:
        self._made += 1
        self._nodes[path] = self._made
        parent = self._nodes[path.parent]
        self.events.append(Made(parent, path.name, self._made, is_folder))

    def _remove(self, path: Path) -> None:
        if path in self._nodes:  # SQLite's passing files and LOCK are not
            self.events.append(Removed(self._nodes[path.parent], path.name))
            self._forget(path)

    def _forget(self, path: Path) -> None:
        for one in [one for one in self._nodes if one.is_relative_to(path)]:
            del self._nodes[one]


def _site() -> str:
    """Who asked: the functions of storage, the innermost first, and the one that called them."""
    frame, names = sys._getframe(2), []
    while frame is not None:
        module = Path(frame.f_code.co_filename).stem
        names.append(f"{module}.{frame.f_code.co_name}")
        if frame.f_code.co_filename != storage.__file__:
            break
        frame = frame.f_back
    return " < ".join(names)
