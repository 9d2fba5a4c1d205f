"""The k best documents of a snapshot, exactly.

What brute force over the stored numbers gives: the same ids in the same order (score
falling, ties by rising seq), none that scores 0. Term at a time over the postings, each
segment's documents offered to one heap.
"""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

from spladed.index import grid, kernels
from spladed.index.check import MAX_K
from spladed.index.segment import Segment
from spladed.index.snapshot import Place, Snapshot
from spladed.sparse import SparseBatch

__all__ = ["top"]

# A place as one number, part << 32 | row: rising with seq, since parts and rows are.
_ROW_BITS = 32
_ROW_MASK = (1 << _ROW_BITS) - 1


class _Scratch(threading.local):
    """A thread's accumulators and heap, kept from query to query: 672 kB."""

    def __init__(self) -> None:
        self.sums = np.zeros(kernels.WINDOW)
        self.scores = np.empty(MAX_K)
        self.places = np.empty(MAX_K, np.int64)


_scratch = _Scratch()


def top(snapshot: Snapshot, query: SparseBatch, k: int) -> list[tuple[float, Place]]:
    """(score, place) of the k best for a query of one row; fewer if fewer score above 0."""
    terms = query.indices.astype(np.int32)
    weights = query.values.astype(np.float64)
    size = 0
    for number, part in enumerate(snapshot.parts):
        size = _offer(part.segment, part.dead, terms, weights, number << _ROW_BITS, k, size)
    return _ranked(_scratch.scores[:size], _scratch.places[:size])


def _offer(
    segment: Segment,
    dead: npt.NDArray[np.uint8],
    terms: npt.NDArray[np.int32],
    weights: npt.NDArray[np.float64],
    base: int,
    k: int,
    size: int,
) -> int:
    postings = segment.postings
    # The step is a power of two: it scales the query's side here and no bit of the sum moves.
    scaled = weights * grid.step_of(postings.weights)
    return kernels.score(
        terms, scaled, postings.terms, postings.starts, postings.docs, postings.weights,
        dead, base, k, size, _scratch.sums, _scratch.scores, _scratch.places,
    )  # fmt: skip


def _ranked(
    scores: npt.NDArray[np.float64], places: npt.NDArray[np.int64]
) -> list[tuple[float, Place]]:
    order = np.lexsort((places, -scores))
    return [
        (score, (place >> _ROW_BITS, place & _ROW_MASK))
        for score, place in zip(scores[order].tolist(), places[order].tolist(), strict=True)
    ]
