"""Compiled kernels, kept from start to start: a file for each module of them.

    MODULE-KEY.zip    the SHA-256 of the rest, then a zip of the files that numba wrote

KEY says what they were compiled from, by what and for which processor: an upgrade or another
machine that shares the folder has other files, and old ones are never read again.

numba's own files cannot be used where they are kept: it wants to write in the folder that it
reads, ends the start over a cut pickle and the process over rotten machine code, and takes a
kernel for unchanged when a function that was compiled into it has changed. So numba works in
a folder of its process alone, filled from the file and thrown away; the file is read whole,
checked, and only ever replaced whole. Processes that start together each write the same one.

What is in the file is run: a file or folder that another user could have written is refused.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

__all__ = ["Kept", "work_folder"]

_LOG = logging.getLogger("spladed")
_DIGEST_BYTES = 32
# Of one module: for other versions and processors that share a folder.
_MOST_FILES = 16


@dataclass(frozen=True, slots=True)
class Kept:
    """A module's kernels in a folder; None is no folder, which keeps nothing."""

    folder: Path | None
    name: str
    key: str

    @property
    def path(self) -> Path:
        """The file."""
        return (self.folder or Path()) / f"{self.name}-{self.key}.zip"

    def unpack(self, target: Path) -> bool:
        """Whether the files were kept, whole, and are in `target` now."""
        try:
            data = self._read()
        except OSError:  # why, `pack` will say, unless it can replace what is there
            return False
        digest, files = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        if sha256(files).digest() != digest:
            _LOG.warning("kept kernels are damaged, and are made anew: %s", self.path)
            return False
        with zipfile.ZipFile(io.BytesIO(files)) as packed:
            packed.extractall(target)
        return True

    def pack(self, source: Path) -> None:
        """Keep the module's files of `source`; raises OSError if that cannot or must not be."""
        if self.folder is None:
            raise FileNotFoundError(errno.ENOENT, "this user has no home folder")
        self.folder.mkdir(0o700, parents=True, exist_ok=True)
        _check_owner(self.folder.stat())
        files = io.BytesIO()
        with zipfile.ZipFile(files, "w") as packed:
            for path in sorted(source.rglob(f"{self.name}.*.nb?")):
                packed.write(path, path.relative_to(source))
        _replace(self.path, sha256(files.getvalue()).digest() + files.getvalue())
        self._sweep()

    def _read(self) -> bytes:
        if self.folder is None:
            raise FileNotFoundError
        _check_owner(self.folder.stat())
        with self.path.open("rb") as file:
            _check_owner(os.fstat(file.fileno()))
            return file.read()

    def _sweep(self) -> None:
        """Only the newest files stay."""
        with suppress(FileNotFoundError):  # another process sweeps too
            found = self.path.parent.glob(f"{self.name}-*.zip")
            oldest_first = sorted(found, key=lambda path: path.stat().st_mtime)
            for path in oldest_first[:-_MOST_FILES]:
                path.unlink()


@contextmanager
def work_folder(*also: Path | None) -> Iterator[Path | None]:
    """A folder of this process alone while the block lasts: where temporary files go, else in
    the first of `also` that can be written; None if there is no place at all."""
    for parent in (None, *also):
        with suppress(OSError):
            temporary = tempfile.TemporaryDirectory(prefix="kernels-", dir=parent)
            break
    else:
        yield None
        return
    with temporary as folder:
        yield Path(folder)


def _check_owner(found: os.stat_result) -> None:
    """Raises PermissionError if someone else may write here."""
    if found.st_uid not in (os.geteuid(), 0):
        why = f"it belongs to user {found.st_uid}, who could put code there"
        raise PermissionError(errno.EPERM, why)
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        why = f"its mode {found.st_mode & 0o777:o} lets others put code there; chmod go-w it"
        raise PermissionError(errno.EPERM, why)


def _replace(path: Path, data: bytes) -> None:
    """The file whole or not at all; a power cut may leave a damaged one, which is found."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".making-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
