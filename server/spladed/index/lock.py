"""One process a folder: an exclusive flock on `LOCK`, which names its holder."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from spladed.errors import SpladedError, Unavailable

__all__ = ["LOCK_NAME", "FolderLock"]

LOCK_NAME = "LOCK"


class FolderLock:
    """Holds a folder from construction until `release`, or the end of the process.

    The kernel drops the lock with the process, however it ends, so the file is never stale;
    it is never removed, since a lock on a removed file excludes nobody. flock does not
    reach across machines on every network file system.

    Raises Unavailable FOLDER_HELD that names the holder, FOLDER_NOT_WRITABLE, or STORAGE where
    the file system has no locks.
    """

    def __init__(self, folder: Path) -> None:
        self._file: IO[str] = _opened(folder)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _read_holder(self._file)
            self._file.close()
            raise _held(folder, holder) from error
        except OSError as error:
            self._file.close()
            message = f"{folder} cannot be locked: {error.strerror}; use a local disk"
            raise Unavailable(message, reason="STORAGE") from error
        _write_holder(self._file.fileno())

    def release(self) -> None:
        """Let the folder go; releasing twice is fine."""
        self._file.close()


def _opened(folder: Path) -> IO[str]:
    try:
        return (folder / LOCK_NAME).open("a+", encoding="utf-8")
    except OSError as error:
        raise Unavailable(
            f"{folder} cannot be written: {error.strerror}; give a folder that this user may write",
            reason="FOLDER_NOT_WRITABLE",
        ) from error


def _read_holder(file: IO[str]) -> dict[str, Any]:
    file.seek(0)
    try:
        holder: dict[str, Any] = json.loads(file.read())
    except ValueError:  # the holder is about to write its name
        holder = {}
    return holder


def _write_holder(descriptor: int) -> None:
    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with suppress(OSError):  # a full disk can still be read, by a holder without a name
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(holder).encode())


def _held(folder: Path, holder: dict[str, Any]) -> SpladedError:
    who = "process {pid} on {host}, since {since}".format_map(
        {"pid": "unknown", "host": "an unknown host", "since": "an unknown time", **holder}
    )
    return Unavailable(
        f"{folder} is held by {who}; stop it, or use another folder", reason="FOLDER_HELD"
    )
