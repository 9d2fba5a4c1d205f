"""What kernels follow blindly in a segment: its types, counts and starts. Pure.

With numpy alone, since a wrong number would be read as an address.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.index import grid, scoring
from spladed.index.container import Container
from spladed.index.kernels.build import packed_bytes
from spladed.index.values import CollectionSettings

__all__ = ["covers", "is_wide", "problems", "rises"]

_Array = npt.NDArray[Any]

_DTYPES = {
    "meta": "|u1", "seqs": "<i8", "by_seq": "<u4", "ids": "|u1", "id_starts": "<i8",
    "id_hashes": "<u8", "id_rows": "<u4",
}  # fmt: skip
_MAX_WINDOW = 65_536  # documents, whose numbers within it have 16 bits


def problems(container: Container, settings: CollectionSettings, is_batch: bool) -> Iterator[str]:
    """A line each, starting with the section at fault; as `sound.problems`."""
    meta = json.loads(container["meta"].tobytes())
    expected = json.loads(json.dumps(_settings(settings)))
    for key, value in expected.items():
        if meta.get(key) != value:
            yield f"meta: {key} is {meta.get(key)!r}, the catalog says {value!r}"
    windows: list[int] = meta["windows"]
    if not windows or not all(1 <= count <= _MAX_WINDOW for count in windows):
        yield f"meta: windows of {windows} documents, expected 1 to {_MAX_WINDOW} each"
        return
    if wrong := list(_types(container, settings, len(windows), is_batch)):
        yield from wrong
        return
    yield from _identity_counts(container, sum(windows))
    for number, documents in enumerate(windows):
        yield from _window_counts(container, settings, f"w{number}", documents, is_batch)


def _settings(settings: CollectionSettings) -> dict[str, Any]:
    return {
        "dimension": settings.dimension,
        "weight_format": settings.weight_format,
        "scoring": asdict(settings.scoring),
        "fields": [asdict(field) for field in settings.fields],
    }


def _types(
    container: Container, settings: CollectionSettings, windows: int, is_batch: bool
) -> Iterator[str]:
    expected = dict(_DTYPES)
    for number in range(windows):
        for name, dtype in _window_types(settings, is_batch).items():
            expected[f"w{number}/{name}"] = dtype
    for name, dtype in expected.items():
        if name not in container:
            yield f"{name}: is missing"
        elif container[name].dtype.str != dtype:
            yield f"{name}: is {container[name].dtype.str}, expected {dtype}"
    if is_batch and "w0/terms" in container:
        yield "w0/terms: a batch has no postings"


def _window_types(settings: CollectionSettings, is_batch: bool) -> dict[str, str]:
    types = {"rows": "|u1", "row_starts": "<u4"}
    if not is_batch:
        plain = scoring.has_plain_impacts(settings.scoring)
        impacts = grid.dtype_of(settings.weight_format).str if plain else "<f4"
        terms = "<u4" if is_wide(settings) else "<u2"
        types |= {"terms": terms, "starts": "<u4", "docs": "<u2", "impacts": impacts}
    return types


def is_wide(settings: CollectionSettings) -> bool:
    """Whether terms have 32 bits."""
    return settings.dimension > 65_536


def _identity_counts(container: Container, documents: int) -> Iterator[str]:
    for name in ("seqs", "by_seq", "id_hashes", "id_rows"):
        if len(container[name]) != documents:
            yield f"{name}: has {len(container[name])} entries for {documents} documents"
    for name in ("by_seq", "id_rows"):
        if container[name].max(initial=0) >= documents:
            yield f"{name}: names row {container[name].max()} of {documents}"
    starts, size = container["id_starts"], len(container["ids"])
    if not covers(starts, documents, size) or not rises(starts):
        yield f"id_starts: do not rise from 0 to {size} over {documents} documents"


def _window_counts(
    container: Container, settings: CollectionSettings, prefix: str, documents: int, is_batch: bool
) -> Iterator[str]:
    starts, size = (
        container[f"{prefix}/row_starts"].astype(np.int64),
        container.size(f"{prefix}/rows"),
    )
    if not covers(starts, documents, size) or not rises(starts, strictly=False):
        yield f"{prefix}/row_starts: do not rise from 0 to {size} over {documents} rows"
        return
    wide, floats = is_wide(settings), settings.weight_format == "float32"
    sizes = np.diff(starts)
    counts = sizes // (8 if wide and floats else 6 if wide or floats else 4)
    if not np.array_equal(packed_bytes(counts, wide, floats), sizes):
        row = int(np.flatnonzero(packed_bytes(counts, wide, floats) != sizes)[0])
        yield f"{prefix}/row_starts: row {row} has {sizes[row]} bytes, which no row has"
    if not is_batch:
        yield from _posting_counts(container, prefix, int(counts.sum()))


def _posting_counts(container: Container, prefix: str, weights: int) -> Iterator[str]:
    terms, starts = container[f"{prefix}/terms"], container[f"{prefix}/starts"]
    if not covers(starts, len(terms), weights) or not rises(starts):
        yield f"{prefix}/starts: do not rise from 0 to {weights} over {len(terms)} terms"
    for name in ("docs", "impacts"):
        found = len(container[f"{prefix}/{name}"])
        if found != weights:
            yield f"{prefix}/{name}: has {found} postings, the rows have {weights}"


def covers(starts: _Array, count: int, end: int) -> bool:
    """Whether these are count + 1 numbers from 0 to `end`."""
    return len(starts) == count + 1 and int(starts[0]) == 0 and int(starts[-1]) == end


def rises(numbers: _Array, *, strictly: bool = True) -> bool:
    """Whether each number is above the one before it, or not below it."""
    before, after = numbers[:-1], numbers[1:]
    return bool(np.all(before < after if strictly else before <= after))
