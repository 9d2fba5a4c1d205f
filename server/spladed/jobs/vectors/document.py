"""Text, metadata and fields out of what a file says of a document. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from spladed.errors import InvalidInput
from spladed.index.values import Document, Field, Value

__all__ = [
    "DOCUMENT_KEYS",
    "checked_text",
    "document_of",
    "identity_of",
    "metadata_text",
    "value_of",
]

DOCUMENT_KEYS = frozenset({"text", "metadata", "fields"})

_KINDS: dict[str, tuple[type, ...]] = {
    "keyword": (str,),
    "integer": (int,),
    "float": (float, int),
    "boolean": (bool,),
    "time": (datetime,),
}


def document_of(
    identity: str, said: Mapping[str, Any], fields: Mapping[str, Field], place: str
) -> Document:
    """The document of {"text", "metadata", "fields"}, each of them optional.

    Raises InvalidInput TEXT, METADATA, FIELD_UNDECLARED or FIELD_TYPE, naming the place.
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
    return Document(identity, text, _written(metadata, place), _fields(given, fields, place))


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


def value_of(field: Field, found: Any, place: str) -> tuple[Value, ...]:
    """The values of a field: none for null, several only where the field is a list.

    Times are datetimes with a zone, or such strings as RFC 3339 has them. Raises
    InvalidInput FIELD_TYPE.
    """
    if found is None:
        return ()
    if isinstance(found, list):
        if not field.list:
            raise _refused(place, "FIELD_TYPE", f"fields.{field.name}", found, f"one {field.type}")
        return tuple(_one(field, each, place) for each in found)
    return (_one(field, found, place),)


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


def _fields(
    given: Mapping[str, Any], declared: Mapping[str, Field], place: str
) -> dict[str, tuple[Value, ...]]:
    values = {}
    for name, found in given.items():
        if name not in declared:
            raise InvalidInput(
                f"{place}: fields.{name} is not declared; the collection has "
                f"{', '.join(declared) or 'no fields'}",
                reason="FIELD_UNDECLARED",
                field=place,
            )
        if those := value_of(declared[name], found, place):
            values[name] = those
    return values


def _one(field: Field, found: Any, place: str) -> Value:
    if field.type == "time":
        found = _time(found)
    # bool is an int to Python; here it is a boolean alone
    wrong = isinstance(found, bool) and field.type != "boolean"
    if wrong or not isinstance(found, _KINDS[field.type]):
        expected = _EXPECTED.get(field.type, field.type)
        raise _refused(place, "FIELD_TYPE", f"fields.{field.name}", found, expected)
    return float(found) if field.type == "float" else found


_EXPECTED = {"time": 'a time with its zone, like "2026-01-31T12:00:00Z"', "keyword": "a string"}


def _time(found: Any) -> Any:
    """A datetime in UTC, or what was found where it is no time with a zone."""
    if isinstance(found, str):
        try:
            found = datetime.fromisoformat(found)
        except ValueError:
            return found
    if isinstance(found, datetime):
        return found.astimezone(UTC) if found.tzinfo else found.isoformat()
    return found


def _refused(place: str, reason: str, name: str, found: Any, expected: str) -> InvalidInput:
    return InvalidInput(
        f"{place}: {name} is {str(found)[:100]!r} ({type(found).__name__}); expected {expected}",
        reason=reason,
        field=place,
    )
