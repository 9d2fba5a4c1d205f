"""The one module of file operations: everything but what SQLite does, and the lock's flock.

What is written here becomes durable in two steps, a file's bytes by fsync of the file and its
name by fsync of its folder. Every operation goes through `calls`, which a test replaces by one
that records what it is asked, or fails.

Raises Exhausted DISK_FULL, Unavailable STORAGE or FOLDER_NOT_WRITABLE, and Corrupt FILE_MISSING
where a file that is read is not there, each naming the path. After a failed fsync the kernel
may have dropped the bytes and says so once only: such a file is never synced again, it is
removed and written anew.
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from spladed.errors import Corrupt, Exhausted, SpladedError, Unavailable

__all__ = [
    "Calls",
    "File",
    "calls",
    "copy",
    "create",
    "discard",
    "make_folder",
    "mapped",
    "names",
    "publish",
    "read",
    "remove",
    "remove_tree",
    "rename",
    "size",
    "sync_file",
    "sync_folder",
    "unload",
]

_CHUNK = 1 << 22  # of a copy
_PIECE = 1 << 24  # of a map that is given back: 1 ms
_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENOENT)


class Calls:
    """What the operating system is asked, one method a system call; raises OSError."""

    def open(self, path: Path, flags: int) -> int:
        """A descriptor of the file; who may read and write a new one is the umask's."""
        return os.open(path, flags | os.O_CLOEXEC, 0o666)

    def read(self, descriptor: int, count: int) -> bytes:
        """Up to `count` bytes; none at the end."""
        return os.read(descriptor, count)

    def write(self, descriptor: int, data: memoryview) -> int:
        """Write some of the bytes behind the last ones; returns how many."""
        return os.write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        """Wait until a file's bytes, or a folder's names, are on the disk."""
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        """Give the descriptor back."""
        os.close(descriptor)

    def map(self, descriptor: int) -> mmap.mmap:
        """The file, which is not empty, as memory that is only read."""
        return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)

    def advise(self, mapped: mmap.mmap, advice: int, start: int, length: int) -> None:
        """Say of whole pages of a map how they are read from now on."""
        mapped.madvise(advice, start, length)

    def uncache(self, descriptor: int) -> None:
        """The file's pages leave the page cache, but for what is mapped or not on the disk."""
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file or folder another name in the same folder, in one step."""
        old.rename(new)

    def unlink(self, path: Path) -> None:
        """Take a file's name away."""
        path.unlink()

    def mkdir(self, path: Path) -> None:
        """Make an empty folder."""
        path.mkdir()

    def rmdir(self, path: Path) -> None:
        """Take an empty folder away."""
        path.rmdir()


calls = Calls()


class File:
    """A new file that is being written; `create` makes one. Not durable yet."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def append(self, data: bytes | memoryview | npt.NDArray[Any]) -> None:
        """Write these bytes, all of them, behind the last ones; `data` is contiguous."""
        count = len(data) if isinstance(data, bytes) else data.nbytes
        left = np.frombuffer(data, np.uint8).data if count else memoryview(b"")
        with _translated(self._path):
            while left:  # a write takes at most 2 GiB, and less where the disk gets full
                left = left[calls.write(self._descriptor, left) :]

    def close(self) -> None:
        """Give the file back; closing twice is fine."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with _translated(self._path):
                calls.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def create(path: Path) -> File:
    """A new file; one that is there already is an error, since no name is used twice."""
    with _translated(path):
        return File(path, calls.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))


def publish(temporary: Path, final: Path) -> None:
    """Give a written file its name, durably: fsync, rename, fsync of their folder."""
    sync_file(temporary)
    rename(temporary, final)
    sync_folder(final.parent)


def rename(old: Path, new: Path) -> None:
    """Give a file or folder another name in the same folder, in one step, not yet durable."""
    with _translated(new):
        calls.rename(old, new)


def remove(path: Path) -> None:
    """Take a file away, not yet durably; one that is not there is fine."""
    with _translated(path), suppress(FileNotFoundError):
        calls.unlink(path)


def make_folder(path: Path) -> None:
    """A new, empty folder, not yet durable."""
    with _translated(path):
        calls.mkdir(path)


