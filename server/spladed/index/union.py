"""Documents of several segments as one source: what a flush or a merge writes anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from spladed.index import columns
from spladed.index.batch import Columns
from spladed.index.ids import Ids
from spladed.index.kernels.build import sort_keys
from spladed.index.packed import Packed, starts_of
from spladed.index.rows import Rows
from spladed.index.segment import Segment
from spladed.index.snapshot import Part
from spladed.index.values import Field

__all__ = ["Union", "gathered"]

_Numbers = npt.NDArray[np.int64]

# Rows are read in chunks of this many to find their heaviest terms.
_CHUNK = 65_536


class Union:
    """The live documents of some parts, by rising seq; a Source.

    The parts' seqs lie apart and rise, so that each part has one stretch of the documents.
    """

    def __init__(self, parts: Sequence[Part], fields: Sequence[Field]) -> None:
        self._segments = [part.segment for part in parts]
        self._fields = fields
        rows = [part.live_rows_by_seq() for part in parts]
        self._starts = np.cumsum([0, *map(len, rows)])
        self._rows = np.concatenate([*rows, np.empty(0, np.int64)])
        seqs = [segment.seqs[mine] for segment, mine in zip(self._segments, rows, strict=True)]
        self.seqs: _Numbers = np.concatenate([*seqs, np.empty(0, np.int64)])

    @cached_property
    def ids(self) -> Ids:
        """The ids."""
        return Ids.concatenate(
            [segment.ids.take(self._rows[mine]) for segment, mine in self._shares()]
        )

    @cached_property
    def columns(self) -> Columns:
        """The columns of declared fields."""
        taken = [
            columns.take(self._fields, segment.columns, self._rows[mine])
            for segment, mine in self._shares()
        ]
        return columns.concatenate(self._fields, taken, np.diff(self._starts).tolist())

    def lengths(self) -> _Numbers:
        """How many terms each document has."""
        counts = [segment.lengths(self._rows[mine]) for segment, mine in self._shares()]
        return np.concatenate([*counts, np.empty(0, np.int64)])

    def keys(self) -> npt.NDArray[np.uint64]:
        """The sort key of each document, read in the order of rows, as they lie on disk."""
        keys = np.empty(len(self.seqs), np.uint64)
        for segment, mine in self._shares():
            numbers = mine.start + np.argsort(self._rows[mine])
            for start in range(0, len(numbers), _CHUNK):
                chunk = numbers[start : start + _CHUNK]
                rows = segment.rows(self._rows[chunk])
                keys[chunk] = sort_keys(rows.indptr, rows.indices, rows.weights)
        return keys

    def packed(self, numbers: _Numbers, *, wide: bool) -> Packed:
        """The rows of these documents, in the order named, byte for byte."""
        part = np.searchsorted(self._starts, numbers, side="right") - 1
        rows = self._rows[numbers]
        sizes = np.empty(len(numbers), np.int64)
        shares = list(_shares_of(self._segments, part))
        for segment, mine in shares:
            sizes[mine] = segment.sizes(rows[mine])
        starts = starts_of(sizes)
        data = np.empty(int(starts[-1]), np.uint8)
        for segment, mine in shares:
            segment.copy(rows[mine], data, starts[:-1][mine].astype(np.int64))
        return Packed(data, starts, wide, any(segment.floats for segment in self._segments))

    def _shares(self) -> Iterator[tuple[Segment, slice]]:
        """Each segment, and its stretch of the documents."""
        stretches = pairwise(self._starts.tolist())
        for segment, (start, stop) in zip(self._segments, stretches, strict=True):
            yield segment, slice(start, stop)


def gathered(segments: Sequence[Segment], part: _Numbers, rows: _Numbers) -> Rows:
    """The rows `rows[i]` of segment `part[i]`, in the order named."""
    shares = list(_shares_of(segments, part))
    lengths = np.empty(len(rows), np.int64)
    for segment, mine in shares:
        lengths[mine] = segment.lengths(rows[mine])
    taken = Rows.of_lengths(lengths, floats=any(segment.floats for segment in segments))
    for segment, mine in shares:
        segment.unpack(rows[mine], taken, taken.indptr[:-1][mine])
    return taken


def _shares_of(
    segments: Sequence[Segment], part: _Numbers
) -> Iterator[tuple[Segment, _Numbers]]:
    """Each segment that is named in `part`, and where."""
    for number, segment in enumerate(segments):
        if len(mine := np.flatnonzero(part == number)):
            yield segment, mine
