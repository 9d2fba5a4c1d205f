"""Text, metadata and fields out of what a file says of a document. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from spladed.errors import InvalidInput
from spladed.index.fields import checked_fields
from spladed.index.values import Document, Field, Value

__all__ = [
    "DOCUMENT_KEYS",
    "checked_text",
    "document_of",
    "fields_of",
    "identity_of",
    "metadata_text",
]

DOCUMENT_KEYS = frozenset({"text", "metadata", "fields"})


def document_of(
    identity: str, said: Mapping[str, Any], fields: Sequence[Field], place: str
) -> Document:
    """The document of {"text", "metadata", "fields"}, each of them optional.

    Raises InvalidInput TEXT, METADATA, and FIELD_* as `fields_of` does, naming the place.
    """
    text = said.get("text") or ""
    if not isinstance(text, str):
        raise _refused(place, "TEXT", "text", text, "a string")
    checked_text(text, place, "text")
    metadata = said.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise _refused(place, "METADATA", "metadata", metadata, "an object")
    given = said.get("fields") or {}
    if not isinstance(given, dict):
        raise _refused(place, "FIELD_TYPE", "fields", given, "an object of field: value")
    values = fields_of(given, fields, place)
    return Document(identity, text, _written(metadata, place), values)


def identity_of(found: Any, place: str) -> str:
    """The id, a string or a whole number; raises InvalidInput ID."""
    if type(found) is str and found:
        return checked_text(found, place, "id", "ID")
    if type(found) is int:  # bool is an int to Python, and no id to anybody
        return str(found)
    raise _refused(place, "ID", "id", found, "a string that is not empty, or a whole number")


def metadata_text(text: str | None, place: str) -> str:
    """Metadata that is JSON already; raises InvalidInput METADATA unless it is an object."""
    if not text:
        return ""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = text
    if not isinstance(found, dict):
        raise _refused(place, "METADATA", "metadata", text, "a JSON object")
    return checked_text(text, place, "metadata", "METADATA")


def fields_of(
    given: Mapping[str, Any], fields: Sequence[Field], place: str
) -> dict[str, tuple[Value, ...]]:
    """The values of {field: value or list of values}; null is none.

    Times are datetimes with a zone, or strings as RFC 3339 has them. Raises InvalidInput
    FIELD, FIELD_TYPE or FIELD_VALUE as `checked_fields` does.
    """
    times = {field.name for field in fields if field.type == "time"}
    values: dict[str, Sequence[Any]] = {}
    for name, found in given.items():
        several = found if isinstance(found, list) else [] if found is None else [found]
        values[name] = list(map(_time, several)) if name in times else several
    return checked_fields(fields, values, f"{place}: fields")


def checked_text(text: str, place: str, name: str, reason: str = "TEXT") -> str:
    """The text, if UTF-8 can write it."""
    try:
        if not text.isascii():
            text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"{place}: {name} has half of a surrogate pair at character {error.start}, which no "
            "UTF-8 can write",
            reason=reason,
            field=place,
        ) from error
    return text


def _written(metadata: Mapping[str, Any], place: str) -> str:
    if not metadata:
        return ""
    text = json.dumps(metadata, ensure_ascii=False, separators=(",", ":"))
    return checked_text(text, place, "metadata", "METADATA")


def _time(found: Any) -> Any:
    """A datetime, or what was found where it is no such string."""
    if isinstance(found, str):
        with suppress(ValueError):
            return datetime.fromisoformat(found)
    return found


def _refused(place: str, reason: str, name: str, found: Any, expected: str) -> InvalidInput:
    return InvalidInput(
        f"{place}: {name} is {str(found)[:100]!r} ({type(found).__name__}); expected {expected}",
        reason=reason,
        field=place,
    )
