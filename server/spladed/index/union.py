"""Documents of several segments as one source: what a flush or a merge writes anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from spladed.index import columns
from spladed.index.batch import Columns
from spladed.index.ids import Ids
from spladed.index.packed import Packed
from spladed.index.segment import Segment
from spladed.index.snapshot import Part
from spladed.index.values import Field

__all__ = ["Union", "shares_of"]

_Numbers = npt.NDArray[np.int64]


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
        self.ids = Ids.concatenate(
            [segment.ids.take(self._rows[mine]) for segment, mine in self._shares()]
        )
        self.columns = self._columns()

    def lengths(self) -> _Numbers:
        """How many terms each document has."""
        counts = [segment.lengths(self._rows[mine]) for segment, mine in self._shares()]
        return np.concatenate([*counts, np.empty(0, np.int64)])

    def keys(self) -> npt.NDArray[np.uint64]:
        """The sort key of each document, read in the order of rows, as they lie on disk."""
        keys = np.empty(len(self.seqs), np.uint64)
        for segment, mine in self._shares():
            numbers = mine.start + np.argsort(self._rows[mine])
            keys[numbers] = segment.keys(self._rows[numbers])
        return keys

    def packed(self, numbers: _Numbers) -> Packed:
        """The rows of these documents, in the order named, byte for byte."""
        part = np.searchsorted(self._starts, numbers, side="right") - 1
        rows = self._rows[numbers]
        shares = list(shares_of(self._segments, part))
        sizes = np.empty(len(numbers), np.int64)
        for segment, mine in shares:
            sizes[mine] = segment.sizes(rows[mine])
        first = self._segments[0]
        taken = Packed.of_sizes(sizes, wide=first.wide, floats=first.floats)
        for segment, mine in shares:
            segment.copy(rows[mine], taken.data, taken.starts[:-1][mine])
        return taken

    def _columns(self) -> Columns:
        taken = [
            columns.take(self._fields, segment.columns, self._rows[mine])
            for segment, mine in self._shares()
        ]
        return columns.concatenate(self._fields, taken, np.diff(self._starts).tolist())

    def _shares(self) -> Iterator[tuple[Segment, slice]]:
        """Each segment, and its stretch of the documents."""
        stretches = pairwise(self._starts.tolist())
        for segment, (start, stop) in zip(self._segments, stretches, strict=True):
            yield segment, slice(start, stop)


def shares_of(segments: Sequence[Segment], part: _Numbers) -> Iterator[tuple[Segment, _Numbers]]:
    """Each segment that is named in `part`, and where."""
    for number, segment in enumerate(segments):
        if len(mine := np.flatnonzero(part == number)):
            yield segment, mine
