"""What a visit of superblocks knows and writes to, and how one row is scored."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from spladed.index.kernels.bounds import SUPERBLOCK_BITS, WINDOW_BITS
from spladed.index.kernels.build import ROW_STARTS, ROWS
from spladed.index.kernels.compiled import inner, making
from spladed.index.kernels.heap import Hits, offer, threshold
from spladed.index.kernels.lanes import prefetch
from spladed.index.kernels.rowsum import MATCHES, row_score
from spladed.index.kernels.superblocks import LEAST, Asked, Views

__all__ = ["FIRST", "MORE", "TURN", "Look", "Part", "ask_row", "least_of", "look", "score_row"]

_Array = npt.NDArray[Any]

# Terms of a superblock that are looked up ahead of its turn, and then at once.
FIRST, MORE = 8, 16
TURN = FIRST + 4
# Bytes of a row that are asked for before it is read: 128 terms of 16 bits and their weights.
_AHEAD = 512
_LOCAL_ROW = 0xFFFF


class Part(NamedTuple):
    """A segment, as `prune` is given it; groups: words of presence a superblock."""

    views: Views
    directory: _Array
    wide: bool
    float_weights: bool
    seqs: _Array
    windows: _Array
    spans: _Array
    groups: int
    place: int


class Look(NamedTuple):
    """What is known of the superblocks that are under way.

    entries, shares: int64 and float32; by turns two stretches for what is looked up ahead,
                     and one for what is looked up at once
    lanes:           float32 [64], the bounds of one superblock's documents
    rows, row_bounds: int64 and float32 [64], documents that are to be scored
    flags, weights, matches: for `row_score`
    """

    entries: _Array
    shares: _Array
    lanes: _Array
    rows: _Array
    row_bounds: _Array
    flags: _Array
    weights: _Array
    matches: _Array


@making
def look(flags: _Array, weights: _Array) -> Look:
    """One to begin with."""
    room = 2 * TURN + MORE + 4
    return Look(
        np.zeros(room, np.int64), np.zeros(room, np.float32), np.empty(64, np.float32),
        np.empty(64, np.int64), np.empty(64, np.float32), flags, weights,
        np.empty(MATCHES, np.int64),
    )  # fmt: skip


@inner
def least_of(hits: Hits, size: int, terms: Asked) -> float:
    """What a bound has to reach, rounded down; above 0, for score 0 is no hit."""
    least = threshold(hits.scores, size, hits.k) / (terms.unit * terms.trust) * (1 - 2.0**-22)
    return max(np.float32(min(least, 3.4e38)), LEAST)


@inner
def _row_starts(part: Part, row: int) -> tuple[int, int]:
    """The byte where rows of the row's window start, and where it says where each of them does."""
    window = row >> (WINDOW_BITS + SUPERBLOCK_BITS)
    at = (part.directory[window, ROW_STARTS] >> 2) + (row & _LOCAL_ROW)
    return part.directory[window, ROWS], at


@inner
def ask_row(part: Part, row: int) -> None:
    """Ask for the bytes of a row that is to be scored."""
    first, at = _row_starts(part, row)
    start = first + np.int64(part.views.wholes[at])
    for line in range(start, start + _AHEAD, 64):
        prefetch(part.views.data, line)


@inner
def score_row(row: int, part: Part, seen: Look, hits: Hits, size: int) -> int:
    """Offer one document with its exact score; the heap's size after."""
    first, at = _row_starts(part, row)
    start, stop = np.int64(part.views.wholes[at]), np.int64(part.views.wholes[at + 1])
    score = row_score(
        part.views.halves, part.views.wholes, part.views.floats, first + start, stop - start,
        part.wide, part.float_weights, seen.flags, seen.weights, seen.matches,
    )  # fmt: skip
    if score < threshold(hits.scores, size, hits.k):
        return size
    return offer(score, part.seqs[row], part.place + row, hits.scores, hits.seqs, hits.places,
                 size, hits.k)  # fmt: skip
