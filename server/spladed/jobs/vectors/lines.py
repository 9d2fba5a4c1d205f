"""Rows out of JSON lines: what both JSON formats share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.errors import InvalidInput
from spladed.index.values import Document
from spladed.jobs.compressed import numbered_lines, readable
from spladed.jobs.vectors.checked import checked
from spladed.jobs.vectors.chunk import Chunk
from spladed.jobs.vectors.files import create, written

__all__ = ["Row", "bad_line", "check_lines", "chunks_of_lines", "write_lines"]

# A weight is two objects of Python until its chunk is full: 8 MiB a chunk stay near the CPU.
_ROWS, _WEIGHTS = 4_096, 1 << 16


@dataclass(frozen=True, slots=True)
class Row:
    """One line's record: terms and weights, of one length, as JSON has them."""

    id: str
    indices: list[Any]
    values: list[Any]
    document: Document | None = None


def chunks_of_lines(
    path: Path, parse: Callable[[dict[str, Any], str], Row], dimension: int, scale: float
) -> Iterator[Chunk]:
    """The records of the file, in chunks; `parse` takes a line's object and its place.

    Raises InvalidInput LINE, or what `parse`, `checked` and `numbered_lines` raise.
    """
    part, first = _Part(path), 0
    with readable(path):
        for number, line in numbered_lines(path):
            place = f"{path}:{number}"
            part.add(number, parse(_object(line, place), place))
            if part.is_full():
                yield part.chunk(dimension, scale, first)
                first += len(part.rows)
                part = _Part(path)
    if part.rows:
        yield part.chunk(dimension, scale, first)


def check_lines(path: Path) -> None:
    """Raises NotFound FILE for what is no file, InvalidInput COMPRESSION for a .gz or .zst of
    no bytes: none is whole, and gzip would call it empty."""
    with readable(path), path.open("rb") as file:
        if path.suffix in (".gz", ".zst") and not file.read(1):
            raise EOFError("it has no bytes")


def write_lines(path: Path, chunks: Iterable[Chunk], line: Callable[[Chunk, int], Any]) -> int:
    """A JSON line for each record, packed if the path ends in .gz; returns how many."""
    if path.suffix == ".zst":
        raise InvalidInput(
            f"{path}: .zst is read and not written; write a .gz or a plain file",
            reason="FORMAT",
            field=str(path),
        )
    count = 0
    with written(path) as aside, create(aside, packed=path.suffix == ".gz") as file:
        for chunk in chunks:
            for number in range(len(chunk.ids)):
                said = json.dumps(line(chunk, number), ensure_ascii=False)
                file.write(said.encode() + b"\n")
            count += len(chunk.ids)
    return count


def bad_line(place: str, found: str, expected: str) -> InvalidInput:
    """The error for a line that is no record."""
    return InvalidInput(
        f"{place} is no vector ({found[:200]}); expected {expected}", reason="LINE", field=place
    )


@dataclass(slots=True)
class _Part:
    """The rows of a chunk that fills."""

    path: Path
    rows: list[Row] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    weights: int = 0

    def add(self, number: int, row: Row) -> None:
        self.rows.append(row)
        self.numbers.append(number)
        self.weights += len(row.indices)

    def is_full(self) -> bool:
        return len(self.rows) >= _ROWS or self.weights >= _WEIGHTS

    def place(self, row: int) -> str:
        return f"{self.path}:{self.numbers[row]}"

    def chunk(self, dimension: int, scale: float, first: int) -> Chunk:
        indptr = np.zeros(len(self.rows) + 1, np.int64)
        np.cumsum([len(row.indices) for row in self.rows], out=indptr[1:])
        vectors = checked(
            dimension, indptr, self._numbers("indices", np.int64, {int}),
            self._numbers("values", np.float64, {int, float}), place=self.place, scale=scale,
        )  # fmt: skip
        ids = [row.id for row in self.rows]
        return Chunk(ids, vectors, self._documents(), first)

    def _numbers(self, name: str, dtype: type, kinds: set[type]) -> npt.NDArray[Any]:
        flat = list(chain.from_iterable(getattr(row, name) for row in self.rows))
        if set(map(type, flat)) <= kinds:
            with suppress(OverflowError):  # whole numbers of JSON have no end
                return np.fromiter(flat, dtype, len(flat))
        raise self._bad_number(name, kinds)

    def _bad_number(self, name: str, kinds: set[type]) -> InvalidInput:
        for row, each in enumerate(self.rows):
            for found in getattr(each, name):
                if type(found) not in kinds or not -(2**63) < found < 2**63:
                    expected = "term ids" if name == "indices" else "weights"
                    return bad_line(
                        self.place(row), f"{name} has {found!r}", f"numbers: {expected}"
                    )
        raise AssertionError("this is a bug: every number is one")

    def _documents(self) -> list[Document] | None:
        if not any(row.document for row in self.rows):
            return None
        return [row.document or Document(row.id) for row in self.rows]


def _object(line: str, place: str) -> dict[str, Any]:
    try:
        found = _DECODER.decode(line)
    except (ValueError, RecursionError) as error:
        raise bad_line(place, f"{type(error).__name__}: {error}", "one JSON object") from error
    if type(found) is not dict:
        raise bad_line(place, f"it is a {type(found).__name__}", "one JSON object")
    return found


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object, if no key stands twice; Python would keep the last and say nothing."""
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_without_repeats)
