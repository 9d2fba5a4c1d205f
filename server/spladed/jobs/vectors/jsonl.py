"""JSON lines with terms by number, as `spladed encode --json` and other engines write them.

    {"id": "a", "vector": {"indices": [3, 7], "values": [0.5, 2.0]}}
    {"id": "a", "vector": {"3": 0.5, "7": 2.0}}
    {"id": "a", "indices": [3, 7], "values": [0.5, 2.0]}

Beside them "text", "metadata" (an object) and "fields" ({name: value or list of values},
times as RFC 3339 has them); other keys are passed over. Plain, .gz or .zst.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.index.values import Document, Value
from spladed.jobs.vectors.chunk import Chunk, Options, VectorFile, decide_dimension
from spladed.jobs.vectors.document import DOCUMENT_KEYS, document_of, identity_of
from spladed.jobs.vectors.lines import Row, bad_line, check_lines, chunks_of_lines, write_lines

__all__ = ["read", "write"]

_EXPECTED = (
    '{"id": "...", "vector": {"indices": [...], "values": [...]}}, or {"term id": weight} as the '
    "vector; terms that are tokens want --format anserini and --vocabulary"
)


def read(path: Path, options: Options) -> VectorFile:
    """The records of the file; `options.dimension` must be given, as the file has none.

    Raises NotFound FILE, InvalidInput LINE, ID or COMPRESSION, and what `document_of`,
    `decide_dimension` and `checked` raise.
    """
    check_lines(path)
    dimension = decide_dimension(path, 0, options.dimension)

    def parse(said: dict[str, Any], place: str) -> Row:
        if "id" not in said:
            raise bad_line(place, "no id", _EXPECTED)
        identity = identity_of(said["id"], place)
        indices, values = _vector(said.get("vector", said), place)
        has_document = not DOCUMENT_KEYS.isdisjoint(said)
        document = document_of(identity, said, options.fields, place) if has_document else None
        return Row(identity, indices, values, document)

    chunks = chunks_of_lines(path, parse, dimension, options.scale)
    return VectorFile(path, "jsonl", dimension, None, chunks)


def write(path: Path, chunks: Iterable[Chunk]) -> int:
    """A line for each row, with what its document has; returns how many."""
    return write_lines(path, chunks, _line)


def _vector(vector: Any, place: str) -> tuple[list[Any], list[Any]]:
    if type(vector) is not dict:
        raise bad_line(place, f"its vector is a {type(vector).__name__}", _EXPECTED)
    if "indices" not in vector and "values" not in vector:
        return _from_map(vector, place)
    indices, values = vector.get("indices"), vector.get("values")
    if type(indices) is not list or type(values) is not list:
        raise bad_line(place, "indices and values are not two lists", _EXPECTED)
    if len(indices) != len(values):
        raise bad_line(place, f"{len(indices)} indices and {len(values)} values", _EXPECTED)
    return indices, values


def _from_map(vector: dict[str, Any], place: str) -> tuple[list[Any], list[Any]]:
    if "id" in vector:  # the line itself: it has neither a vector nor indices
        raise bad_line(place, "no vector", _EXPECTED)
    try:
        return list(map(int, vector)), list(vector.values())
    except ValueError:
        key = next(key for key in vector if not key.isdecimal())
        raise bad_line(place, f"{key!r} is no term id", _EXPECTED) from None


def _line(chunk: Chunk, number: int) -> dict[str, Any]:
    indices, values = chunk.vectors.row(number)
    vector = {"indices": indices.tolist(), "values": _short(values)}
    line: dict[str, Any] = {"id": chunk.ids[number], "vector": vector}
    return line | (_said(chunk.documents[number]) if chunk.documents else {})


def _short(values: npt.NDArray[np.float32]) -> list[float]:
    """The weights in few digits that read back as the same float32: half the file."""
    exact = values.astype(np.float64)
    short = exact.copy()
    for digits in (8, 4):
        rounded = np.round(exact, digits)
        np.copyto(short, rounded, where=rounded.astype(np.float32) == values)
    return short.tolist()


def _said(document: Document) -> dict[str, Any]:
    """What the document has, as JSON says it."""
    said: dict[str, Any] = {}
    if document.text:
        said["text"] = document.text
    if document.metadata:
        said["metadata"] = json.loads(document.metadata)
    if document.fields:
        said["fields"] = {
            name: _plain(values[0]) if len(values) == 1 else [_plain(each) for each in values]
            for name, values in document.fields.items()
        }
    return said


def _plain(value: Value) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
