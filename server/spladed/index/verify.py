"""Is everything in a collection's folder what was written, and does it fit together?

Everything is read: every section of every segment and batch has its checksum and holds its
invariants, postings are those of the rows, texts decode, no id lives twice. Reads beside the
writer, one write's state. A million documents of 120 terms take a core half a minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from spladed.errors import Corrupt, SpladedError
from spladed.index import sound, tables
from spladed.index.beside import Beside, beside
from spladed.index.catalog import CATALOG_NAME, SegmentRow
from spladed.index.container import Container
from spladed.index.segment import Segment
from spladed.index.settings import check_settings
from spladed.index.snapshot import Part

__all__ = ["Report", "check"]


@dataclass(frozen=True, slots=True)
class Report:
    """What is wrong, and how much was looked at.

    problems:   each names its file, and the section or table in it
    leftovers:  files that the catalog does not name, and that change nothing: a flush or merge
                is writing them, or a crash left them, for the next open to remove
    generation: of the write whose state was looked at; -1 where the catalog cannot be read
    files:      segment files; `sections` and `bytes` of them and of batches
    documents:  dead ones too
    """

    problems: list[str]
    leftovers: list[str]
    generation: int
    files: int
    sections: int
    documents: int
    weights: int
    bytes: int


@dataclass(slots=True)
class _Found:
    """A report while it is made, and the parts that are sound."""

    problems: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    generation: int = -1
    files: int = 0
    sections: int = 0
    documents: int = 0
    weights: int = 0
    bytes: int = 0
    parts: list[Part] = field(default_factory=list)

    def add(self, where: str, problems: Iterable[str]) -> None:
        self.problems += (f"{where}: {each}" for each in problems)

    def report(self) -> Report:
        return Report(
            self.problems, self.leftovers, self.generation,
            self.files, self.sections, self.documents, self.weights, self.bytes,
        )  # fmt: skip


def check(path: str | Path) -> Report:
    """What is wrong with the collection in this folder, which somebody may be writing.

    Raises NotFound COLLECTION, Mismatch FORMAT_VERSION, Unavailable where it cannot be read.
    """
    found = _Found()
    try:
        with beside(Path(path)) as here:
            found.generation, found.leftovers = here.reading.generation, here.leftovers
            found.add(CATALOG_NAME, [*here.reading.problems(), *_settings(here)])
            _check(here, found)
    except Corrupt as error:  # of the catalog: there is no more to be read
        found.problems.append(error.message)
    return found.report()


def _settings(here: Beside) -> Iterator[str]:
    try:
        check_settings(here.settings)
    except SpladedError as error:
        yield error.message


def _check(here: Beside, found: _Found) -> None:
    ranges = [
        *((row.first_seq, row.last_seq, row.name) for row, _ in here.segments),
        *(_batches(here, found)),
    ]
    found.add(CATALOG_NAME, tables.apart(ranges, here.reading.next_seq))
    for row, opened in here.segments:
        _segment(here, row, opened, found)
    dead, unpurged, problems = tables.deletes(here.reading)
    found.add(f"{CATALOG_NAME}, deletes", problems)
    live = [part.without_seqs(dead) for part in found.parts]
    found.add("ids", _living_twice(live))
    seqs = [part.segment.seqs[part.live_rows()] for part in live]
    expected = np.concatenate([*seqs, unpurged]) if len(live) == len(ranges) else None
    found.add(
        f"{CATALOG_NAME}, documents",
        tables.payloads(here.reading, expected, store_text=here.settings.store_text),
    )
    found.add(f"{CATALOG_NAME}, bundles", tables.bundles(here.reading))


def _batches(here: Beside, found: _Found) -> Iterator[tuple[int, int, str]]:
    """Check each batch; its first and last seq, and what to call it."""
    sizes = here.reading.batch_sizes()
    for (first_seq, data), size in zip(here.reading.batches(), sizes, strict=True):
        where = f"{CATALOG_NAME}, batch {first_seq}"
        try:
            segment = _sound(Container.of(data, where), here, found, where, is_batch=True)
        except SpladedError as error:
            found.problems.append(error.message)
            segment = None
        if segment is not None and not np.array_equal(
            segment.seqs, np.arange(first_seq, size.last_seq + 1)
        ):
            found.add(where, [f"seqs: are not {first_seq} to {size.last_seq}"])
        yield first_seq, size.last_seq, where


def _segment(
    here: Beside, row: SegmentRow, opened: Container | SpladedError, found: _Found
) -> None:
    found.files += 1
    if isinstance(opened, SpladedError):
        found.problems.append(opened.message)
        return
    fingerprint = f"{opened.fingerprint:016x}"
    if fingerprint != row.fingerprint:
        said = f"the catalog names one of fingerprint {row.fingerprint}, this is {fingerprint}"
        found.add(row.name, [f"is another file: {said}"])
    segment = _sound(opened, here, found, row.name, is_batch=False)
    if segment is None:
        return
    counts = (segment.documents, segment.first_seq, segment.last_seq)
    if counts != (row.documents, row.first_seq, row.last_seq):
        said = f"the catalog says {row.documents}, {row.first_seq} to {row.last_seq}"
        found.add(row.name, [f"seqs: {counts[0]} documents, {counts[1]} to {counts[2]}; {said}"])


def _sound(
    container: Container, here: Beside, found: _Found, where: str, *, is_batch: bool
) -> Segment | None:
    """Check sections, count what was looked at; the segment, if nothing is wrong with it."""
    problems = list(_checksums(container))
    problems += (f"{name}: the bytes before it are not 0" for name in container.unclean())
    found.sections += len(container.names)
    found.bytes += len(container.data)
    if not problems:
        problems = sound.problems(container, here.settings, is_batch=is_batch)
    found.add(where, problems)
    if problems:
        return None
    segment = Segment(container)
    found.documents += segment.documents
    found.weights += segment.weights
    found.parts.append(Part.of(segment))
    return segment


def _checksums(container: Container) -> Iterator[str]:
    for name in container.names:
        try:
            container.verify(name)
        except Corrupt:
            yield f"{name}: does not have its checksum"


def _living_twice(live: list[Part]) -> Iterator[str]:
    hashes = [part.segment.ids.hashes[part.live_rows()] for part in live]
    together = np.concatenate([*hashes, np.empty(0, np.uint64)])
    order = np.argsort(together, kind="stable")
    again = np.flatnonzero(together[order][1:] == together[order][:-1])
    starts = np.cumsum([0, *map(len, hashes)])
    seen: dict[str, str] = {}
    for place in sorted({*order[again].tolist(), *order[again + 1].tolist()}):
        number = int(np.searchsorted(starts, place, side="right")) - 1
        part = live[number]
        id = part.segment.id(int(part.live_rows()[place - starts[number]]))
        if id in seen:
            yield f"{id!r} lives in {seen[id]} and in {part.segment.container.where}"
        seen[id] = part.segment.container.where
