"""The one table error <-> gRPC status, used by the server and by the client.

A status carries google.rpc details: ErrorInfo (reason, domain "spladed"), BadRequest with
the field at fault, RetryInfo where waiting helps; and for retries inside gRPC the trailer
`grpc-retry-pushback-ms`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from spladed import errors

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "DOMAIN",
    "TABLE",
    "from_call",
    "from_status",
    "message_of",
    "to_code",
    "to_status",
    "trailers",
]

DOMAIN = "spladed"
# Trailers are metadata, of which clients take 8 KiB unasked: a message is in them up to three
# times, once with three bytes for each that is not ASCII, twice in Base64.
_MAX_MESSAGE_BYTES = 1_024
_MAX_FIELD_BYTES = 256
DETAILS_TRAILER = "grpc-status-details-bin"
PUSHBACK_TRAILER = "grpc-retry-pushback-ms"

TABLE: tuple[tuple[type[errors.SpladedError], grpc.StatusCode], ...] = (
    (errors.InvalidInput, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.NotFound, grpc.StatusCode.NOT_FOUND),
    (errors.AlreadyExists, grpc.StatusCode.ALREADY_EXISTS),
    (errors.Mismatch, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.Unimplemented, grpc.StatusCode.UNIMPLEMENTED),
    (errors.Unauthenticated, grpc.StatusCode.UNAUTHENTICATED),
    (errors.Forbidden, grpc.StatusCode.PERMISSION_DENIED),
    (errors.Exhausted, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.Unavailable, grpc.StatusCode.UNAVAILABLE),
    (errors.DeadlineExceeded, grpc.StatusCode.DEADLINE_EXCEEDED),
    (errors.Cancelled, grpc.StatusCode.CANCELLED),
    (errors.Corrupt, grpc.StatusCode.DATA_LOSS),
    (errors.Internal, grpc.StatusCode.INTERNAL),
)
_CODE: dict[type[errors.SpladedError], grpc.StatusCode] = dict(TABLE)
_CLASS = {code: cls for cls, code in TABLE}
_NUMBER = {code.value[0]: code for code in grpc.StatusCode}


def to_code(error: errors.SpladedError) -> grpc.StatusCode:
    """The gRPC status of an error."""
    return _CODE[type(error)]


def to_status(error: errors.SpladedError) -> status_pb2.Status:
    """The error as google.rpc.Status with its details."""
    message = message_of(error)
    status = status_pb2.Status(code=to_code(error).value[0], message=message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN))
    if error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=_cut(error.field, _MAX_FIELD_BYTES), description=message
        )
        status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    if error.retry_after_seconds is not None:
        delay = Duration()
        delay.FromNanoseconds(int(error.retry_after_seconds * 1e9))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def message_of(error: errors.SpladedError) -> str:
    """The error's message, cut to what fits where it is sent, and valid as UTF-8."""
    return _cut(error.message, _MAX_MESSAGE_BYTES)


def trailers(error: errors.SpladedError) -> tuple[tuple[str, str | bytes], ...]:
    """The trailing metadata that carries the details."""
    details = (DETAILS_TRAILER, to_status(error).SerializeToString())
    if error.retry_after_seconds is None:
        return (details,)
    return (details, (PUSHBACK_TRAILER, str(int(error.retry_after_seconds * 1e3))))


def _cut(text: str, most: int) -> str:
    raw = text.encode("utf-8", "replace")
    if len(raw) <= most:
        return raw.decode()
    return raw[: most - 3].decode("utf-8", "ignore") + "..."


def from_status(status: status_pb2.Status) -> errors.SpladedError:
    """The error behind a google.rpc.Status; a status without our details gets a reason
    made of its code, as GRPC_UNAVAILABLE."""
    code = _NUMBER.get(status.code, grpc.StatusCode.UNKNOWN)
    reason, field, retry = f"GRPC_{code.name}", "", None
    info, bad, delay = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    for detail in status.details:
        if detail.Unpack(info) and info.domain == DOMAIN:
            reason = info.reason
        elif detail.Unpack(bad) and bad.field_violations:
            field = bad.field_violations[0].field
        elif detail.Unpack(delay):
            retry = delay.retry_delay.ToNanoseconds() / 1e9
    cls = _CLASS.get(code, errors.Internal)
    return cls(status.message, reason=reason, field=field, retry_after_seconds=retry)


def from_call(error: grpc.RpcError) -> errors.SpladedError:
    """The error behind a failed call; `error` is also a grpc.Call."""
    call: grpc.Call = error  # type: ignore[assignment]  # grpc raises objects that are both
    metadata: Iterable[tuple[str, str | bytes]] = call.trailing_metadata() or ()
    for key, value in metadata:
        if key == DETAILS_TRAILER and isinstance(value, bytes):
            return from_status(status_pb2.Status.FromString(value))
    code = call.code() or grpc.StatusCode.UNKNOWN
    return from_status(status_pb2.Status(code=code.value[0], message=call.details() or code.name))
