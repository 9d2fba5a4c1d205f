"""What breaks the invariants of a segment or batch whose bytes are as they were written. Pure.

First what kernels follow blindly, with numpy alone; only where that is sound the rest, a
window at a time, so that memory stays bounded. Postings are inverted here once more, in
another way than they were made.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from spladed.errors import SpladedError
from spladed.index import columns, grid, scoring, shape, sound_bounds
from spladed.index.check import MAX_ID_BYTES
from spladed.index.container import Container
from spladed.index.rows import Rows
from spladed.index.segment import Segment
from spladed.index.values import CollectionSettings

__all__ = ["problems"]

_Array = npt.NDArray[Any]


def problems(container: Container, settings: CollectionSettings, *, is_batch: bool) -> list[str]:
    """A line each, starting with the section at fault; [] of what is sound.

    is_batch: by rising seq, without postings, and the ids of documents that were replaced in
              the same commit come again; else a segment file
    """
    try:
        found = list(shape.problems(container, settings, is_batch))
        if found:
            return found
        segment = Segment(container)
        found += _seqs(segment, is_batch)
        found += _ids(segment, is_batch)
        found += [
            f"fields: {each}"
            for each in columns.problems(settings.fields, segment.columns, segment.documents)
        ]
        found += _windows(segment, settings, is_batch)
        return found or list(sound_bounds.problems(segment))
    except (SpladedError, ValueError, KeyError, IndexError, TypeError) as error:
        # Lies that nobody foresaw.
        return [f"its sections do not fit together: {error!r}"]


def _seqs(segment: Segment, is_batch: bool) -> Iterator[str]:
    rising = segment.seqs[segment.by_seq]
    if not shape.rises(rising):
        row = int(segment.by_seq[1:][rising[:-1] >= rising[1:]][0])
        yield f"by_seq: row {row} does not come after the one before it, or comes again"
    elif rising[0] < 0:
        yield f"seqs: {rising[0]} is no seq"
    if is_batch and not np.array_equal(segment.by_seq, np.arange(segment.documents)):
        yield "by_seq: the documents of a batch are not by rising seq"


def _ids(segment: Segment, is_batch: bool) -> Iterator[str]:
    part = segment.container
    blob, starts = part["ids"], part["id_starts"]
    try:
        blob.tobytes().decode()
    except UnicodeDecodeError as error:
        yield f"ids: byte {error.start} is no UTF-8"
        return
    if np.any(blob[starts[:-1]] & 0xC0 == 0x80) or np.diff(starts).max() > MAX_ID_BYTES:
        yield f"id_starts: an id starts within a letter, or has over {MAX_ID_BYTES} bytes"
        return
    yield from _hashes(part)
    if not is_batch:
        yield from _same_ids(segment)


def _hashes(part: Container) -> Iterator[str]:
    blob, starts, rows = part["ids"].tobytes(), part["id_starts"], part["id_rows"]
    if np.any(np.bincount(rows, minlength=len(rows)) != 1):
        yield "id_rows: a row is missing, or comes twice"
    if not shape.rises(part["id_hashes"], strictly=False):
        yield "id_hashes: do not rise"
    ends = starts.tolist()
    pairs = ((ends[row], ends[row + 1]) for row in rows.tolist())
    made = (xxh3_64_intdigest(blob[start:stop]) for start, stop in pairs)
    wrong = part["id_hashes"] != np.fromiter(made, np.uint64, len(rows))
    if wrong.any():
        row = int(rows[np.flatnonzero(wrong)[0]])
        yield f"id_hashes: {blob[ends[row] : ends[row + 1]].decode()!r} has another hash"


def _same_ids(segment: Segment) -> Iterator[str]:
    hashes, rows = segment.container["id_hashes"], segment.container["id_rows"]
    again = np.flatnonzero(hashes[1:] == hashes[:-1])
    seen: set[str] = set()
    for slot in sorted({*again.tolist(), *(again + 1).tolist()}):
        id = segment.id(int(rows[slot]))
        if id in seen:
            yield f"ids: {id!r} comes twice"
        seen.add(id)


def _windows(segment: Segment, settings: CollectionSettings, is_batch: bool) -> Iterator[str]:
    first, weights, last_key = 0, 0, np.uint64(0)
    for number, documents in enumerate(segment.directory[:, 1].tolist()):
        numbers = np.arange(first, first + documents)
        rows = segment.rows(numbers)
        first, weights = first + documents, weights + rows.nnz
        wrong = _rows(rows, settings.dimension)
        if wrong:
            yield f"w{number}/rows: {wrong}"
        elif not is_batch:
            keys = segment.keys(numbers)
            if keys[0] < last_key or not shape.rises(keys, strictly=False):
                yield f"w{number}/rows: are not in the order of their heaviest terms"
            last_key = keys[-1]
            yield from _postings(segment.container, f"w{number}", rows, settings)
    if weights != segment.weights:
        yield f"meta: says {segment.weights} weights, the rows have {weights}"


def _rows(rows: Rows, dimension: int) -> str:
    """The first thing wrong with these rows, or nothing."""
    beyond = (rows.indices < 0) | (rows.indices >= dimension)
    rising = np.ones(rows.nnz, np.bool_)
    rising[1:] = rows.indices[1:] > rows.indices[:-1]
    starts = rows.indptr[:-1]
    rising[starts[starts < rows.nnz]] = True
    weights = grid.numbers(rows.weights)
    for wrong, what in (
        (beyond, f"has a term that is not below {dimension}"),
        (~rising, "has terms that do not rise"),
        (~(np.isfinite(weights) & (weights > 0)), "has a weight that is not a number above 0"),
    ):
        if wrong.any():
            position = int(np.flatnonzero(wrong)[0])
            row = int(np.searchsorted(rows.indptr, position, side="right")) - 1
            return f"row {row} {what}"
    return ""


def _postings(
    container: Container, prefix: str, rows: Rows, settings: CollectionSettings
) -> Iterator[str]:
    terms = rows.indices.astype(np.uint32 if shape.is_wide(settings) else np.uint16)
    order = np.argsort(terms, kind="stable")
    ordered = terms[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: rows.nnz])
    docs = np.repeat(np.arange(len(rows)), np.diff(rows.indptr))
    expected: dict[str, _Array] = {
        "terms": ordered[starts],
        "starts": np.concatenate([starts, [rows.nnz]]),
        "docs": docs[order],
        "impacts": scoring.document_impacts(settings.scoring, rows)[order],
    }
    for name, made in expected.items():
        found = container[f"{prefix}/{name}"]
        if len(found) != len(made):
            yield f"{prefix}/{name}: has {len(found)} entries, the rows make {len(made)}"
        elif not np.array_equal(found, made):
            place = int(np.flatnonzero(found != made)[0])
            yield f"{prefix}/{name}: entry {place} is {found[place]}, the rows make {made[place]}"
