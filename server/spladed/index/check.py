"""Which documents, ids and requests are refused, before anything is touched."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from spladed.errors import InvalidInput, Mismatch
from spladed.index.fields import checked_fields
from spladed.index.values import Document, Field, Value
from spladed.sparse import SparseBatch

__all__ = [
    "MAX_ID_BYTES",
    "MAX_K",
    "check_contents",
    "check_dimension",
    "check_documents",
    "check_effort",
    "check_ids",
    "check_k",
    "check_lengths",
    "check_name",
    "check_one_row",
    "check_threads",
    "is_name",
]

MAX_ID_BYTES = 512
# Elasticsearch's and OpenSearch's max_result_window: the field's idea of "too many hits".
MAX_K = 10_000
_NO_FIELDS: Mapping[str, tuple[Value, ...]] = {}
# A folder's name on every file system, a path's segment, and no option's look.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)


def check_documents(
    documents: Sequence[Document], vectors: SparseBatch, fields: Sequence[Field]
) -> list[Mapping[str, tuple[Value, ...]]]:
    """The documents' field values in their one form.

    Raises InvalidInput LENGTHS, ID, DUPLICATE_ID, TEXT, FIELD, FIELD_TYPE or FIELD_VALUE,
    naming the position.
    """
    ids = [document.id for document in documents]
    check_lengths(len(ids), len(vectors))
    check_ids(ids, "documents[{}].id")
    if len(set(ids)) < len(ids):
        raise _duplicate(ids)
    return check_contents(documents, fields)


def check_contents(
    documents: Sequence[Document], fields: Sequence[Field]
) -> list[Mapping[str, tuple[Value, ...]]]:
    """As `check_documents`, without the ids."""
    _check_texts([document.text for document in documents], "documents[{}].text")
    _check_texts([document.metadata for document in documents], "documents[{}].metadata")
    return [
        checked_fields(fields, document.fields, f"documents[{number}].fields")
        if document.fields
        else _NO_FIELDS
        for number, document in enumerate(documents)
    ]


def check_lengths(documents: int, vectors: int) -> None:
    """Raises InvalidInput LENGTHS unless there is one vector a document."""
    if documents != vectors:
        raise InvalidInput(
            f"{documents} documents with {vectors} vectors; send one vector a document",
            reason="LENGTHS",
            field="documents",
        )


def check_ids(ids: Sequence[str], where: str = "ids[{}]") -> None:
    """Raises InvalidInput ID for an id that no document can have."""
    # All at once first: a million ids are looked at in 50 ms, and one by one in seconds.
    if "".join(ids).isascii():
        lengths = list(map(len, ids))
        if min(lengths, default=1) >= 1 and max(lengths, default=1) <= MAX_ID_BYTES:
            return
    for number, id in enumerate(ids):
        _check_id(id, where.format(number))


def check_dimension(batch: SparseBatch, dimension: int, field: str) -> None:
    """Raises Mismatch DIMENSION unless the batch is over `dimension` terms."""
    if batch.dimension != dimension:
        raise Mismatch(
            f"{field}.dimension is {batch.dimension}; this collection has {dimension} terms: "
            "encode with the model that the collection was made for",
            reason="DIMENSION",
            field=f"{field}.dimension",
        )


def check_k(k: int) -> None:
    """Raises InvalidInput K unless 1 <= k <= MAX_K."""
    if not 1 <= k <= MAX_K:
        raise InvalidInput(f"k is {k}; expected 1 to {MAX_K}", reason="K", field="k")


def check_effort(effort: float) -> None:
    """Raises InvalidInput EFFORT unless 0 <= effort <= 1."""
    if not 0 <= effort <= 1:  # NaN fails too
        raise InvalidInput(
            f"effort is {effort:g}; expected 0 (fastest) to 1 (exact)",
            reason="EFFORT",
            field="effort",
        )


def check_threads(threads: int) -> None:
    """Raises InvalidInput THREADS unless there is one at least."""
    if threads < 1:
        raise InvalidInput(
            f"threads is {threads}; expected 1 or more", reason="THREADS", field="threads"
        )


def check_one_row(query: SparseBatch) -> None:
    """Raises InvalidInput LENGTHS unless the batch is one query."""
    if len(query) != 1:
        raise InvalidInput(
            f"query has {len(query)} rows; explain takes one", reason="LENGTHS", field="query"
        )


def is_name(name: str) -> bool:
    """Whether a collection can have this name."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str, *, reason: str, field: str) -> None:
    """Raises InvalidInput with this reason unless collections and aliases can be called so."""
    if not is_name(name):
        raise InvalidInput(
            f"{field} is {name!r}; expected 1 to 63 of a-z, 0-9, _ and -, starting with a letter "
            "or digit",
            reason=reason,
            field=field,
        )


def _check_id(id: str, field: str) -> None:
    size = _utf8(id, field)
    if not 1 <= size <= MAX_ID_BYTES:
        found = f"{size} bytes long" if size else "empty"
        raise InvalidInput(
            f"{field} is {found}; expected 1 to {MAX_ID_BYTES} bytes of UTF-8",
            reason="ID",
            field=field,
        )


def _check_texts(texts: Sequence[str], where: str) -> None:
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        for number, text in enumerate(texts):
            _utf8(text, where.format(number))


def _utf8(text: str, field: str) -> int:
    try:
        return len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"{field} has a lone surrogate at character {error.start}; expected text that "
            "UTF-8 can write",
            reason="ID" if field.endswith("id") or field.startswith("ids") else "TEXT",
            field=field,
        ) from error


def _duplicate(ids: Sequence[str]) -> InvalidInput:
    seen: dict[str, int] = {}
    pairs = ((seen.setdefault(id, number), number) for number, id in enumerate(ids))
    first, second = next(pair for pair in pairs if pair[0] != pair[1])
    return InvalidInput(
        f"documents[{first}] and documents[{second}] have the same id {ids[second]!r}; "
        "send each document once a request",
        reason="DUPLICATE_ID",
        field=f"documents[{second}].id",
    )
