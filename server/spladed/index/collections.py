"""A data folder: its lock, and the collections in it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Self

from spladed.errors import AlreadyExists, Mismatch, NotFound, SpladedError, Unavailable
from spladed.index import aliases, folder, storage
from spladed.index.check import check_name, is_name
from spladed.index.collection import Collection
from spladed.index.lock import FolderLock
from spladed.index.upkeep import Upkeep
from spladed.index.values import CollectionSettings

__all__ = ["Collections"]


class Collections:
    """The collections of one data folder, which this process holds until `close`.

    Safe to call from any thread. A collection that cannot be opened does not keep the
    others away: `failures` names it, and `get` raises its error. `get` takes an alias where
    it takes a name; a collection to which an alias points cannot be deleted, since whoever
    reads it by that name would stand before nothing.
    """

    def __init__(self, path: Path, upkeep: Upkeep | None = None) -> None:
        """Use `open`."""
        self._path = path
        self._upkeep = upkeep
        self._changing = threading.Lock()
        self._lock = FolderLock(path)
        self._open: dict[str, Collection] = {}
        self._failures: dict[str, SpladedError] = {}
        self._closed = False
        try:
            folder.sweep(path)
            self._aliases = aliases.load(path)
            self._open_all()
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, path: str | Path, *, upkeep: Upkeep | None = None) -> Self:
        """The collections in this folder, which is made if it is not there.

        Raises Unavailable FOLDER_HELD that names the holder, or FOLDER_NOT_WRITABLE.
        """
        folder.ensure(Path(path))
        return cls(Path(path), upkeep)

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
        """The collection of this name or alias; raises NotFound COLLECTION, or why it is
        not open."""
        self._check_open()
        name = self._aliases.get(name, name)
        if name in self._failures:
            raise self._failures[name]
        try:
            return self._open[name]
        except KeyError:
            raise _unknown(name) from None

    def create(self, name: str, settings: CollectionSettings) -> Collection:
        """A new, empty collection; raises InvalidInput COLLECTION_NAME, AlreadyExists."""
        check_name(name, reason="COLLECTION_NAME", field="name")
        with self._changing:
            self._check_open()
            if name in self.names():
                message = f"there is a collection {name}; delete it first, or choose another name"
                raise AlreadyExists(message, reason="COLLECTION", field="name")
            if name in self._aliases:
                message = f"{name} is an alias; remove it first, or choose another name"
                raise AlreadyExists(message, reason="ALIAS", field="name")
            path = self._path / name
            self._open[name] = Collection.create(path, settings, upkeep=self._upkeep)
            return self._open[name]

    def delete(self, name: str) -> None:
        """Remove the collection and its files; raises NotFound COLLECTION, Mismatch ALIASED.

        One that failed to open is removed too. One that cannot be removed stays as it was.
        """
        with self._changing:
            self._check_open()
            name = self._aliases.get(name, name)
            if name not in self.names():
                raise _unknown(name)
            self._check_no_alias(name)
            if name in self._open:
                self._open.pop(name).close()
            self._failures.pop(name, None)
            try:
                folder.remove(self._path / name)
            except SpladedError:
                self._open_one(name)
                raise

    def set_alias(self, alias: str, name: str) -> None:
        """Point this alias at a collection, in one step and durably.

        Raises InvalidInput ALIAS_NAME, NotFound COLLECTION, AlreadyExists COLLECTION for an
        alias that a collection has as its name. No alias points at an alias.
        """
        check_name(alias, reason="ALIAS_NAME", field="alias")
        with self._changing:
            self._check_open()
            if name not in self.names():
                raise _unknown(name)
            if alias in self.names():
                message = f"there is a collection {alias}; an alias needs a name of its own"
                raise AlreadyExists(message, reason="COLLECTION", field="alias")
            self._save_aliases({**self._aliases, alias: name})

    def remove_alias(self, alias: str) -> None:
        """Forget this alias, durably; one that is not there is fine."""
        with self._changing:
            self._check_open()
            if alias in self._aliases:
                rest = {key: name for key, name in self._aliases.items() if key != alias}
                self._save_aliases(rest)

    def _save_aliases(self, changed: dict[str, str]) -> None:
        aliases.save(self._path, changed)
        self._aliases = changed

    def _check_no_alias(self, name: str) -> None:
        pointing = sorted(alias for alias, target in self._aliases.items() if target == name)
        if pointing:
            raise Mismatch(
                f"the alias {pointing[0]!r} points at the collection {name!r}; point it elsewhere "
                "or remove it first",
                reason="ALIASED",
                field="name",
            )

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable(f"the data folder {self._path} is closed", reason="CLOSED")

    def _open_all(self) -> None:
        for name in storage.names(self._path):
            if is_name(name) and (self._path / name).is_dir():
                self._open_one(name)

    def _open_one(self, name: str) -> None:
        try:
            self._open[name] = Collection.open(self._path / name, upkeep=self._upkeep)
        except SpladedError as error:
            self._failures[name] = error


def _unknown(name: str) -> NotFound:
    return NotFound(f"there is no collection {name!r}", reason="COLLECTION", field="collection")
