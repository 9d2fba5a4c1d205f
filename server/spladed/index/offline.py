"""What is done in a data folder without opening its collections."""

from __future__ import annotations

from pathlib import Path

from spladed.errors import AlreadyExists, NotFound
from spladed.index import aliases, backup, folder
from spladed.index.check import check_name, is_name
from spladed.index.lock import FolderLock
from spladed.index.verify import Report, check

__all__ = ["locate", "restore"]


def locate(data: str | Path, name: str) -> Path:
    """The folder of the collection of this name or alias, whoever holds the data folder.

    Raises NotFound COLLECTION, Corrupt ALIASES.
    """
    path = Path(data)
    name = aliases.load(path).get(name, name)
    if not is_name(name) or not (path / name).is_dir():
        message = f"there is no collection {name!r} in {path}"
        raise NotFound(message, reason="COLLECTION", field="collection")
    return path / name


def restore(source: str | Path, data: str | Path, name: str) -> Report:
    """A backup as a collection of this name in a data folder that nobody serves.

    Durable on return, and checked whole: what `check` then says of it.
    Raises InvalidInput COLLECTION_NAME, AlreadyExists, Unavailable FOLDER_HELD, NotFound
    COLLECTION where there is no backup, Corrupt, Exhausted DISK_FULL.
    """
    check_name(name, reason="COLLECTION_NAME", field="collection")
    path = Path(data)
    folder.ensure(path)
    lock = FolderLock(path)
    try:
        if name in aliases.load(path):
            message = f"{name} is an alias in {path}; choose another name"
            raise AlreadyExists(message, reason="ALIAS", field="collection")
        backup.restore(Path(source), path / name)
        return check(path / name)
    finally:
        lock.release()
