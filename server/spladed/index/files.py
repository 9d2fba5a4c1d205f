"""Segment files: their names, how they are written, what is swept.

A file is written under a temporary name, synced, renamed, and its folder synced, before the
catalog names it; no name is used twice. What the catalog does not name is nobody's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from spladed.errors import SpladedError
from spladed.index import build, container, storage
from spladed.index.batch import Source
from spladed.index.catalog import SegmentRow
from spladed.index.segment import Segment
from spladed.index.values import CollectionSettings

__all__ = ["discard", "new_name", "opened", "row_of", "sweep", "temporary", "unload", "write"]

_SUFFIX = ".segment"
_UNFINISHED = ".unfinished"


def new_name(first_seq: int) -> str:
    """A name that sorts by seq and was never used."""
    return f"{first_seq:016x}-{uuid4().hex[:8]}{_SUFFIX}"


def temporary(path: Path) -> Path:
    """What the file is called until it is complete and durable."""
    return path.with_name(path.name + _UNFINISHED)


def write(path: Path, source: Source, settings: CollectionSettings, *, threads: int = 1) -> None:
    """Write these documents to a new file, in the order that makes pruning work; not durable.

    Raises Exhausted DISK_FULL, Unavailable STORAGE; then nothing is left.
    """
    order = build.sort_order(source)
    try:
        with storage.create(path) as file:
            sections = build.segment_sections(source, settings, order, threads=threads)
            container.write(sections, file.append)
    except BaseException:
        discard(path)
        raise


def opened(path: Path) -> Segment:
    """The file, durable under its name from now on, as a segment."""
    storage.publish(temporary(path), path)
    return Segment.open(path, for_searches=True)


def row_of(segment: Segment) -> SegmentRow:
    """What the catalog says of a segment file."""
    return SegmentRow(
        segment.first_seq, segment.last_seq, segment.name, segment.documents, segment.fingerprint
    )


def sweep(folder: Path, named: Collection[str]) -> None:
    """Remove segment files that the catalog does not name: a crash left them."""
    for name in storage.names(folder):
        if name.endswith((_SUFFIX, _UNFINISHED)) and name not in named:
            storage.remove(folder / name)


def unload(folder: Path, segments: Iterable[Segment]) -> None:
    """Give back the memory of segment files that are about to be removed, if it can be done."""
    for segment in segments:
        if segment.name:
            with suppress(SpladedError):
                storage.unload(folder / segment.name, segment.data)


def discard(*paths: Path) -> None:
    """Remove files that nobody names, if they are there and can be removed; else the next
    sweep does it."""
    for path in paths:
        with suppress(SpladedError):
            storage.remove(path)