def remove_tree(path: Path) -> None:
    """Take a folder and all in it away, or a file, not yet durably."""
    if not path.is_dir() or path.is_symlink():
        remove(path)
        return
    for name in names(path):
        remove_tree(path / name)
    with _translated(path):
        calls.rmdir(path)


def discard(path: Path) -> None:
    """Take away what nobody needs, if it is there and can be; else it is swept some day."""
    with suppress(SpladedError):
        remove_tree(path)


def sync_file(path: Path) -> None:
    """Wait until the file's bytes, not yet its name, are on the disk."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Wait until the names in the folder, not yet its own, are on the disk."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def copy(source: Path, target: Path) -> None:
    """A new file with the bytes of another, not yet durable."""
    # Reads, no map: a bad sector is an error here, where in a map it would end the process.
    with _opened(source) as descriptor, create(target) as file:
        while True:
            with _translated(source):
                chunk = calls.read(descriptor, _CHUNK)
            if not chunk:
                return
            file.append(chunk)


def read(path: Path) -> bytes:
    """The bytes of a file."""
    with _opened(path) as descriptor, _translated(path):
        chunks = []
        while chunk := calls.read(descriptor, _CHUNK):
            chunks.append(chunk)
        return b"".join(chunks)


def mapped(path: Path) -> npt.NDArray[np.uint8]:
    """The bytes of a file as a map that is only read; it outlives the file's name."""
    with _opened(path) as descriptor, _translated(path):
        if os.fstat(descriptor).st_size == 0:  # which cannot be mapped
            return np.empty(0, np.uint8)
        return np.frombuffer(calls.map(descriptor), np.uint8)


def read_here_and_there(data: npt.NDArray[np.uint8], start: int, length: int) -> None:
    """Say so of these bytes of a file's map, so that nothing around them is read ahead."""
    mapped, page = getattr(data.base, "obj", None), mmap.PAGESIZE
    first, stop = -(-start // page) * page, (start + length) // page * page
    if isinstance(mapped, mmap.mmap) and first < stop:
        calls.advise(mapped, mmap.MADV_RANDOM, first, stop - first)


def unload(path: Path, data: npt.NDArray[np.uint8]) -> None:
    """Give back the memory of a file's map before it is let go, which takes some 70 ms a gigabyte
    and holds every thread up. Who reads it after all, reads the disk."""
    mapped = getattr(data.base, "obj", None)
    if isinstance(mapped, mmap.mmap):
        with _opened(path) as descriptor, _translated(path):
            for start in range(0, len(mapped), _PIECE):
                calls.advise(mapped, mmap.MADV_DONTNEED, start, min(_PIECE, len(mapped) - start))
            calls.uncache(descriptor)


def names(path: Path) -> list[str]:
    """The names in a folder, sorted."""
    with _translated(path):
        return sorted(one.name for one in path.iterdir())


def size(path: Path) -> int:
    """Bytes of the files in the folder and in those below it."""
    total = 0
    for folder, _, files in os.walk(path):
        for name in files:
            with suppress(FileNotFoundError):  # files come and go
                total += (Path(folder) / name).stat().st_size
    return total


def _sync(path: Path, flags: int) -> None:
    with _opened(path, flags) as descriptor, _translated(path):
        calls.fsync(descriptor)


@contextmanager
def _opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    with _translated(path):
        try:
            descriptor = calls.open(path, flags)
        except FileNotFoundError as error:
            message = f"{path} is missing; restore the folder"
            raise Corrupt(message, reason="FILE_MISSING") from error
    try:
        yield descriptor
    finally:
        with _translated(path):
            calls.close(descriptor)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _translation(error, path) from error


def _translation(error: OSError, path: Path) -> SpladedError:
    found = error.strerror or str(error)
    if error.errno in _FULL:
        message = f"the disk is full, or at its limit, at {path}: make room, then send it again"
        return Exhausted(message, reason="DISK_FULL")
    if error.errno in _REFUSED:
        message = f"{path}: {found}; give a folder that this user may write"
        return Unavailable(message, reason="FOLDER_NOT_WRITABLE")
    message = f"{path}: {found}; look after the disk, then send it again"
    return Unavailable(message, reason="STORAGE")
