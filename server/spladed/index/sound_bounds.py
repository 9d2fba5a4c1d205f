"""What breaks the invariants of a segment's bounds, whose postings are sound. Pure.

Made anew with numpy, a window at a time, and compared: members exactly, codes by what they
promise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.index.bounds import SPAN_WINDOWS
from spladed.index.container import Container
from spladed.index.segment import Segment
from spladed.index.shape import covers, rises

__all__ = ["problems"]

_Array = npt.NDArray[Any]

_WINDOW, _WINDOW_SUPERBLOCKS = 65_536, 1024
_ONE = np.uint64(1)


@dataclass(frozen=True, slots=True, eq=False)
class _Runs:
    """The postings of one term in one superblock, where one of them is above 0.

    largest: float64, of their impacts; members: their documents as a bitmap
    """

    terms: npt.NDArray[np.uint32]
    superblocks: npt.NDArray[np.int64]
    largest: npt.NDArray[np.float64]
    members: npt.NDArray[np.uint64]

    @classmethod
    def of(cls, part: Container, prefix: str) -> _Runs:
        """Those of a window, by term, then superblock."""
        terms, starts = part[f"{prefix}/terms"], part[f"{prefix}/starts"]
        docs, impacts = part[f"{prefix}/docs"], part[f"{prefix}/impacts"]
        superblocks, places = docs >> 6, np.repeat(np.arange(len(terms)), np.diff(starts))
        edges = np.ones(len(docs), np.bool_)
        edges[1:] = (superblocks[1:] != superblocks[:-1]) | (places[1:] != places[:-1])
        firsts = np.flatnonzero(edges)
        largest = np.maximum.reduceat(impacts, firsts).astype(np.float64)
        members = np.bitwise_or.reduceat(_ONE << (docs & 63).astype(np.uint64), firsts)
        made = cls(
            terms[places[firsts]].astype(np.uint32),
            superblocks[firsts].astype(np.int64), largest, members,
        )  # fmt: skip
        return made.where(largest > 0)

    def where(self, keep: npt.NDArray[np.bool_]) -> _Runs:
        """Some of them."""
        return _Runs(
            self.terms[keep], self.superblocks[keep], self.largest[keep], self.members[keep]
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Span:
    """The sections of one span."""

    prefix: str
    first: int
    superblocks: Sequence[int]
    rows: _Array
    scales: _Array
    frequencies: _Array
    rare_terms: _Array
    rare_starts: _Array
    rare_scales: _Array
    rare: _Array

    @property
    def windows(self) -> int:
        return len(self.superblocks)


def problems(segment: Segment) -> Iterator[str]:
    """A line each, starting with the section at fault."""
    part, counts = segment.container, segment.directory[:, 1].tolist()
    if "frequent" not in part:
        return
    frequent, slots = part["frequent"], part["frequent_slots"]
    if any(count != _WINDOW for count in counts[:-1]):
        yield f"meta: bounds with windows of {counts[:-1]} documents, expected {_WINDOW} each"
        return
    if not rises(frequent) or not np.array_equal(np.sort(slots), np.arange(len(frequent))):
        yield "frequent: the terms do not rise, or have not a slot each"
        return
    for first in range(0, len(counts), SPAN_WINDOWS):
        superblocks = [-(-count // 64) for count in counts[first : first + SPAN_WINDOWS]]
        prefix = f"b{first // SPAN_WINDOWS}"
        names = [name for name in _Span.__annotations__ if f"{prefix}/{name}" in part]
        arrays = {name: part[f"{prefix}/{name}"] for name in names}
        yield from _span(_Span(prefix, first, superblocks, **arrays), part)


def _span(span: _Span, part: Container) -> Iterator[str]:
    if wrong := _misshapen(span, len(part["frequent"])):
        yield f"{span.prefix}/{wrong}"
        return
    frequencies, listed = np.zeros(len(span.frequencies), np.int64), 0
    codes = 0
    for column in range(span.windows):
        prefix = f"w{span.first + column}"
        runs = _Runs.of(part, prefix)
        slots = _slots(part, runs.terms)
        often = runs.where(slots >= 0)
        yield from _codes(span, column, often, slots[slots >= 0])
        yield from _members(part, prefix, often, slots[slots >= 0], span.superblocks[column])
        yield from _lists(span, column, runs.where(slots < 0))
        codes, listed = codes + len(often.terms), listed + int(np.sum(slots < 0))
        own = _slots(part, part[f"{prefix}/terms"])
        frequencies[own[own >= 0]] += np.diff(part[f"{prefix}/starts"].astype(np.int64))[own >= 0]
    if np.count_nonzero(span.rows) != codes:
        yield f"{span.prefix}/rows: has {np.count_nonzero(span.rows)} codes, postings make {codes}"
    if len(span.rare) != listed:
        yield f"{span.prefix}/rare: has {len(span.rare)} entries, postings make {listed}"
    if not np.array_equal(frequencies, span.frequencies):
        slot = int(np.flatnonzero(frequencies != span.frequencies)[0])
        yield (
            f"{span.prefix}/frequencies: slot {slot} is in {span.frequencies[slot]} documents, "
            f"the postings say {frequencies[slot]}"
        )


def _misshapen(span: _Span, frequent: int) -> str:
    """The section that has not as many entries as it must, and what it has; or nothing."""
    stride = -(-sum(span.superblocks) // 64) * 64
    lists = len(span.rare_terms) * span.windows
    expected = {
        "rows": frequent * stride, "scales": frequent * span.windows, "frequencies": frequent,
        "rare_scales": lists,
    }  # fmt: skip
    for name, count in expected.items():
        if len(getattr(span, name)) != count:
            return f"{name}: has {len(getattr(span, name))} entries, expected {count}"
    rising = rises(span.rare_starts, strictly=False)
    if not rising or not covers(span.rare_starts, lists, len(span.rare)):
        return f"rare_starts: do not rise from 0 to {len(span.rare)} over {lists} lists"
    return "" if rises(span.rare_terms) else "rare_terms: do not rise"


def _slots(part: Container, terms: _Array) -> npt.NDArray[np.int64]:
    """The slot of each term, -1 of one that is not frequent."""
    frequent = part["frequent"]
    if not len(frequent):
        return np.full(len(terms), -1, np.int64)
    places = np.minimum(np.searchsorted(frequent, terms), len(frequent) - 1)
    return np.where(frequent[places] == terms, part["frequent_slots"][places].astype(np.int64), -1)


def _codes(span: _Span, column: int, runs: _Runs, slots: _Array) -> Iterator[str]:
    stride = len(span.rows) // max(len(span.frequencies), 1)
    codes = span.rows[slots * stride + column * _WINDOW_SUPERBLOCKS + runs.superblocks]
    scales = span.scales[slots * span.windows + column].astype(np.float64)
    yield from _below(f"{span.prefix}/rows", span.first + column, runs, codes * scales)


def _below(section: str, window: int, runs: _Runs, bounds: _Array) -> Iterator[str]:
    wrong = np.flatnonzero(~(bounds >= runs.largest))
    if len(wrong):
        run = int(wrong[0])
        yield (
            f"{section}: window {window}, superblock {runs.superblocks[run]}, term "
            f"{runs.terms[run]}: {bounds[run]} is below the largest impact, {runs.largest[run]}"
        )


def _members(
    part: Container, prefix: str, runs: _Runs, slots: _Array, superblocks: int
) -> Iterator[str]:
    groups = -(-len(part["frequent"]) // 64)
    here = np.zeros((superblocks, groups * 64), np.uint8)
    here[runs.superblocks, slots] = 1
    presence = np.packbits(here, axis=1, bitorder="little").view(np.uint64)
    heads = groups + -(-groups // 4)
    starts = np.concatenate([[0], np.cumsum(here.sum(axis=1, dtype=np.int64) + heads)])
    made = np.zeros(int(starts[-1]), np.uint64)
    made[starts[:-1, None] + np.arange(groups)] = presence
    made[starts[:-1, None] + np.arange(groups, heads)] = _counted(here, heads - groups)
    order = np.lexsort((slots, runs.superblocks))
    ranks = _ranks(runs.superblocks[order])
    made[starts[runs.superblocks[order]] + heads + ranks] = runs.members[order]
    for name, array in (("member_starts", starts), ("members", made)):
        if not np.array_equal(part[f"{prefix}/{name}"], array):
            yield f"{prefix}/{name}: are not those of the postings"


def _ranks(rising: _Array) -> npt.NDArray[np.int64]:
    """How many entries before each are equal to it."""
    edges = np.ones(len(rising), np.bool_)
    edges[1:] = rising[1:] != rising[:-1]
    firsts = np.flatnonzero(edges)
    return np.arange(len(rising)) - firsts[np.cumsum(edges) - 1]


def _counted(here: _Array, words: int) -> npt.NDArray[np.uint64]:
    """For each superblock, as words, the number of bits in the words of presence before each."""
    counts = here.reshape(len(here), -1, 64).sum(axis=2, dtype=np.int64)
    before = np.zeros((len(here), words * 4), np.uint16)
    before[:, 1 : counts.shape[1]] = np.cumsum(counts, axis=1)[:, :-1]
    return before.view(np.uint64)


def _lists(span: _Span, column: int, runs: _Runs) -> Iterator[str]:
    section, window = f"{span.prefix}/rare", span.first + column
    places = np.searchsorted(span.rare_terms, runs.terms)
    known = places < len(span.rare_terms)
    known[known] = span.rare_terms[places[known]] == runs.terms[known]
    if not known.all():
        yield f"{span.prefix}/rare_terms: lack term {runs.terms[~known][0]}"
        return
    lists = places * span.windows + column
    entries = span.rare_starts[lists].astype(np.int64) + _ranks(lists)
    if np.any(entries >= span.rare_starts[lists + 1]):
        yield f"{section}: a list of window {window} is short"
        return
    found = span.rare[entries]
    if np.any(found >> 6 != runs.superblocks):
        yield f"{section}: a list of window {window} has other superblocks than the postings"
        return
    codes, scales = found & 63, span.rare_scales[lists].astype(np.float64)
    yield from _below(section, window, runs, codes * scales)
