"""Documents and texts out of JSON lines; a bad line is named by its number."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, TypeVar

from spladed.client.values import Document
from spladed.errors import InvalidInput, NotFound

__all__ = ["batches", "count_lines", "read_documents", "texts_as_documents"]

T = TypeVar("T")


def read_documents(file: str) -> Iterator[Document]:
    """The documents of a file of JSON lines, or of stdin for "-", in order.

    Each line is {"id": ..., "text": ..., "metadata": {...}}; blank lines are passed over.
    Raises NotFound for a file that cannot be read, InvalidInput for a line that is no
    document.
    """
    with _open(file) as lines:
        for number, line in enumerate(_decoded(lines, file), 1):
            if line.strip():
                yield _document(line, f"{file}:{number}")


def texts_as_documents(texts: Iterable[str]) -> Iterator[Document]:
    """Texts from the command line, numbered from 1."""
    return (Document(str(number), text) for number, text in enumerate(texts, 1))


def count_lines(file: str) -> int | None:
    """Lines that are not blank, for a progress bar; None where they cannot be counted."""
    if file == "-":
        return None
    with _open(file) as lines:
        return sum(1 for line in _decoded(lines, file) if line.strip())


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`, the last one shorter."""
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part


def _open(file: str) -> TextIO:
    if file == "-":
        return sys.stdin
    try:
        return Path(file).open(encoding="utf-8", errors="strict")
    except OSError as error:
        raise NotFound(
            f"cannot read {file}: {error.strerror}", reason="FILE", field="file"
        ) from error


def _decoded(lines: TextIO, file: str) -> Iterator[str]:
    try:
        yield from lines
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{file} is not UTF-8: {error}; convert it first", reason="ENCODING", field="file"
        ) from error


def _document(line: str, where: str) -> Document:
    try:
        raw: Any = json.loads(line)
        identity, text = raw["id"], raw["text"]
    except (ValueError, KeyError, TypeError) as error:
        raise _bad_line(where, f"{type(error).__name__}: {error}") from error
    metadata = raw.get("metadata", {})
    if not (
        isinstance(identity, str | int) and isinstance(text, str) and isinstance(metadata, dict)
    ):
        raise _bad_line(where, "id, text or metadata has another type")
    return Document(str(identity), text, metadata=metadata)


def _bad_line(where: str, found: str) -> InvalidInput:
    return InvalidInput(
        f'{where} is not a document ({found}); expected {{"id": "...", "text": "..."}} and at '
        'most a "metadata" object beside them',
        reason="LINE",
        field=where,
    )
