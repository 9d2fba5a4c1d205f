"""A collection's folder as it is at one write, read beside whoever writes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from spladed.errors import NotFound, SpladedError
from spladed.index import storage
from spladed.index.catalog import CATALOG_NAME, Catalog, Reading, SegmentRow
from spladed.index.container import Container
from spladed.index.lock import LOCK_NAME
from spladed.index.values import CollectionSettings

__all__ = ["Beside", "beside"]

# A segment may be merged away between the catalog's naming it and its being opened.
_ATTEMPTS = 5
_NAMES = (CATALOG_NAME, f"{CATALOG_NAME}-wal", f"{CATALOG_NAME}-shm", LOCK_NAME)


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """The catalog and the segment files of one write, and the files of nobody.

    segments:  what the catalog says of each, and the file, mapped, or why it cannot be read
    leftovers: other files of the folder: a flush or merge is writing them, or a crash left them
    """

    settings: CollectionSettings
    reading: Reading
    segments: list[tuple[SegmentRow, Container | SpladedError]]
    leftovers: list[str]


@contextmanager
def beside(path: Path) -> Iterator[Beside]:
    """What the folder holds; SQLite's log cannot be folded back for as long as this block runs.

    Raises NotFound COLLECTION, Mismatch FORMAT_VERSION, and Corrupt for a catalog that cannot
    be read.
    """
    if not path.is_dir():
        raise NotFound(f"there is no collection at {path}", reason="COLLECTION", field="collection")
    with closing(Catalog(path / CATALOG_NAME, read_only=True)) as catalog:
        for attempt in range(_ATTEMPTS):
            with catalog.reading() as reading:
                rows = reading.segments()
                opened = [_opened(path / row.name) for row in rows]
                if any(map(_is_missing, opened)) and attempt < _ATTEMPTS - 1:
                    continue
                named = {*_NAMES, *(row.name for row in rows)}
                leftovers = [name for name in storage.names(path) if name not in named]
                segments = list(zip(rows, opened, strict=True))
                yield Beside(catalog.settings, reading, segments, leftovers)
                return


def _opened(path: Path) -> Container | SpladedError:
    try:
        return Container(storage.mapped(path), str(path))
    except SpladedError as error:
        return error


def _is_missing(opened: Container | SpladedError) -> bool:
    return isinstance(opened, SpladedError) and opened.reason == "FILE_MISSING"
