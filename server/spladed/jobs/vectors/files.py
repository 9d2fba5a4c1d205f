"""Files in and out: what cannot be read is named, what is written appears whole."""

from __future__ import annotations

import errno
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from spladed.errors import Exhausted, InvalidInput, SpladedError, Unavailable

__all__ = ["create", "foreign", "unwritable", "written"]


def foreign(path: Path, found: str, expected: str) -> InvalidInput:
    """The error for a file that is cut short, or is no file of the format."""
    return InvalidInput(
        f"{path} {found}; expected {expected}: copy the file again, or name another --format",
        reason="FILE_FORMAT",
        field=str(path),
    )


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends well.

    Half a file of rows looks like a whole one to some readers. Raises what
    `unwritable` gives.
    """
    aside = path.with_name(f".{path.name}.part")
    try:
        try:
            yield aside
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(str(path), error) from error


def unwritable(what: str, error: OSError) -> SpladedError:
    """The error for a write that failed: Exhausted DISK_FULL, or Unavailable STORAGE."""
    message = f"cannot write {what}: {error.strerror or error}; free space or give another path"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Exhausted(message, reason="DISK_FULL", field=what)
    return Unavailable(message, reason="STORAGE", field=what)


def create(path: Path, *, packed: bool) -> IO[bytes]:
    """A new file to write to, through gzip if `packed`."""
    return cast("IO[bytes]", gzip.open(path, "wb", 6)) if packed else path.open("wb")
