"""Documents -> the sections of a segment, window by window. Pure.

What is kept for all documents at once is some 40 bytes each and their ids; rows and
postings are made a window at a time and handed over, so that a segment of any size is
written in bounded memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.index import columns, scoring
from spladed.index.ahead import in_order
from spladed.index.batch import Source
from spladed.index.bounds import Builder, choose
from spladed.index.kernels import build as kernels
from spladed.index.packed import Packed
from spladed.index.rows import Weights
from spladed.index.values import CollectionSettings, Field

__all__ = ["BOUNDS_FROM", "WINDOW", "batch_sections", "segment_sections", "sort_order"]

Section = tuple[str, npt.NDArray[Any]]
_Numbers = npt.NDArray[np.int64]

# Documents a window: their numbers fit in 16 bits, and the float64 accumulators of one
# window are 512 kB and stay in a core's own cache.
WINDOW = 65_536
# Documents from which on a segment has bounds: already at 100k they take a quarter off a
# search for ten hits, or half in a quiet machine. They cost 400 bytes and 1.3 us a document.
BOUNDS_FROM = 65_537
# Documents that tell which terms are frequent.
_SAMPLE = 65_536
# Offsets into a window's packed rows, of at most 8 bytes a weight, fit in 32 bits.
_MAX_WEIGHTS = 1 << 29


def batch_sections(source: Source, settings: CollectionSettings) -> Iterator[Section]:
    """Documents by rising seq, without postings: what the catalog keeps until a flush."""
    return _sections(source, settings, np.arange(len(source.seqs)), with_postings=False)


def segment_sections(
    source: Source,
    settings: CollectionSettings,
    order: _Numbers | None = None,
    *,
    threads: int = 1,
) -> Iterator[Section]:
    """A whole segment, its rows in the order given, else by rising seq.

    threads: on how many windows are made; a second one keeps the first busy while what it
             made is being written
    """
    if order is None:
        order = np.arange(len(source.seqs))
    return _sections(source, settings, order, with_postings=True, threads=threads)


def sort_order(source: Source) -> _Numbers:
    """The documents by their heaviest terms, equal ones by seq."""
    return np.argsort(source.keys(), kind="stable")


def _sections(
    source: Source,
    settings: CollectionSettings,
    order: _Numbers,
    *,
    with_postings: bool,
    threads: int = 1,
) -> Iterator[Section]:
    lengths = source.lengths()
    windows = list(pairwise(_cuts(lengths[order])))
    yield "meta", _meta(settings, int(lengths.sum()), [stop - start for start, stop in windows])
    yield from _identity(source, settings.fields, order)
    bounds = _bounds(source, settings, order, windows) if with_postings else None
    if bounds is not None:
        yield from bounds.segment()

    def window(number: int) -> list[Section]:
        start, stop = windows[number]
        rows = source.packed(order[start:stop])
        made = [("rows", rows.data), ("row_starts", rows.starts.astype(np.uint32))]
        postings = _postings(rows, settings) if with_postings else []
        named = [(f"w{number}/{name}", array) for name, array in made + postings]
        if bounds is not None:
            arrays = (array for _, array in postings)
            named += bounds.window(number, *arrays, documents=stop - start)
        return named

    numbers = range(len(windows))
    several = in_order(window, numbers, threads) if threads > 1 else map(window, numbers)
    for number, sections in enumerate(several):
        yield from sections
        if bounds is not None:
            yield from bounds.after(number)


def _bounds(
    source: Source, settings: CollectionSettings, order: _Numbers, windows: list[tuple[int, int]]
) -> Builder | None:
    """If the rows are many, what they score is what they store, and windows are full."""
    is_plain = scoring.has_plain_impacts(settings.scoring)
    is_full = all(stop - start == WINDOW for start, stop in windows[:-1])
    if len(order) < BOUNDS_FROM or not is_plain or not is_full:
        return None
    frequent = _frequent(source, order, settings.dimension)
    return Builder(frequent, len(order)) if len(frequent) else None


def _frequent(source: Source, order: _Numbers, dimension: int) -> _Numbers:
    """The frequent terms, told from documents at even distances."""
    sample = np.sort(order[:: -(-len(order) // _SAMPLE)])
    rows = source.packed(sample)
    counts = np.zeros(dimension, np.int64)
    kernels.count_terms(rows.data, rows.starts, rows.wide, rows.floats, counts)
    return choose(counts, len(sample))


def _cuts(lengths: _Numbers) -> list[int]:
    """Where windows start and stop, from the lengths of their rows."""
    cuts = [0]
    before = np.concatenate([[0], np.cumsum(lengths)])
    while cuts[-1] < len(lengths):
        start = cuts[-1]
        fits = int(np.searchsorted(before, before[start] + _MAX_WEIGHTS)) - 1
        cuts.append(min(start + WINDOW, max(fits, start + 1), len(lengths)))
    return cuts


def _meta(settings: CollectionSettings, weights: int, windows: list[int]) -> npt.NDArray[np.uint8]:
    content = f'{{{_of_settings(settings)}, "weights": {weights}, "windows": {windows}}}'
    return np.frombuffer(content.encode(), np.uint8)


@lru_cache(maxsize=64)
def _of_settings(settings: CollectionSettings) -> str:
    """What every segment of a collection says of it, without braces: a batch of one document
    would spend most of its time on it."""
    content = {
        "dimension": settings.dimension,
        "weight_format": settings.weight_format,
        "scoring": asdict(settings.scoring),
        "fields": [asdict(field) for field in settings.fields],
    }
    return json.dumps(content)[1:-1]


def _identity(source: Source, fields: Sequence[Field], order: _Numbers) -> Iterator[Section]:
    """Seqs, ids and columns; `order` is a permutation, so its inverse sorts by seq."""
    by_seq = np.empty(len(order), np.uint32)
    by_seq[order] = np.arange(len(order), dtype=np.uint32)
    ids = source.ids.take(order)
    by_hash = np.argsort(ids.hashes, kind="stable")
    yield "seqs", source.seqs[order]
    yield "by_seq", by_seq
    yield "ids", ids.blob
    yield "id_starts", ids.starts
    yield "id_hashes", ids.hashes[by_hash]
    yield "id_rows", by_hash.astype(np.uint32)
    for name, column in columns.take(fields, source.columns, order).items():
        yield f"fields/{name}", column


def _postings(rows: Packed, settings: CollectionSettings) -> list[Section]:
    """A counting sort: one pass counts, one writes each posting to its place."""
    counts = np.zeros(settings.dimension, np.int64)
    kernels.count_terms(rows.data, rows.starts, rows.wide, rows.floats, counts)
    terms = np.flatnonzero(counts != 0)  # numbers take five times as long as truth values
    starts = np.zeros(len(terms) + 1, np.int64)
    np.cumsum(counts[terms], out=starts[1:])
    counts[terms] = starts[:-1]
    docs, impacts = _inverted(rows, settings, counts, int(starts[-1]))
    return [
        ("terms", terms.astype(np.uint32 if rows.wide else np.uint16)),
        ("starts", starts.astype(np.uint32)),
        ("docs", docs),
        ("impacts", impacts),
    ]


def _inverted(
    rows: Packed, settings: CollectionSettings, slots: _Numbers, nnz: int
) -> tuple[npt.NDArray[np.uint16], Weights]:
    """(docs, impacts), term-major; `slots` are where each term's postings start."""
    docs = np.empty(nnz, np.uint16)
    if scoring.has_plain_impacts(settings.scoring) and not rows.floats:
        impacts = np.empty(nnz, np.uint16)
        pairs = np.empty(nnz, np.uint32)
        kernels.invert_steps(rows.data, rows.starts, rows.wide, slots, pairs, docs, impacts)
        return docs, impacts
    numbers = np.empty(nnz, np.float32)
    unpacked = rows.unpacked()
    computed = scoring.document_impacts(settings.scoring, unpacked)
    kernels.invert_floats(unpacked.indptr, unpacked.indices, computed, slots, docs, numbers)
    return docs, numbers
