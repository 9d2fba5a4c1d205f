"""The one module of file operations: what it promises, and how it fails."""

from __future__ import annotations

import errno
import mmap
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from spladed.errors import AlreadyExists, Corrupt, Exhausted, SpladedError, Unavailable
from spladed.index import files, folder, storage
from spladed.index.segment import Segment


class Stingy(storage.Calls):
    """Writes at most three bytes a call."""

    def write(self, descriptor: int, data: memoryview) -> int:
        return super().write(descriptor, data[:3])


class Failing(storage.Calls):
    """Fails every call of this name with this error."""

    def __init__(self, name: str, number: int) -> None:
        def fail(*_: object) -> int:
            raise OSError(number, "it does not work")

        setattr(self, name, fail)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"12345678", memoryview(b"1234"), np.arange(7, dtype="<i8"), np.empty(0, np.float32),
        np.arange(6, dtype="<u2").reshape(2, 3), np.array([b"a", b"bc"], "S48"),
        np.zeros(2, [("name", "S48"), ("offset", "<u8")]),
    ],
)  # fmt: skip
def test_a_file_takes_any_buffer_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(storage, "calls", Stingy())
    path = tmp_path / "file"
    with storage.create(path) as file:
        file.append(b"head")
        file.append(data)
    storage.sync_file(path)
    expected = b"head" + bytes(memoryview(data).tobytes())
    assert storage.read(path) == storage.mapped(path).tobytes() == expected
    assert storage.size(tmp_path) == len(expected)


def test_a_map_is_read_only_and_outlives_the_name(tmp_path: Path) -> None:
    with storage.create(tmp_path / "a") as file:
        file.append(b"abc")
    data = storage.mapped(tmp_path / "a")
    storage.remove(tmp_path / "a")
    storage.remove(tmp_path / "a")  # a second time is fine
    assert (data.tobytes(), data.flags.writeable) == (b"abc", False)
    storage.create(tmp_path / "empty").close()
    assert len(storage.mapped(tmp_path / "empty")) == 0


def test_no_name_is_used_twice(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"first")
    with pytest.raises(Unavailable, match="a: File exists"):
        storage.create(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"first"


def test_copy_publish_and_remove_tree(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 5_000_000)
    storage.copy(tmp_path / "a", tmp_path / "temporary")
    storage.publish(tmp_path / "temporary", tmp_path / "b")
    assert storage.read(tmp_path / "b") == storage.read(tmp_path / "a")
    storage.make_folder(tmp_path / "c")
    (tmp_path / "c" / "d").write_bytes(b"d")
    storage.make_folder(tmp_path / "c" / "e")
    storage.remove_tree(tmp_path / "c")
    storage.remove_tree(tmp_path / "a")
    assert storage.names(tmp_path) == ["b"]


@pytest.mark.parametrize("read", [storage.read, storage.mapped])
def test_a_missing_file_is_named(tmp_path: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(Corrupt, match="gone is missing") as caught:
        read(tmp_path / "gone")
    assert caught.value.reason == "FILE_MISSING"


@pytest.mark.parametrize(
    ("number", "error", "reason"),
    [
        (errno.ENOSPC, Exhausted, "DISK_FULL"),
        (errno.EDQUOT, Exhausted, "DISK_FULL"),
        (errno.EIO, Unavailable, "STORAGE"),
        (errno.EROFS, Unavailable, "FOLDER_NOT_WRITABLE"),
    ],
)
@pytest.mark.parametrize("name", ["open", "write", "fsync", "close", "rename", "unlink", "mkdir"])
def test_an_error_has_a_name_and_a_path(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    number: int,
    error: type[SpladedError],
    reason: str,
) -> None:
    def use_everything() -> None:
        with storage.create(tmp_path / "made") as file:
            file.append(b"abc")
        storage.publish(tmp_path / "made", tmp_path / "named")
        storage.remove(tmp_path / "named")
        storage.make_folder(tmp_path / "made")

    monkeypatch.setattr(storage, "calls", Failing(name, number))
    with pytest.raises(error, match=f"{tmp_path}") as caught:
        use_everything()
    assert caught.value.reason == reason


def content(path: Path) -> dict[str, bytes]:
    """Each file below the folder."""
    files = (one for one in path.rglob("*") if one.is_file())
    return {str(one.relative_to(path)): one.read_bytes() for one in files}


class Nth(storage.Calls):
    """Fails the n-th call that changes something, and from then on all of them if told so."""

    def __init__(self, n: int, *, for_good: bool) -> None:
        self.left, self.for_good = n, for_good
        for name in ("open", "write", "fsync", "rename", "unlink", "mkdir", "rmdir"):
            setattr(self, name, self._counting(getattr(super(), name)))

    def _counting(self, call: Callable[..., int]) -> Callable[..., int]:
        def counted(*arguments: object) -> int:
            self.left -= 1
            if self.left == 0 or (self.left < 0 and self.for_good):
                raise OSError(errno.ENOSPC, "No space left on device")
            return call(*arguments)

        return counted


def fill(path: Path) -> None:
    (path / "a").write_bytes(b"a")
    (path / "below").mkdir()
    (path / "below" / "b").write_bytes(b"b")


CHANGES: dict[str, Callable[[Path], None]] = {
    "ensure": lambda path: folder.ensure(path / "x" / "y"),
    "make": lambda path: folder.make(path / "x", fill),
    "remove": lambda path: folder.remove(path / "old"),
    "replace": lambda path: folder.replace(path / "file", b"new"),
    "replace nothing": lambda path: folder.replace(path / "other", b"new"),
}


@pytest.mark.parametrize("for_good", [False, True])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_folders_and_files_change_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], for_good: bool
) -> None:
    """At whatever call the disk fails, for once or from then on."""
    for name in ("before", "after"):
        fill_before(tmp_path / name)
    change(tmp_path / "after")
    before, after = content(tmp_path / "before"), content(tmp_path / "after")
    for n in range(1, 100):
        path = tmp_path / str(n)
        fill_before(path)
        disk = Nth(n, for_good=for_good)
        failed = failure_of(change, path, disk, monkeypatch)
        folder.sweep(path)
        allowed = [before, after] if for_good else [before] if failed else [after]
        assert content(path) in allowed
        if disk.left > 0:  # it did not get that far
            assert n > 2
            return
    pytest.fail("never done")


