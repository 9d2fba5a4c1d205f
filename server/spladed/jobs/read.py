"""Texts out of JSON lines and judgements out of TSV; a bad line is named by file:line.

The first bad line ends the reading: figures over part of a corpus are other figures.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spladed.errors import InvalidInput
from spladed.jobs.compressed import numbered_lines

__all__ = ["MAX_GRADE", "Qrels", "Text", "read_qrels", "read_texts"]

Qrels = Mapping[str, Mapping[str, int]]  # query id -> document id -> grade

# trec_eval counts documents in an array as long as the highest grade; nobody grades beyond 10.
MAX_GRADE = 1_000

# BEIR's qrels open with this line.
_HEADER = ["query-id", "corpus-id", "score"]


@dataclass(frozen=True, slots=True)
class Text:
    """A document or a query; `text` may be blank, which no query ever matches."""

    id: str
    text: str


def read_texts(path: Path) -> list[Text]:
    """The texts of a file of {"id", "text"} lines, in order; other keys are passed over.

    Raises InvalidInput LINE, DUPLICATE_ID or FILE_EMPTY, and what `numbered_lines` raises.
    """
    first: dict[str, int] = {}
    texts = []
    for number, line in numbered_lines(path):
        text = _text(line, f"{path}:{number}")
        if first.setdefault(text.id, number) != number:
            raise _repeated(f"{path}:{number}", f"id {text.id!r}", first[text.id])
        texts.append(text)
    if not texts:
        raise InvalidInput(f"{path} holds no texts", reason="FILE_EMPTY", field=str(path))
    return texts


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """The grades of a file of query, document, grade; a grade above 0 means relevant.

    Raises InvalidInput LINE, DUPLICATE_ID or FILE_EMPTY, and what `numbered_lines` raises.
    """
    qrels: dict[str, dict[str, int]] = {}
    first: dict[tuple[str, str], int] = {}
    for number, (query, document, grade) in _judgements(path):
        if first.setdefault((query, document), number) != number:
            pair = f"the judgement of {document!r} for {query!r}"
            raise _repeated(f"{path}:{number}", pair, first[query, document])
        qrels.setdefault(query, {})[document] = grade
    if not qrels:
        raise InvalidInput(f"{path} holds no judgements", reason="FILE_EMPTY", field=str(path))
    return qrels


def _text(line: str, where: str) -> Text:
    try:
        raw: Any = json.loads(line)
        identity, text = raw["id"], raw["text"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _bad_text(where, f"{type(error).__name__}: {error}") from error
    # bool is an int to Python, and no id to anybody
    if isinstance(identity, bool) or not isinstance(identity, str | int):
        raise _bad_text(where, f"id is {identity!r}")
    if not isinstance(text, str):
        raise _bad_text(where, f"text is {type(text).__name__}")
    if identity == "":
        raise _bad_text(where, "id is empty")
    if _has_surrogate(f"{identity}{text}"):
        raise _bad_text(where, "it holds half of a surrogate pair, which no UTF-8 can write")
    return Text(str(identity), text)


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _judgements(path: Path) -> Iterator[tuple[int, tuple[str, str, int]]]:
    for place, (number, line) in enumerate(numbered_lines(path)):
        cells = line.split("\t")
        if place == 0 and cells == _HEADER:
            continue
        yield number, _judgement(cells, f"{path}:{number}")


def _judgement(cells: list[str], where: str) -> tuple[str, str, int]:
    if len(cells) != 3:
        raise _bad_judgement(where, f"{len(cells)} columns between tabs")
    query, document, written = cells
    if not query or not document:
        raise _bad_judgement(where, "an empty id")
    try:
        grade = int(written)
    except ValueError as error:
        raise _bad_judgement(where, f"grade {written!r}") from error
    if abs(grade) > MAX_GRADE:
        raise _bad_judgement(where, f"grade {grade}")
    return query, document, grade


def _bad_text(where: str, found: str) -> InvalidInput:
    return InvalidInput(
        f'{where} is not a text ({found[:200]}); expected {{"id": "...", "text": "..."}}',
        reason="LINE",
        field=where,
    )


def _bad_judgement(where: str, found: str) -> InvalidInput:
    return InvalidInput(
        f"{where} is not a judgement ({found[:200]}); expected query, document and a whole "
        f"number of at most {MAX_GRADE}, with tabs between",
        reason="LINE",
        field=where,
    )


def _repeated(where: str, what: str, first: int) -> InvalidInput:
    return InvalidInput(
        f"{where} repeats {what} of line {first}; remove one of them",
        reason="DUPLICATE_ID",
        field=where,
    )
