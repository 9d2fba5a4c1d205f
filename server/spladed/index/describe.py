"""What does a collection's folder hold, and where do its bytes go?

Reads the catalog and what segment files say of themselves, beside the writer; checks nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spladed.errors import SpladedError
from spladed.index import folder
from spladed.index.beside import Beside, beside
from spladed.index.catalog import CATALOG_NAME, Reading
from spladed.index.container import Container
from spladed.index.load import deleted, stored_batches
from spladed.index.segment import Segment
from spladed.index.snapshot import Part
from spladed.index.values import CollectionSettings

__all__ = ["Buffered", "Described", "Encoded", "Section", "Sized", "inspect"]

_NUMBERED = re.compile(r"^([wb])\d+/")


@dataclass(frozen=True, slots=True)
class Section:
    """Bytes of one kind of section; those of all windows together, as `w*/rows`, and of all
    spans of bounds, as `b*/rows`."""

    name: str
    bytes: int
    bytes_per_document: float


@dataclass(frozen=True, slots=True)
class Sized:
    """A segment file; documents with the dead ones, who are counted apart."""

    name: str
    documents: int
    dead: int
    weights: int
    windows: int
    first_seq: int
    last_seq: int
    bytes: int
    sections: Sequence[Section]


@dataclass(frozen=True, slots=True)
class Buffered:
    """What is in no segment file yet, and stands in the catalog."""

    batches: int
    documents: int
    dead: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """The documents with a seq from `first_seq` to `last_seq` are of this bundle."""

    first_seq: int
    last_seq: int
    bundle_id: str


@dataclass(frozen=True, slots=True)
class Described:
    """A collection as it is after write number `generation`.

    layout:    how many flushes, merges and loads changed where documents lie
    documents: live ones, who were written as numbers 0 to `next_seq` - 1, with the dead
    deletes:   sets of dead documents, and how many those name
    texts:     documents that have a text or metadata
    """

    settings: CollectionSettings
    generation: int
    layout: int
    next_seq: int
    documents: int
    dead: int
    deletes: int
    deleted: int
    texts: int
    segments: Sequence[Sized]
    buffer: Buffered
    bundles: Sequence[Encoded]
    leftovers: Sequence[str]
    catalog_bytes: int
    bytes: int


def inspect(path: str | Path) -> Described:
    """What is in this folder, which somebody may be writing.

    Raises NotFound COLLECTION, Mismatch FORMAT_VERSION, Corrupt.
    """
    path = Path(path)
    with beside(path) as here:
        return _described(path, here)


def _described(path: Path, here: Beside) -> Described:
    reading = here.reading
    dead = deleted(reading)
    parts = [Part.of(_segment(opened)).without_seqs(dead) for _, opened in here.segments]
    waiting = [part.without_seqs(dead) for part in stored_batches(reading)]
    counts = reading.counts()
    together = [*parts, *waiting]
    return Described(
        settings=here.settings,
        generation=reading.generation,
        layout=reading.layout,
        next_seq=reading.next_seq,
        documents=sum(part.live_count for part in together),
        dead=sum(part.dead_count for part in together),
        deletes=counts["deletes"],
        deleted=len(np.unique(dead)),
        texts=counts["documents"],
        segments=[
            _sized(row.name, part) for (row, _), part in zip(here.segments, parts, strict=True)
        ],
        buffer=_buffered(waiting),
        bundles=_bundles(reading),
        leftovers=here.leftovers,
        catalog_bytes=(path / CATALOG_NAME).stat().st_size,
        bytes=folder.size(path),
    )


def _segment(opened: Container | SpladedError) -> Segment:
    if isinstance(opened, SpladedError):
        raise opened
    return Segment(opened)


def _sized(name: str, part: Part) -> Sized:
    segment = part.segment
    return Sized(
        name=name,
        documents=segment.documents,
        dead=part.dead_count,
        weights=segment.weights,
        windows=len(segment.directory),
        first_seq=segment.first_seq,
        last_seq=segment.last_seq,
        bytes=len(segment.data),
        sections=_sections(segment.container, segment.documents),
    )


def _sections(container: Container, documents: int) -> list[Section]:
    sizes: dict[str, int] = {}
    for name in container.names:
        kind = _NUMBERED.sub(r"\1*/", name)
        sizes[kind] = sizes.get(kind, 0) + container.size(name)
    return [Section(name, size, round(size / documents, 3)) for name, size in sizes.items()]


def _buffered(parts: Sequence[Part]) -> Buffered:
    return Buffered(
        batches=len(parts),
        documents=sum(part.segment.documents for part in parts),
        dead=sum(part.dead_count for part in parts),
        bytes=sum(len(part.segment.data) for part in parts),
    )


def _bundles(reading: Reading) -> list[Encoded]:
    entries = reading.bundles()
    ends = [*(first for first, _ in entries), reading.next_seq][1:]
    pairs = zip(entries, ends, strict=True)
    return [Encoded(first, end - 1, bundle_id) for (first, bundle_id), end in pairs]
