"""Documents out of lines, JSON or tab-separated; a bad line is named by its number."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

import typer

from spladed.client.values import Document
from spladed.errors import InvalidInput
from spladed.jobs.compressed import numbered_lines

__all__ = ["BadLines", "Format", "batches", "count_lines", "read_documents", "texts_as_documents"]

T = TypeVar("T")
Format = Literal["auto", "jsonl", "tsv"]


@dataclass(slots=True)
class BadLines:
    """What happens to lines that are no documents: they end the work, or are told and counted.

    It also remembers where each document stood, for errors that come later from the server.
    """

    skip: bool = False
    count: int = 0
    _places: list[str] = field(default_factory=list)

    def take(self, error: InvalidInput) -> None:
        """Raises the error, or tells it and goes on."""
        if not self.skip:
            raise error
        self.count += 1
        typer.echo(error.message, err=True)

    def places(self, documents: Iterable[tuple[str, Document]]) -> Iterator[Document]:
        """The documents, their places remembered."""
        for place, document in documents:
            self._places.append(place)
            yield document

    def place(self, position: int) -> str:
        """Where the document at this position stood, as file:line."""
        return self._places[position]


def read_documents(
    file: str, format: Format = "auto", bad: BadLines | None = None
) -> Iterator[tuple[str, Document]]:
    """(file:line, document) for each line of a file, or of stdin for "-", in order.

    A line is {"id": ..., "text": ..., "metadata": {...}}, or id<TAB>text in a .tsv file;
    blank lines are passed over. Raises NotFound for a file that cannot be read, InvalidInput
    for bytes that are not UTF-8, and what `bad` does with a line that is no document.
    """
    is_tsv = format == "tsv" or (format == "auto" and ".tsv" in Path(file).suffixes)
    parse = _from_tsv if is_tsv else _from_json
    bad = bad or BadLines()
    for number, line in _numbered(file):
        place = f"{file}:{number}"
        try:
            document = parse(line, place)
        except InvalidInput as error:
            bad.take(error)
        else:
            yield place, document


def texts_as_documents(texts: Iterable[str]) -> Iterator[Document]:
    """Texts from the command line, numbered from 1."""
    return (Document(str(number), text) for number, text in enumerate(texts, 1))


def count_lines(file: str) -> int | None:
    """Lines that are not blank, for a progress bar; None where they cannot be counted."""
    return None if file == "-" else sum(1 for _ in numbered_lines(Path(file)))


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`, the last one shorter."""
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part


def _numbered(file: str) -> Iterator[tuple[int, str]]:
    if file != "-":
        return numbered_lines(Path(file))
    return ((number, line) for number, line in enumerate(sys.stdin, 1) if line.strip())


def _from_json(line: str, place: str) -> Document:
    try:
        raw: Any = json.loads(line)
        identity, text, metadata = raw["id"], raw["text"], raw.get("metadata", {})
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _bad_line(place, f"{type(error).__name__}: {error}") from error
    fits = isinstance(identity, str | int) and not isinstance(identity, bool)
    if not (fits and isinstance(text, str) and isinstance(metadata, dict)):
        raise _bad_line(place, "id, text or metadata has another type")
    return Document(str(identity), text, metadata=metadata)


def _from_tsv(line: str, place: str) -> Document:
    identity, tab, text = line.partition("\t")
    if not tab:
        raise _bad_line(place, "no tab")
    return Document(identity, text)


def _bad_line(place: str, found: str) -> InvalidInput:
    return InvalidInput(
        f'{place} is not a document ({found}); expected {{"id": "...", "text": "..."}} and at '
        'most a "metadata" object beside them, or in a .tsv file an id, a tab and a text',
        reason="LINE",
        field=place,
    )
