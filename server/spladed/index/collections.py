"""A data folder: its lock, and the collections in it."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Self

from spladed.errors import AlreadyExists, InvalidInput, NotFound, SpladedError, Unavailable
from spladed.index import folder
from spladed.index.collection import Collection
from spladed.index.lock import FolderLock
from spladed.index.values import CollectionSettings

__all__ = ["Collections"]

# A folder's name on every file system, a path's segment, and no option's look.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)


class Collections:
    """The collections of one data folder, which this process holds until `close`.

    Safe to call from any thread. A collection that cannot be opened does not keep the
    others away: `failures` names it, and `get` raises its error.
    """

    def __init__(self, path: Path) -> None:
        """Use `open`."""
        self._path = path
        self._changing = threading.Lock()
        self._lock = FolderLock(path)
        self._open: dict[str, Collection] = {}
        self._failures: dict[str, SpladedError] = {}
        self._closed = False
        try:
            folder.sweep(path)
            self._open_all()
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The collections in this folder, which is made if it is not there.

        Raises Unavailable FOLDER_HELD that names the holder, or FOLDER_NOT_WRITABLE.
        """
        folder.ensure(Path(path))
        return cls(Path(path))

    def close(self) -> None:
        """Close every collection and let the folder go; closing twice is fine."""
        with self._changing:
            for collection in self._open.values():
                collection.close()
            self._open.clear()
            self._closed = True
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def names(self) -> list[str]:
        """The names of all collections, sorted, those that failed to open too."""
        return sorted({*self._open, *self._failures})

    def failures(self) -> dict[str, SpladedError]:
        """Why each collection that could not be opened could not."""
        return dict(self._failures)

    def get(self, name: str) -> Collection:
        """The collection of this name; raises NotFound COLLECTION, or why it is not open."""
        self._check_open()
        if name in self._failures:
            raise self._failures[name]
        try:
            return self._open[name]
        except KeyError:
            raise _unknown(name) from None

    def create(self, name: str, settings: CollectionSettings) -> Collection:
        """A new, empty collection; raises InvalidInput COLLECTION_NAME, AlreadyExists."""
        if not _NAME.fullmatch(name):
            raise InvalidInput(
                f"{name!r} cannot be a collection's name; expected 1 to 63 of a-z, 0-9, _ and -, "
                "starting with a letter or digit",
                reason="COLLECTION_NAME",
                field="name",
            )
        with self._changing:
            self._check_open()
            if name in self.names():
                message = f"there is a collection {name}; delete it first, or choose another name"
                raise AlreadyExists(message, reason="COLLECTION", field="name")
            self._open[name] = Collection.create(self._path / name, settings)
            return self._open[name]

    def delete(self, name: str) -> None:
        """Remove the collection and its files; raises NotFound COLLECTION.

        One that failed to open is removed too.
        """
        with self._changing:
            self._check_open()
            if name not in self.names():
                raise _unknown(name)
            if name in self._open:
                self._open.pop(name).close()
            self._failures.pop(name, None)
            try:
                folder.remove(self._path / name)
            except SpladedError as error:
                self._failures[name] = error
                raise

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(f"the data folder {self._path} is closed", reason="CLOSED")

    def _open_all(self) -> None:
        for path in sorted(self._path.iterdir()):
            if path.is_dir() and _NAME.fullmatch(path.name):
                try:
                    self._open[path.name] = Collection.open(path)
                except SpladedError as error:
                    self._failures[path.name] = error


def _unknown(name: str) -> NotFound:
    return NotFound(f"there is no collection {name!r}", reason="COLLECTION", field="collection")
