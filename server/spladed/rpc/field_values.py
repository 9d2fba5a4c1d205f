"""Values of declared fields <-> protobuf. Needs the base install alone: the client uses it too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from spladed.declared import Value
from spladed.errors import InvalidInput
from spladed.v1 import index_pb2 as pb

__all__ = ["read_value", "write_value"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The years 1 to 9999, as google.protobuf.Timestamp defines its range.
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799
_NANOSECONDS = 1_000


def read_value(message: pb.FieldValue, where: str) -> Value:
    """The value, of the type it was sent as; raises InvalidInput FIELD_VALUE."""
    kind = message.WhichOneof("value")
    if kind is None:
        raise _unfit(where, "is empty", "a value: keyword, integer, real, boolean or time")
    return _read_time(message.time, where) if kind == "time" else getattr(message, kind)


def _read_time(time: Timestamp, where: str) -> datetime:
    if not (_FIRST_SECOND <= time.seconds <= _LAST_SECOND and 0 <= time.nanos < 1_000_000_000):
        raise _unfit(
            f"{where}.time",
            f"has {time.seconds} seconds and {time.nanos} nanos",
            "a time in the years 1 to 9999, nanos from 0 to 999,999,999",
        )
    if time.nanos % _NANOSECONDS:
        raise _unfit(
            f"{where}.time",
            f"has {time.nanos} nanos",
            "whole microseconds: round it before sending, finer times are not stored",
        )
    return _EPOCH + timedelta(seconds=time.seconds, microseconds=time.nanos // _NANOSECONDS)


def write_value(value: Value, where: str) -> pb.FieldValue:
    """The value as its Python type says; raises InvalidInput FIELD_TYPE, FIELD_VALUE."""
    try:
        # bool first, since it is an int too.
        if isinstance(value, bool):
            return pb.FieldValue(boolean=value)
        if isinstance(value, str):
            return pb.FieldValue(keyword=value)
        if isinstance(value, int):
            return pb.FieldValue(integer=value)
        if isinstance(value, float):
            return pb.FieldValue(real=value)
    except ValueError as error:
        raise _unfit(
            where, f"is {value!r:.64}", "valid Unicode, a signed 64-bit integer"
        ) from error
    if not isinstance(value, datetime):
        raise InvalidInput(
            f"{where} is {value!r:.64}, {type(value).__name__}; expected str, int, float, bool "
            "or datetime",
            reason="FIELD_TYPE",
            field=where,
        )
    return pb.FieldValue(time=_write_time(value, where))


def _write_time(time: datetime, where: str) -> Timestamp:
    if time.utcoffset() is None:
        raise _unfit(where, f"is {time}, without a time zone", "an aware datetime")
    seconds, rest = divmod(time - _EPOCH, timedelta(seconds=1))
    return Timestamp(seconds=seconds, nanos=rest.microseconds * _NANOSECONDS)


def _unfit(where: str, found: str, expected: str) -> InvalidInput:
    return InvalidInput(f"{where} {found}; expected {expected}", reason="FIELD_VALUE", field=where)
