"""Which documents, ids and requests are refused, before anything is touched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from spladed.errors import InvalidInput, Mismatch
from spladed.index.fields import checked_fields
from spladed.index.values import Document, Field, Value
from spladed.sparse import SparseBatch

__all__ = [
    "MAX_ID_BYTES",
    "MAX_K",
    "check_dimension",
    "check_documents",
    "check_ids",
    "check_k",
    "check_name",
    "check_one_row",
    "is_name",
]

MAX_ID_BYTES = 512
# Elasticsearch's and OpenSearch's max_result_window: the field's idea of "too many hits".
MAX_K = 10_000
_NO_FIELDS: Mapping[str, tuple[Value, ...]] = {}
# A folder's name on every file system, a path's segment, and no option's look.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)


def check_documents(
    documents: Sequence[Document],
    vectors: SparseBatch,
    fields: Sequence[Field],
    *,
    distinct: bool = True,
) -> list[Mapping[str, tuple[Value, ...]]]:
    """The documents' field values in their one form.

    Raises InvalidInput LENGTHS, ID, TEXT, FIELD, FIELD_TYPE or FIELD_VALUE, and where ids must
    be `distinct` DUPLICATE_ID, naming the position.
    """
    if len(documents) != len(vectors):
        raise InvalidInput(
            f"{len(documents)} documents with {len(vectors)} vectors; send one vector a document",
            reason="LENGTHS",
            field="documents",
        )
    seen: dict[str, int] = {}
    for number, document in enumerate(documents):
        _check_id(document.id, f"documents[{number}].id")
        first = seen.setdefault(document.id, number) if distinct else number
        if first != number:
            raise _duplicate(document.id, first, number)
        _utf8(document.text, f"documents[{number}].text")
        _utf8(document.metadata, f"documents[{number}].metadata")
    return [
        checked_fields(fields, document.fields, f"documents[{number}].fields")
        if document.fields
        else _NO_FIELDS
        for number, document in enumerate(documents)
    ]


def check_ids(ids: Iterable[str]) -> None:
    """Raises InvalidInput ID for an id that no document can have."""
    for number, id in enumerate(ids):
        _check_id(id, f"ids[{number}]")


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


def _duplicate(id: str, first: int, second: int) -> InvalidInput:
    return InvalidInput(
        f"documents[{first}] and documents[{second}] have the same id {id!r}; "
        "send each document once a request",
        reason="DUPLICATE_ID",
        field=f"documents[{second}].id",
    )