def failure_of(
    change: Callable[[Path], None], path: Path, disk: Nth, monkeypatch: pytest.MonkeyPatch
) -> bool:
    with monkeypatch.context() as patch:
        patch.setattr(storage, "calls", disk)
        try:
            change(path)
        except Exhausted:
            return True
        return False


def fill_before(path: Path) -> None:
    (path / "old").mkdir(parents=True)
    fill(path / "old")
    (path / "file").write_bytes(b"before")


def test_make_refuses_a_folder_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(AlreadyExists, match="x exists"):
        folder.make(tmp_path / "x", fill)
    assert storage.names(tmp_path) == ["x"]


def test_whole_pages_are_read_here_and_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = mmap.PAGESIZE
    (tmp_path / "file").write_bytes(bytes(5 * page))
    advised: list[tuple[int, int]] = []
    monkeypatch.setattr(
        storage.calls, "advise", lambda _, __, start, length: advised.append((start, length))
    )
    data = storage.mapped(tmp_path / "file")
    storage.read_here_and_there(data, 100, 3 * page)
    storage.read_here_and_there(data, 0, 2 * page)
    storage.read_here_and_there(data, 1, page)  # no whole one
    storage.read_here_and_there(np.zeros(5 * page, np.uint8), 0, 2 * page)  # no file's
    assert advised == [(page, 2 * page), (0, 2 * page)]


def test_a_file_that_is_unloaded_is_in_no_memory_and_can_still_be_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * (1 << 18))  # 64 MB
    with path.open("rb") as file:
        os.fsync(file.fileno())
    data = storage.mapped(path)
    assert data.sum() > 0
    resident = _resident_file_bytes()
    storage.unload(path, data)
    assert _resident_file_bytes() < resident - (60 << 20)
    path.unlink()
    assert data.tobytes() == bytes(range(256)) * (1 << 18)


def test_memory_that_cannot_be_given_back_keeps_no_file_from_being_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "0.segment"
    path.write_bytes(bytes(100))
    data = storage.mapped(path)
    monkeypatch.setattr(storage, "calls", Failing("advise", errno.EINVAL))
    with pytest.raises(Unavailable, match="it does not work"):
        storage.unload(path, data)
    files.unload(tmp_path, [cast(Segment, SimpleNamespace(name=path.name, data=data))])


def test_what_is_no_map_has_nothing_to_unload(tmp_path: Path) -> None:
    storage.unload(tmp_path / "nowhere", np.zeros(5, np.uint8))


def _resident_file_bytes() -> int:
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if "RssFile" in line
    )
    return int(line.split()[1]) << 10


def test_nobody_else_touches_files() -> None:
    """But for the lock, SQLite in the catalog, and the cache of machine code."""
    touches = re.compile(
        r"\bos\.(open|rename|replace|unlink|remove|fsync|mkdir|write|read)\(|\bshutil\b|\bmmap\b"
        r"|(?<![\w.])(?<!def )open\("
        r"|\.(write_bytes|write_text|read_bytes|read_text|unlink|mkdir|rmdir|touch|iterdir)\("
    )
    room = Path(storage.__file__).parent
    allowed = ("storage.py", "lock.py", "kernels/compiled.py", "kernels/cache.py")
    others = [path for path in room.rglob("*.py") if str(path.relative_to(room)) not in allowed]
    assert len(others) > 30
    assert [path.name for path in others if touches.search(path.read_text("utf-8"))] == []
