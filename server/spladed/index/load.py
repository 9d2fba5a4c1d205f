"""The snapshot that a folder holds: segments mapped, batches read, the dead marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spladed.errors import Corrupt
from spladed.index import buffer
from spladed.index.catalog import Reading, SegmentRow
from spladed.index.commit import decode_seqs
from spladed.index.container import Container
from spladed.index.segment import Segment
from spladed.index.snapshot import Part, Snapshot
from spladed.index.union import Union
from spladed.index.values import CollectionSettings

__all__ = ["batches", "deleted", "load", "stored_batches"]


def load(
    folder: Path,
    reading: Reading,
    settings: CollectionSettings,
    known: Mapping[str, Segment] | None = None,
) -> Snapshot:
    """The live documents; `known` are segments by name that are open already.

    Raises Corrupt, naming the file, if a segment is missing, is another one than the catalog
    names, or is not what was written; likewise for batches and sets of deletes.
    """
    segments = [_segment(folder, row, known or {}) for row in reading.segments()]
    parts = [Part.of(segment) for segment in segments]
    parts += batches(reading, settings)
    dead = deleted(reading)
    left = tuple(part.without_seqs(dead) for part in parts)
    return Snapshot(reading.generation, buffer.merged(left, settings, frozen_through=-1))


def batches(reading: Reading, settings: CollectionSettings, after_seq: int = -1) -> list[Part]:
    """A part for each batch beyond a seq, to be searched."""
    return [
        buffer.part_of(Union([part], settings.fields), settings)
        for part in stored_batches(reading, after_seq)
    ]


def stored_batches(reading: Reading, after_seq: int = -1) -> Iterator[Part]:
    """Each batch beyond a seq as it is stored, without postings; every byte checked."""
    for first_seq, data in reading.batches(after_seq):
        batch = Segment(Container.of(data, f"batch {first_seq} of {reading.where}"))
        batch.verify()
        yield Part.of(batch)


def deleted(reading: Reading, after_generation: int = -1) -> npt.NDArray[np.int64]:
    """The seqs that died by later writes."""
    sets = [decode_seqs(data) for _, data in reading.deletes(after_generation)]
    return np.concatenate([*sets, np.empty(0, np.int64)])


def _segment(folder: Path, row: SegmentRow, known: Mapping[str, Segment]) -> Segment:
    segment = known.get(row.name) or Segment.open(folder / row.name, for_searches=True)
    found = (segment.first_seq, segment.last_seq, segment.documents, segment.fingerprint)
    if found != (row.first_seq, row.last_seq, row.documents, row.fingerprint):
        raise Corrupt(
            f"{folder / row.name} is not the file that the catalog names: it has documents "
            f"{found[0]} to {found[1]}, {found[2]} of them, fingerprint {found[3]}; restore it "
            "from a backup",
            reason="SEGMENT",
        )
    return segment
