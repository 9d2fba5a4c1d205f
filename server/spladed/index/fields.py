"""Which declarations of fields, and which values of declared fields, are refused. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import get_args

from spladed.errors import InvalidInput
from spladed.index.values import Field, FieldType, Value

__all__ = [
    "MAX_FIELDS",
    "MAX_KEYWORD_BYTES",
    "MAX_NAME_BYTES",
    "check_declarations",
    "checked_fields",
    "checked_value",
    "declared",
]

# With what stands before and behind it, a name must fit the 48 bytes of a section's name.
MAX_NAME_BYTES = 32
# Elasticsearch stops at 1,000 fields; each costs every segment two to four sections here.
MAX_FIELDS = 256
# Lucene's bound on a term.
MAX_KEYWORD_BYTES = 32_766

_CLASSES: dict[FieldType, type] = {
    "keyword": str,
    "integer": int,
    "float": float,
    "boolean": bool,
    "time": datetime,
}


def check_declarations(fields: Sequence[Field], where: str = "settings.fields") -> None:
    """Raises InvalidInput FIELD_DECLARATION unless these fields can be declared together."""
    if len(fields) > MAX_FIELDS:
        raise _undeclarable(f"{where} has {len(fields)} entries", f"at most {MAX_FIELDS}", where)
    names: set[str] = set()
    for number, field in enumerate(fields):
        place = f"{where}[{number}]"
        _check_name(field.name, f"{place}.name")
        if field.name in names:
            raise _undeclarable(
                f"{place}.name {field.name!r} is declared twice", "each name once", f"{place}.name"
            )
        names.add(field.name)
        if field.type not in _CLASSES:
            types = ", ".join(get_args(FieldType))
            raise _undeclarable(
                f"{place}.type is {field.type!r}", f"one of {types}", f"{place}.type"
            )


def _check_name(name: str, where: str) -> None:
    size = len(name.encode("utf-8", "replace"))
    if not 1 <= size <= MAX_NAME_BYTES or not name.isprintable() or "/" in name:
        raise _undeclarable(
            f"{where} is {name[:64]!r}, {size} bytes",
            f"1 to {MAX_NAME_BYTES} bytes of printable UTF-8 without '/'",
            where,
        )


def declared(fields: Sequence[Field], name: str, where: str) -> Field:
    """The field of this name; raises InvalidInput FIELD with the list of those there are."""
    for field in fields:
        if field.name == name:
            return field
    there = ", ".join(f"{field.name} ({_spelt(field)})" for field in fields) or "none"
    raise InvalidInput(
        f"{where} names the field {name!r}, which this collection does not declare; declared: "
        f"{there}. Use one of these, or make a collection that declares it",
        reason="FIELD",
        field=where,
    )


def _spelt(field: Field) -> str:
    return f"list of {field.type}" if field.list else field.type


def checked_fields(
    fields: Sequence[Field], values: Mapping[str, Sequence[Value]], where: str
) -> dict[str, tuple[Value, ...]]:
    """A document's values in their one form, fields without a value dropped.

    Raises InvalidInput FIELD for one that is not declared, FIELD_TYPE and FIELD_VALUE for a
    value that does not fit, FIELD_VALUE for several where the field is no list; each names
    its place under `where`.
    """
    checked: dict[str, tuple[Value, ...]] = {}
    for name, given in values.items():
        field = declared(fields, name, where)
        place = f"{where}.{name}"
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise _wrong_type(place, f"a bare {type(given).__name__}", "a tuple of values")
        if len(given) > 1 and not field.list:
            raise _unfit(place, f"has {len(given)} values", "one, since the field is no list")
        if given:
            checked[name] = tuple(
                checked_value(field, value, f"{place}.values[{number}]")
                for number, value in enumerate(given)
            )
    return checked


def checked_value(field: Field, value: Value, where: str) -> Value:
    """The value in its one form: of the exact type, a time in UTC.

    An integer is taken for a float if a double holds it; nothing else is converted.
    Raises InvalidInput FIELD_TYPE, FIELD_VALUE.
    """
    if field.type == "float" and type(value) is int and _is_double(value):
        return float(value)
    expected = _CLASSES[field.type]
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        raise _wrong_type(
            where,
            f"{str(value)[:64]!r}, {_type_of(value)}",
            f"{field.type}, as {field.name!r} is declared",
        )
    if isinstance(value, str):
        return _checked_keyword(str(value), where)
    if isinstance(value, datetime):
        return _checked_time(value, where)
    if isinstance(value, float):
        if math.isnan(value):
            raise _unfit(where, "is NaN", "a number or an infinity: NaN compares with nothing")
        return float(value)
    if not -(2**63) <= value < 2**63:
        raise _unfit(where, f"is {str(value)[:64]}", "a signed 64-bit integer")
    return value


def _is_double(value: int) -> bool:
    try:
        return int(float(value)) == value
    except OverflowError:
        return False


def _type_of(value: object) -> str:
    for name, cls in _CLASSES.items():
        if type(value) is cls:
            return name
    return type(value).__name__


def _checked_keyword(value: str, where: str) -> str:
    try:
        size = len(value.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise _unfit(where, f"is not valid Unicode ({error.reason})", "UTF-8 text") from error
    if size > MAX_KEYWORD_BYTES:
        raise _unfit(where, f"has {size} bytes", f"at most {MAX_KEYWORD_BYTES}")
    return value


def _checked_time(value: datetime, where: str) -> datetime:
    if value.utcoffset() is None:
        raise _unfit(where, f"is {value}, without a time zone", "an aware datetime")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise _unfit(where, f"is {value}", "a year from 1 to 9999 in UTC") from error


def _undeclarable(found: str, expected: str, where: str) -> InvalidInput:
    return InvalidInput(f"{found}; expected {expected}", reason="FIELD_DECLARATION", field=where)


def _wrong_type(where: str, found: str, expected: str) -> InvalidInput:
    return InvalidInput(
        f"{where} is {found}; expected {expected}", reason="FIELD_TYPE", field=where
    )


def _unfit(where: str, found: str, expected: str) -> InvalidInput:
    return InvalidInput(f"{where} {found}; expected {expected}", reason="FIELD_VALUE", field=where)
