"""The k best documents of a snapshot for each query of a batch.

What brute force over the stored numbers gives: the same ids in the same order (score
falling, ties by rising seq), none that scores 0; with less effort than 1 some may be missing.
All parts share one heap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spladed.index import grid, scoring
from spladed.index.bits import Bits
from spladed.index.bounds import Bounds
from spladed.index.build import WINDOW
from spladed.index.check import MAX_K
from spladed.index.kernels import pool
from spladed.index.kernels import prune as pruning
from spladed.index.kernels import score as kernels
from spladed.index.kernels.names import ROW_BITS
from spladed.index.plan import Plan, plan
from spladed.index.segment import Segment
from spladed.index.snapshot import Part, Snapshot
from spladed.index.values import Scoring
from spladed.sparse import SparseBatch

__all__ = ["Best", "Search"]

_Terms = npt.NDArray[np.int32]
_Floats = npt.NDArray[np.float64]
_Numbers = npt.NDArray[np.int64]


class Best(NamedTuple):
    """The hits of one query, best first: float64 scores, and int64 places, part << 32 | row."""

    scores: _Floats
    places: _Numbers


class _Scratch:
    """The accumulators, pool and heap of one query at a time, kept for later ones: 1.1 MB.

    And what pruning writes to, once it has pruned: 0.5 MB at a million documents.
    """

    def __init__(self) -> None:
        self.sums = np.zeros(WINDOW)
        self.pool_scores = np.empty(pool.room(MAX_K))
        self.pool_rows = np.empty(pool.room(MAX_K), np.int64)
        self.scores = np.empty(MAX_K)
        self.seqs = np.empty(MAX_K, np.int64)
        self.places = np.empty(MAX_K, np.int64)
        self.pruning = pruning.Scratch()

    @property
    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """In the order that kernels take them."""
        return (
            self.sums, self.pool_scores, self.pool_rows, self.scores, self.seqs, self.places,
        )  # fmt: skip


# As many as queries ever ran at once, in whichever threads.
_idle: list[_Scratch] = []


def _scratch() -> _Scratch:
    try:
        return _idle.pop()
    except IndexError:
        return _Scratch()


@dataclass(frozen=True, slots=True, eq=False)
class _Share:
    """A part as every query of a batch searches it: the rows that may be hits, and how.

    plan: None adds up every posting
    """

    segment: Segment
    allowed: Bits
    place: int
    plan: Plan | None


class Search:
    """The k best for each query of a batch; what its queries share is made once.

    allowed: for each part the rows that may be hits
    effort:  from 0 (fastest) to 1 (exact)
    Threads may share it.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        allowed: Sequence[Bits],
        queries: SparseBatch,
        k: int,
        how: Scoring,
        effort: float = 1.0,
    ) -> None:
        self._starts = queries.indptr.tolist()
        self._terms = np.ascontiguousarray(queries.indices, np.int32)
        impacts = scoring.query_impacts(how, queries)
        self._impacts = impacts.astype(np.float64)
        # The step is a power of two: it scales the query's side here and no bit of a sum moves.
        self._scaled = self._impacts * grid.FIXED16_STEP
        self._k = k
        self._shares = _shares(snapshot, allowed, k, effort)

    def best(self, number: int) -> Best:
        """The hits of one query; fewer than k if fewer score above 0."""
        own = slice(*self._starts[number : number + 2])
        terms, impacts, scaled = self._terms[own], self._impacts[own], self._scaled[own]
        scratch, size = _scratch(), 0
        for share in self._shares if len(terms) else ():
            weights = impacts if share.segment.float_impacts else scaled
            size = self._offer(share, terms, weights, scratch, size)
        found = _ranked(scratch, size)
        _idle.append(scratch)
        return found

    def _offer(
        self, share: _Share, terms: _Terms, weights: _Floats, scratch: _Scratch, size: int
    ) -> int:
        segment = share.segment
        if share.plan is not None and segment.bounds is not None:
            return self._prune(share, share.plan, segment.bounds, terms, weights, scratch, size)
        return kernels.score(
            terms, weights, segment.data, segment.directory, segment.wide, segment.float_impacts,
            segment.seqs, share.allowed, share.place, self._k, size, *scratch.arrays,
        )  # fmt: skip

    def _prune(
        self, share: _Share, how: Plan, bounds: Bounds, terms: _Terms, weights: _Floats,
        scratch: _Scratch, size: int,
    ) -> int:  # fmt: skip
        segment, own = share.segment, scratch.pruning
        own.fit(segment.dimension, segment.documents)
        return pruning.prune(
            terms, weights, segment.data, segment.directory, segment.wide, segment.floats,
            segment.seqs, share.allowed, bounds.frequent, bounds.slots, bounds.windows,
            bounds.spans, *how, share.place, self._k, size, *own.arrays, *scratch.arrays,
        )  # fmt: skip


def _shares(snapshot: Snapshot, allowed: Sequence[Bits], k: int, effort: float) -> list[_Share]:
    """The parts that may have hits. The largest comes first: it likely has the best ones, and
    then the others are held against a high threshold."""
    shares: list[tuple[int, _Share]] = []
    for number, (part, rows) in enumerate(zip(snapshot.parts, allowed, strict=True)):
        documents, superblocks = _spread(part, rows)
        if documents:
            segment = part.segment
            how = plan(
                k, effort, documents=segment.documents, allowed=documents, superblocks=superblocks
            )
            shares.append((documents, _Share(segment, rows, number << ROW_BITS, how)))
    return [share for _, share in sorted(shares, key=lambda each: -each[0])]


def _spread(part: Part, allowed: Bits) -> tuple[int, int]:
    """How many rows are allowed, and how many superblocks have any; of live rows all of them."""
    return (part.live_count, len(allowed)) if allowed is part.live else pruning.spread(allowed)


def _ranked(scratch: _Scratch, size: int) -> Best:
    falling = -scratch.scores[:size]
    order = np.argsort(falling)
    ranked = falling[order]
    if (ranked[1:] == ranked[:-1]).any():  # seldom, and a sort of two keys takes four times as long
        order = np.lexsort((scratch.seqs[:size], falling))
    return Best(-ranked, scratch.places[order])
