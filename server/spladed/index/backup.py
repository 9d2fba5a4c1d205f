"""Copies of a collection: made while it is written, checked before they count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from spladed.errors import Mismatch, NotFound
from spladed.index import folder, storage
from spladed.index.catalog import CATALOG_NAME, Catalog, SegmentRow
from spladed.index.load import load
from spladed.index.lock import LOCK_NAME, FolderLock

__all__ = ["BackedUp", "copy", "restore"]


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a backup holds: the documents of one generation, in this many bytes."""

    generation: int
    bytes: int


def copy(source: Path, catalog: Catalog, destination: Path) -> BackedUp:
    """Copy catalog, then the segments that the copy names: one moment, whatever is written
    meanwhile. The caller sees to it that no segment file goes away."""

    def fill(aside: Path) -> None:
        catalog.copy_to(aside / CATALOG_NAME)
        for row in _segments(aside / CATALOG_NAME):
            storage.copy(source / row.name, aside / row.name)
        _verify(aside)

    folder.make(destination, fill)
    return BackedUp(_verify_generation(destination), folder.size(destination))


def restore(source: Path, path: Path) -> None:
    """A new folder with the collection of a backup, or of a folder that nobody writes; every
    byte checked."""
    if not (source / CATALOG_NAME).is_file():
        raise NotFound(f"there is no backup at {source}", reason="COLLECTION")
    if source.resolve() == path.resolve():
        raise Mismatch(f"{source} is the backup itself; name a new folder", reason="RESTORE")

    def fill(aside: Path) -> None:
        storage.copy(source / CATALOG_NAME, aside / CATALOG_NAME)
        for row in _segments(aside / CATALOG_NAME):
            storage.copy(source / row.name, aside / row.name)
        _verify(aside)

    with _at_rest(source):
        folder.make(path, fill)


@contextmanager
def _at_rest(source: Path) -> Iterator[None]:
    """Nobody writes the folder while this block runs; one that was never opened has no lock.

    Raises Unavailable FOLDER_HELD, and Mismatch RESTORE where writes stand in SQLite's log
    alone, which a copy of the catalog would lose.
    """
    lock = FolderLock(source) if (source / LOCK_NAME).exists() else None
    try:
        log = source / f"{CATALOG_NAME}-wal"
        if log.exists() and log.stat().st_size:
            raise Mismatch(
                f"{source} is no backup: it was not closed by the process that wrote it; open it "
                "once, or make a backup of it",
                reason="RESTORE",
            )
        yield
    finally:
        if lock is not None:
            lock.release()


def _segments(catalog_path: Path) -> Sequence[SegmentRow]:
    with closing(Catalog(catalog_path)) as catalog, catalog.reading() as reading:
        return reading.segments()


def _verify(path: Path) -> None:
    """Raises Corrupt unless every byte is as it was written."""
    with closing(Catalog(path / CATALOG_NAME)) as catalog, catalog.reading() as reading:
        snapshot = load(path, reading, catalog.settings)
        for part in snapshot.parts:
            part.segment.verify()


def _verify_generation(path: Path) -> int:
    with closing(Catalog(path / CATALOG_NAME)) as catalog, catalog.reading() as reading:
        return reading.generation
