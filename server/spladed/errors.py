"""The one error tree. Every error has a direction: who can mend it.

    SpladedError
    |-- CallerError            the request must change before it can succeed
    |   |-- InvalidInput           a value is wrong, whatever the server's state
    |   |-- NotFound               the thing named does not exist
    |   |-- AlreadyExists          the thing to be made exists
    |   |-- Mismatch               right in itself, but does not fit what is here
    |   |-- Unimplemented          in the contract, not built in this version
    |   |-- Unauthenticated        no credentials, or wrong ones
    |   `-- Forbidden              credentials that do not reach this far
    |-- CapacityError          the same request can succeed later, or when smaller
    |   |-- Exhausted              a limit, a full queue, a full disk
    |   |-- Unavailable            starting, draining, or the connection is gone
    |   |-- DeadlineExceeded       the caller's time ran out
    |   `-- Cancelled              the caller went away
    `-- ServerError            the operator or the developers must act
        |-- Corrupt                bytes on disk are not what was written
        `-- Internal               this is a bug

`spladed.rpc.status` maps each class to one gRPC status and back, so that a client
catches the same classes that the server raised.
"""

from __future__ import annotations

__all__ = [
    "AlreadyExists",
    "CallerError",
    "Cancelled",
    "CapacityError",
    "Corrupt",
    "DeadlineExceeded",
    "Exhausted",
    "Forbidden",
    "Internal",
    "InvalidInput",
    "Mismatch",
    "NotFound",
    "ServerError",
    "SpladedError",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
]


class SpladedError(Exception):
    """What happened, where, what was found, what was expected, and what to do.

    `reason` is a constant in capitals that programs may compare; `field` is the path
    of the request's (or file's) field at fault, or empty; `retry_after_seconds` is set
    where waiting helps.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        field: str = "",
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.field = field
        self.retry_after_seconds = retry_after_seconds


class CallerError(SpladedError):
    """The request must change before it can succeed."""


class InvalidInput(CallerError):
    """A value is wrong, whatever the server's state."""


class NotFound(CallerError):
    """The thing named does not exist."""


class AlreadyExists(CallerError):
    """The thing to be made exists."""


class Mismatch(CallerError):
    """The request is right in itself but does not fit what is here."""


class Unimplemented(CallerError):
    """In the contract, not built in this version."""


class Unauthenticated(CallerError):
    """No credentials, or wrong ones."""


class Forbidden(CallerError):
    """Credentials that do not reach this far."""


class CapacityError(SpladedError):
    """The same request can succeed later, or when smaller."""


class Exhausted(CapacityError):
    """A limit, a full queue, a full disk."""


class Unavailable(CapacityError):
    """The server is starting or draining, or the connection is gone."""


class DeadlineExceeded(CapacityError):
    """The caller's time ran out."""


class Cancelled(CapacityError):
    """The caller went away."""


class ServerError(SpladedError):
    """The operator or the developers must act."""


class Corrupt(ServerError):
    """Bytes on disk are not what was written."""


class Internal(ServerError):
    """This is a bug."""
