"""Folders and files that appear and vanish whole: built aside, synced, renamed."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from spladed.errors import AlreadyExists, SpladedError
from spladed.index import storage
from spladed.index.storage import size

__all__ = ["ensure", "make", "remove", "replace", "settle", "size", "sweep"]

# No collection's name starts with a dot.
_UNFINISHED = (".making-", ".removing-")


def ensure(path: Path) -> None:
    """The folder `path` and those above it, durable; raises Unavailable FOLDER_NOT_WRITABLE."""
    there, missing = path, []
    while not there.exists():
        missing.append(there)
        there = there.parent
    settle(there)
    for one in reversed(missing):
        storage.make_folder(one)
        try:
            storage.sync_folder(one.parent)
        except BaseException:
            storage.discard(one)  # the next attempt would take it for durable
            raise
    storage.names(path)  # a file of that name is no folder


def settle(path: Path) -> None:
    """Make the name of a folder that is there durable.

    A process that was killed between giving the name and syncing it left this to the next
    one, which would else lose all that it writes there with the power.
    """
    if os.access(path.parent, os.R_OK):  # else it was made by somebody else
        storage.sync_folder(path.parent)


def make(path: Path, fill: Callable[[Path], None]) -> None:
    """The folder `path`, filled by `fill`, durable; or nothing there if anything raises.

    Whatever `fill` leaves is synced here, file by file.
    """
    aside = path.with_name(f".making-{path.name}-{uuid4().hex[:8]}")
    ensure(path.parent)
    _check_free(path)  # filling may take long
    try:
        storage.make_folder(aside)
        fill(aside)
        _sync_tree(aside)
        _check_free(path)  # renaming would replace an empty folder
        storage.rename(aside, path)
    except BaseException:
        storage.discard(aside)
        raise
    try:
        storage.sync_folder(path.parent)
    except BaseException:
        with suppress(SpladedError):
            remove(path)
        raise


def remove(path: Path) -> None:
    """Take the folder away at once and durably, then its files; or it stays, if anything raises."""
    aside = path.with_name(f".removing-{path.name}-{uuid4().hex[:8]}")
    storage.rename(path, aside)
    try:
        storage.sync_folder(path.parent)
    except BaseException:
        with suppress(SpladedError):
            storage.rename(aside, path)
        raise
    storage.discard(aside)  # what stays is swept at the next start


def replace(path: Path, content: bytes) -> None:
    """The file `path` with this content, durable; or as it was, if anything raises.

    One writer at a time: what is built aside has one name, and takes over what a crash left.
    """
    before = storage.read(path) if path.exists() else None
    _build_aside(path, content)
    try:
        storage.publish(_aside(path), path)
    except BaseException:
        with suppress(SpladedError):
            _put_back(path, before)
        raise


def sweep(parent: Path) -> None:
    """Remove what an interrupted `make`, `remove` or `replace` left in this folder."""
    unfinished = [name for name in storage.names(parent) if name.startswith(_UNFINISHED)]
    if unfinished:  # else the power might give one its old name back, with half of its files
        storage.sync_folder(parent)
    for name in unfinished:
        storage.discard(parent / name)


def _check_free(path: Path) -> None:
    if path.exists():
        raise AlreadyExists(f"{path} exists", reason="FOLDER_EXISTS")


def _aside(path: Path) -> Path:
    return path.with_name(f".making-{path.name}")


def _build_aside(path: Path, content: bytes) -> None:
    storage.remove(_aside(path))
    with storage.create(_aside(path)) as file:
        file.append(content)


def _put_back(path: Path, before: bytes | None) -> None:
    """Undo a rename of which nobody knows whether the disk has it; not synced, for the same."""
    if before is None:
        storage.remove(path)
    else:
        _build_aside(path, before)
        storage.rename(_aside(path), path)


def _sync_tree(path: Path) -> None:
    for name in storage.names(path):
        one = path / name
        if one.is_dir():
            _sync_tree(one)
        else:
            storage.sync_file(one)
    storage.sync_folder(path)
