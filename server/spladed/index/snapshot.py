"""What a reader sees: segments, and which of their rows live. Nothing in it changes.

A write makes the next snapshot out of this one; the arrays that did not change are shared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spladed.index import bits
from spladed.index.bits import Bits
from spladed.index.ids import Ids
from spladed.index.kernels.bits import are_set, clear
from spladed.index.segment import Segment

__all__ = ["Part", "Place", "Snapshot"]

_Numbers = npt.NDArray[np.int64]

# (part, row): where a document is.
Place = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One segment and its live rows, a bitmap (see `bits`)."""

    segment: Segment
    live: Bits
    live_count: int

    @classmethod
    def of(cls, segment: Segment) -> Part:
        """The segment with every row alive."""
        return cls(segment, bits.every(segment.documents), segment.documents)

    @property
    def dead_count(self) -> int:
        """How many rows are dead."""
        return self.segment.documents - self.live_count

    @property
    def sizes(self) -> tuple[int, int]:
        """(documents, dead ones)."""
        return self.segment.documents, self.dead_count

    def without(self, rows: _Numbers) -> Part:
        """The same segment with these rows dead too."""
        live = self.live.copy()
        cleared = clear(live, rows)
        return Part(self.segment, live, self.live_count - cleared) if cleared else self

    def without_seqs(self, seqs: _Numbers) -> Part:
        """The same segment with these seqs dead too, as far as it has them."""
        rows = self.segment.rows_of_seqs(seqs) if len(seqs) else seqs
        return self.without(rows[rows >= 0])

    def live_rows(self) -> _Numbers:
        """The live rows, rising."""
        return bits.rows_of(self.live, self.segment.documents)

    def live_rows_by_seq(self) -> _Numbers:
        """The live rows by rising seq."""
        rows = self.segment.by_seq.astype(np.int64)
        return rows if not self.dead_count else rows[are_set(self.live, rows)]

    def dead_seqs(self) -> _Numbers:
        """The seqs of its dead rows."""
        if not self.dead_count:
            return np.empty(0, np.int64)
        return self.segment.seqs[bits.rows_of(~self.live, self.segment.documents)]

    def live_nnz(self) -> int:
        """How many weights the live documents have."""
        if not self.dead_count:
            return self.segment.weights
        return int(self.segment.lengths(self.live_rows()).sum())


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The live documents after write number `generation`; parts by rising seq.

    Parts beyond `segments` are the buffer: in memory, and in the catalog as batches.
    """

    generation: int
    parts: tuple[Part, ...]

    def __len__(self) -> int:
        return sum(part.live_count for part in self.parts)

    def find(self, ids: Ids) -> tuple[_Numbers, _Numbers]:
        """(part, row) of each id, int64 arrays; part -1 where no such document lives."""
        where = np.full(len(ids), -1, np.int64)
        rows = np.full(len(ids), -1, np.int64)
        for number in range(len(self.parts) - 1, -1, -1):  # the younger ones are asked for most
            part = self.parts[number]
            found = part.segment.rows_of(ids)
            here = are_set(part.live, found)
            where[here], rows[here] = number, found[here]
        return where, rows

    def places(self, ids: Sequence[str]) -> list[Place | None]:
        """Where the live document of each id is."""
        where, rows = self.find(Ids.of(ids))
        pairs = zip(where.tolist(), rows.tolist(), strict=True)
        return [(part, row) if part >= 0 else None for part, row in pairs]

    def seq(self, place: Place) -> int:
        """The seq of the document there."""
        return int(self.parts[place[0]].segment.seqs[place[1]])

    def id(self, place: Place) -> str:
        """The id of the document there."""
        return self.parts[place[0]].segment.id(place[1])

    def places_after(self, seq: int, allowed: Sequence[Bits]) -> Iterator[Place]:
        """The places beyond this seq whose rows each part's bitmap allows, by rising seq."""
        for number, (part, rows) in enumerate(zip(self.parts, allowed, strict=True)):
            segment = part.segment
            first = int(np.searchsorted(segment.seqs_rising, seq, side="right"))
            rising = segment.by_seq[first:].astype(np.int64)
            for row in rising[are_set(rows, rising)].tolist():
                yield number, row
