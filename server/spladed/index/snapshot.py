"""What a reader sees: segments, and which of their rows are dead. Nothing in it changes.

A write makes the next snapshot out of this one; the arrays that did not change are shared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from spladed.index import merge
from spladed.index.filter import Filter
from spladed.index.rows import Rows
from spladed.index.segment import Segment

__all__ = ["Part", "Place", "Snapshot"]

# (part, row): where a live document is.
Place = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One segment and its dead rows: `dead` uint8 [n], 1 where deleted."""

    segment: Segment
    dead: npt.NDArray[np.uint8]
    dead_count: int

    @classmethod
    def of(cls, segment: Segment) -> Part:
        """The segment with every row alive."""
        return cls(segment, np.zeros(len(segment), np.uint8), 0)

    @property
    def live_count(self) -> int:
        """How many documents live here."""
        return len(self.segment) - self.dead_count

    @property
    def live_nnz(self) -> int:
        """How many weights the live documents have."""
        return int(np.diff(self.segment.rows.indptr)[self.dead == 0].sum())

    def without(self, rows: Sequence[int]) -> Part:
        """The same segment with these live rows dead too."""
        dead = self.dead.copy()
        dead[rows] = 1
        return Part(self.segment, dead, self.dead_count + len(rows))

    def only(self, keep: Filter) -> Part:
        """The same segment where what the filter does not keep is dead too."""
        row_of = self.segment.row_of
        named = [row_of[id] for id in keep.ids if id in row_of]
        if keep.excluding:
            dead = self.dead.copy()
            dead[named] = 1
        else:
            dead = np.ones_like(self.dead)
            dead[named] = self.dead[named]
        return Part(self.segment, dead, int(np.count_nonzero(dead)))

    def live(self) -> tuple[npt.NDArray[np.int64], Sequence[str], Rows]:
        """Seqs, ids and rows of the live documents, in order."""
        segment = self.segment
        if not self.dead_count:
            return segment.seqs, segment.ids, segment.rows
        keep = np.flatnonzero(self.dead == 0)
        return (
            segment.seqs[keep],
            [segment.ids[row] for row in keep.tolist()],
            segment.rows.take(keep),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The live documents after write number `generation`; parts by rising seq."""

    dimension: int
    generation: int
    parts: tuple[Part, ...]

    def __len__(self) -> int:
        return sum(part.live_count for part in self.parts)

    def find(self, id: str) -> Place | None:
        """Where the live document of this id is."""
        for number, part in enumerate(self.parts):
            row = part.segment.row_of.get(id)
            if row is not None and not part.dead[row]:
                return number, row
        return None

    def places(self, ids: Iterable[str]) -> list[Place]:
        """The places of those ids that live here, each once."""
        found = (self.find(id) for id in dict.fromkeys(ids))
        return [place for place in found if place is not None]

    def only(self, keep: Filter) -> Snapshot:
        """What this filter keeps of it, at the same generation: to read, not to write on."""
        return replace(self, parts=tuple(part.only(keep) for part in self.parts))

    def live_after(self, seq: int) -> Iterator[Place]:
        """The places of the live documents beyond this seq, by rising seq."""
        for number, part in enumerate(self.parts):
            first = int(np.searchsorted(part.segment.seqs, seq, side="right"))
            for row in np.flatnonzero(part.dead[first:] == 0).tolist():
                yield number, first + row

    def seq(self, place: Place) -> int:
        """The seq of the document there."""
        return int(self.parts[place[0]].segment.seqs[place[1]])

    def after(self, dead: Sequence[Place], added: Segment | None) -> Snapshot:
        """The next generation: without the documents at `dead`, with those of `added`."""
        rows_of: dict[int, list[int]] = {}
        for number, row in dead:
            rows_of.setdefault(number, []).append(row)
        parts = list(self.parts)
        for number, rows in rows_of.items():
            parts[number] = parts[number].without(rows)
        if added is not None:
            parts.append(Part.of(added))
        return replace(self, generation=self.generation + 1, parts=self._merged(parts))

    def _merged(self, parts: list[Part]) -> tuple[Part, ...]:
        groups = merge.plan([part.live_count for part in parts])
        return tuple(self._one(parts[start:stop]) for start, stop in groups)

    def _one(self, parts: list[Part]) -> Part:
        """The group as one part: itself if alone and mostly alive, else written anew."""
        only = parts[0]
        if len(parts) == 1 and not merge.worth_rewriting(len(only.segment), only.dead_count):
            return only
        seqs, ids, rows = zip(*(part.live() for part in parts), strict=True)
        all_ids = [id for some in ids for id in some]
        return Part.of(
            Segment.build(self.dimension, np.concatenate(seqs), all_ids, Rows.concatenate(rows))
        )
