"""Folders and files that appear and vanish whole: built aside, synced, renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from spladed.errors import AlreadyExists, Unavailable

__all__ = ["ensure", "make", "remove", "replace", "size", "sweep"]

# No collection's name starts with a dot.
_UNFINISHED = (".making-", ".removing-")


def ensure(path: Path) -> None:
    """The folder `path` and those above it, durable; raises Unavailable FOLDER_NOT_WRITABLE."""
    missing = [one for one in (path, *path.parents) if not one.exists()]
    try:
        for one in reversed(missing):
            one.mkdir(exist_ok=True)
            _sync(one.parent)
        os.scandir(path).close()  # a file of that name is no folder
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be made: {error.strerror}; give a folder that this user may write",
            reason="FOLDER_NOT_WRITABLE",
        ) from error


def make(path: Path, fill: Callable[[Path], None]) -> None:
    """The folder `path`, filled by `fill`, durable; or nothing there if anything raises."""
    aside = path.with_name(f".making-{path.name}-{uuid4().hex[:8]}")
    ensure(path.parent)
    try:
        aside.mkdir()
        try:
            fill(aside)
            for file in (*aside.iterdir(), aside):
                _sync(file)
            if path.exists():  # renaming would replace an empty folder
                raise AlreadyExists(f"{path} exists", reason="FOLDER_EXISTS")
            aside.rename(path)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        _sync(path.parent)
    except OSError as error:
        message = f"{path} cannot be made: {error.strerror}"
        raise Unavailable(message, reason="FOLDER_NOT_WRITABLE") from error


def remove(path: Path) -> None:
    """Take the folder away at once and durably, then its files."""
    aside = path.with_name(f".removing-{path.name}-{uuid4().hex[:8]}")
    try:
        path.rename(aside)
        _sync(path.parent)
    except OSError as error:
        message = f"{path} cannot be removed: {error.strerror}"
        raise Unavailable(message, reason="FOLDER_NOT_WRITABLE") from error
    shutil.rmtree(aside, ignore_errors=True)  # what stays is swept at the next start


def replace(path: Path, content: bytes) -> None:
    """The file `path` with this content, durable; or as it was, if anything raises.

    One writer at a time: what is built aside has one name, and takes over what a crash left.
    """
    aside = path.with_name(f".making-{path.name}")
    try:
        aside.write_bytes(content)
        _sync(aside)
        aside.replace(path)
        _sync(path.parent)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}"
        raise Unavailable(message, reason="STORAGE") from error


def sweep(parent: Path) -> None:
    """Remove what an interrupted `make` or `remove` left in this folder."""
    for leftover in parent.iterdir():
        if leftover.name.startswith(_UNFINISHED):
            shutil.rmtree(leftover, ignore_errors=True)


def size(path: Path) -> int:
    """Bytes of the files in the folder."""
    total = 0
    for file in path.iterdir():
        try:
            total += file.stat().st_size
        except FileNotFoundError:  # SQLite's own files come and go
            continue
    return total


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
