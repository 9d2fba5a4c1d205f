"""What no document of a superblock can exceed: the sections that let a search skip it.

A superblock is 64 neighbouring rows, one word of a bitmap. Every window but the last has
65,536 rows; up to 32 windows are a span. A segment has F frequent terms and any number of
others; a span has W windows and R terms that are not frequent; a window has S superblocks.

    section           type  length           what
    frequent          <u4   F                the frequent terms, rising
    frequent_slots    <u2   F                the slot of each: the most frequent has slot 0
    w0/members        <u8   starts[-1]       a record a superblock: a bitmap of slots, bit 1
                                             where the term occurs, in G = ceil(F / 64) words;
                                             G uint16 up to a full word, how many bits are set
                                             in the words before; and for each bit set, in
                                             order, the bitmap of the documents with the term
    w0/member_starts  <u4   S + 1            the word of members where each record starts
    b0/rows           u1    F * stride       by slot, then superblock: codes; stride is the
                                             span's superblocks rounded up to 64
    b0/scales         <f4   F * W            by slot, then window; 0 where the term is not
    b0/frequencies    <u4   F                by slot: how many documents have the term
    b0/rare_terms     <u4   R                rising
    b0/rare_starts    <u4   R * W + 1        by term, then window: where its list starts
    b0/rare_scales    <f4   R * W            by term, then window
    b0/rare           <u2   rare_starts[-1]  superblock of the window << 6 | code, rising

code * scale, in float64, is never below the largest impact of that term in that superblock;
a code is 0, or missing, only where the term does not occur. So the sum of `weight * code *
scale` over a query's terms bounds every document of a superblock; less the shares of the
terms of which it is no member, it bounds one document.

Bitmaps of documents, and not maxima of smaller blocks: both are 8 bytes a superblock and term,
and on SPLADE++ statistics at 1M documents the bitmaps leave 130 documents to score at k=10
and 1,600 at k=100, maxima of 8 documents 190 and 1,870 even if every term has them. What a
query reads whole lies by term (rows, lists), what it reads of few superblocks lies by superblock
(members). Codes of a span and not of a window lie together: a query reads them in half the
time, and 300 MB wait in memory while a span is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.index.container import Container
from spladed.index.kernels import bounds as kernels

__all__ = ["Bounds", "Builder", "choose"]

Section = tuple[str, npt.NDArray[Any]]
_Terms = npt.NDArray[np.int64]

# Terms that get a bitmap a superblock. At 1M SPLADE++ documents 4,096 take 0.39 GB in all and
# leave 1,600 documents to score at k=100; 2,048 take 0.29 GB and leave 2,430, 8,192 take 0.5 GB
# and leave 1,290.
MAX_FREQUENT = 4096
# A term in fewer documents than one in so many is in few superblocks, and lists say it as well.
_MIN_SHARE = 256
SPAN_WINDOWS = 32

_WINDOW_SECTIONS = ("members", "member_starts")
_SPAN_SECTIONS = (
    "rows", "scales", "frequencies", "rare_terms", "rare_starts", "rare_scales", "rare",
)  # fmt: skip


def choose(frequencies: npt.NDArray[np.int64], documents: int) -> _Terms:
    """The frequent terms, most frequent first.

    frequencies: by term, how many of so many documents have it; a fair sample will do
    """
    order = np.argsort(-frequencies, kind="stable")[:MAX_FREQUENT]
    return order[(frequencies[order] > 0) & (frequencies[order] * _MIN_SHARE >= documents)]


class Builder:
    """The sections of a segment's bounds, from its postings, a window at a time.

    frequent:  as `choose` gives them
    documents: how many the segment has
    """

    def __init__(self, frequent: _Terms, documents: int) -> None:
        self._frequent = frequent
        superblocks, full = _superblocks(documents), SPAN_WINDOWS * kernels.WINDOW_SUPERBLOCKS
        self._spans = [
            _Span(len(frequent), min(superblocks - start, full))
            for start in range(0, superblocks, full)
        ]

    def segment(self) -> list[Section]:
        """Those of the whole segment."""
        order = np.argsort(self._frequent)
        return [
            ("frequent", self._frequent[order].astype(np.uint32)),
            ("frequent_slots", order.astype(np.uint16)),
        ]

    def window(
        self,
        number: int,
        terms: npt.NDArray[Any],
        starts: npt.NDArray[np.uint32],
        docs: npt.NDArray[np.uint16],
        impacts: npt.NDArray[Any],
        documents: int,
    ) -> list[Section]:
        """Those of one window, from its postings; windows may be made on several threads."""
        superblocks = _superblocks(documents)
        places = _places(terms, self._frequent)
        presence = np.zeros(superblocks * ((len(places) + 63) >> 6), np.uint64)
        span, column = self._spans[number // SPAN_WINDOWS], number % SPAN_WINDOWS
        span.frequencies[:, column] = np.where(places < 0, 0, np.diff(starts)[places])
        kernels.frequent_bounds(
            starts, docs, impacts, places, superblocks, span.windows, column,
            span.scales, span.rows, presence,
        )  # fmt: skip
        span.lists[column] = _lists(terms, starts, docs, impacts, places, superblocks)
        record_starts = kernels.record_starts(presence, superblocks)
        records = kernels.members(starts, docs, places, presence, record_starts)
        return [
            (f"w{number}/members", records),
            (f"w{number}/member_starts", record_starts),
        ]

    def after(self, number: int) -> list[Section]:
        """Those of the span that ends with this window, all of whose windows are made."""
        place = number // SPAN_WINDOWS
        if number - place * SPAN_WINDOWS + 1 < self._spans[place].windows:
            return []
        span = self._spans[place]
        self._spans[place] = _Span(0, 0)
        return [(f"b{place}/{name}", array) for name, array in span.sections()]


class _Span:
    """What is kept of a span's windows until all of them are made.

    Two threads that make two windows write to different columns.
    """

    def __init__(self, slots: int, superblocks: int) -> None:
        self.windows = -(-superblocks // kernels.WINDOW_SUPERBLOCKS)
        self.rows = np.zeros(slots * ((superblocks + 63) & ~63), np.uint8)
        self.scales = np.zeros(slots * self.windows, np.float32)
        self.frequencies = np.zeros((slots, self.windows), np.uint32)
        self.lists: dict[int, _Lists] = {}

    def sections(self) -> list[Section]:
        """In the order of `_SPAN_SECTIONS`."""
        lists = [self.lists[column] for column in range(self.windows)]
        frequencies = self.frequencies.sum(axis=1, dtype=np.uint32)
        arrays = (self.rows, self.scales, frequencies, *_joined(lists))
        return list(zip(_SPAN_SECTIONS, arrays, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class _Lists:
    """The lists of one window: of `terms[i]` it is `entries[starts[i]:starts[i + 1]]`."""

    terms: npt.NDArray[np.uint32]
    starts: npt.NDArray[np.uint32]
    scales: npt.NDArray[np.float32]
    entries: npt.NDArray[np.uint16]


def _superblocks(documents: int) -> int:
    return (documents + 63) >> kernels.SUPERBLOCK_BITS


def _places(terms: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """The position of each wanted term among rising terms, -1 where it is absent."""
    if not len(terms):
        return np.full(len(wanted), -1, np.int32)
    places = np.minimum(np.searchsorted(terms, wanted), len(terms) - 1)
    return np.where(terms[places] == wanted, places, -1).astype(np.int32)


def _lists(
    terms: npt.NDArray[Any],
    starts: npt.NDArray[np.uint32],
    docs: npt.NDArray[np.uint16],
    impacts: npt.NDArray[Any],
    frequent: npt.NDArray[np.int32],
    superblocks: int,
) -> _Lists:
    """The lists of the terms that are not at the `frequent` places; those have empty ones."""
    rare = np.ones(len(terms), np.bool_)
    rare[frequent[frequent >= 0]] = False
    room = int(np.diff(starts)[rare].sum())
    list_starts = np.zeros(len(terms) + 1, np.uint32)
    scales, entries = np.zeros(len(terms), np.float32), np.empty(room, np.uint16)
    count = kernels.rare_bounds(
        starts, docs, impacts, rare, superblocks, list_starts, scales, entries
    )
    return _Lists(terms.astype(np.uint32), list_starts, scales, entries[:count].copy())


def _joined(lists: list[_Lists]) -> tuple[npt.NDArray[Any], ...]:
    """(rare_terms, rare_starts, rare_scales, rare): lists of windows, term by term."""
    terms = np.unique(np.concatenate([each.terms[np.diff(each.starts) > 0] for each in lists]))
    places = [_places(terms, each.terms) for each in lists]
    lengths = np.zeros((len(terms), len(lists)), np.int64)
    scales = np.zeros((len(terms), len(lists)), np.float32)
    for column, (each, place) in enumerate(zip(lists, places, strict=True)):
        here = place >= 0
        lengths[place[here], column] = np.diff(each.starts)[here]
        scales[place[here], column] = each.scales[here]
    starts = np.zeros(lengths.size + 1, np.uint32)
    np.cumsum(lengths.ravel(), out=starts[1:])
    entries = np.empty(int(starts[-1]), np.uint16)
    for column, (each, place) in enumerate(zip(lists, places, strict=True)):
        kernels.move_rare(each.starts, each.entries, place, len(lists), column, starts, entries)
    return terms, starts, scales.ravel(), entries


class Bounds:
    """A segment's bounds as kernels read them.

    frequent, slots: the sections `frequent` and `frequent_slots`
    windows, spans:  int64 [windows, WINDOW_COLUMNS] and [spans, SPAN_COLUMNS], see
                     `kernels.bounds`
    """

    def __init__(self, container: Container, documents: int) -> None:
        superblocks = _superblocks(documents)
        windows = -(-superblocks // kernels.WINDOW_SUPERBLOCKS)
        self.frequent: npt.NDArray[np.uint32] = container["frequent"]
        self.slots: npt.NDArray[np.uint16] = container["frequent_slots"]
        self.windows = np.array([_window_row(container, n) for n in range(windows)], np.int64)
        self.spans = np.array(
            [
                _span_row(container, first, windows, superblocks)
                for first in range(0, windows, SPAN_WINDOWS)
            ],
            np.int64,
        )

    @classmethod
    def of(cls, container: Container, documents: int) -> Bounds | None:
        """Those of a segment of so many documents; None if it was written without."""
        return cls(container, documents) if "frequent" in container else None


def _window_row(container: Container, number: int) -> list[int]:
    starts = [container.offset(f"w{number}/{name}") for name in _WINDOW_SECTIONS]
    return [*starts, number // SPAN_WINDOWS]


def _span_row(container: Container, first: int, windows: int, superblocks: int) -> list[int]:
    prefix = f"b{first // SPAN_WINDOWS}"
    left = superblocks - first * kernels.WINDOW_SUPERBLOCKS
    stride = (min(left, SPAN_WINDOWS * kernels.WINDOW_SUPERBLOCKS) + 63) & ~63
    starts = [container.offset(f"{prefix}/{name}") for name in _SPAN_SECTIONS]
    rare_terms = len(container[f"{prefix}/rare_terms"])
    return [first, min(SPAN_WINDOWS, windows - first), stride, rare_terms, *starts]
