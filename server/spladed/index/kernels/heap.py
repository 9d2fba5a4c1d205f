"""The k best hits so far: one heap, shared by every kernel and over all segments.

Three arrays of at least k entries, of which the first `size` are a heap whose root is the
worst hit: `scores` float64, `seqs` int64, `places` int64 (what the caller wants back of a hit;
it decides nothing). A higher score ranks before a lower one, and of equal scores the lower seq:
so the hits that remain do not depend on the order in which documents are offered.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy.typing as npt

from spladed.index.kernels.compiled import inner

__all__ = ["Hits", "offer", "threshold"]

_Array = npt.NDArray[Any]


class Hits(NamedTuple):
    """The heap, but for its size."""

    k: int
    scores: _Array
    seqs: _Array
    places: _Array


@inner
def threshold(scores: _Array, size: int, k: int) -> float:
    """No document of a lower score can enter; one of this score may, by its seq.

    0 while hits are missing, and a document of score 0 is no hit: `offer` asks for that.
    """
    return scores[0] if size == k else 0.0


@inner
def offer(score: float, seq: int, place: int,
          scores: _Array, seqs: _Array, places: _Array, size: int, k: int) -> int:  # fmt: skip
    """Take the document in if it is among the k best; comes back as the size after."""
    if score <= 0.0:
        return size
    if size < k:
        _sift_up(score, seq, place, scores, seqs, places, size)
        return size + 1
    if _below(scores[0], seqs[0], score, seq):
        _sift_down(score, seq, place, scores, seqs, places, size)
    return size


@inner
def _below(left_score: float, left_seq: int, right_score: float, right_seq: int) -> bool:
    """Whether left ranks after right."""
    return left_score < right_score or (left_score == right_score and left_seq > right_seq)


@inner
def _sift_down(score: float, seq: int, place: int,
               scores: _Array, seqs: _Array, places: _Array, size: int) -> None:  # fmt: skip
    """Put the hit in the place of the root, and restore the heap below."""
    slot, child = 0, 1
    while child < size:
        other = child + 1
        if other < size and _below(scores[other], seqs[other], scores[child], seqs[child]):
            child = other
        if not _below(scores[child], seqs[child], score, seq):
            break
        scores[slot], seqs[slot], places[slot] = scores[child], seqs[child], places[child]
        slot, child = child, 2 * child + 1
    scores[slot], seqs[slot], places[slot] = score, seq, place


@inner
def _sift_up(score: float, seq: int, place: int,
             scores: _Array, seqs: _Array, places: _Array, slot: int) -> None:  # fmt: skip
    """Put the hit at the free `slot`, and restore the heap above."""
    while slot > 0:
        parent = (slot - 1) >> 1
        if not _below(score, seq, scores[parent], seqs[parent]):
            break
        scores[slot], seqs[slot], places[slot] = scores[parent], seqs[parent], places[parent]
        slot = parent
    scores[slot], seqs[slot], places[slot] = score, seq, place
