"""What every call of one method goes through: parse, limits, errors, whatever its shape."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from spladed.config import Limits
from spladed.errors import Exhausted, Internal, InvalidInput, SpladedError
from spladed.rpc.status import to_status

__all__ = ["Method"]

_LOG = logging.getLogger("spladed.rpc")


class Method:
    """One method of the contract under the limits of a server."""

    def __init__(self, descriptor: MethodDescriptor, limits: Limits) -> None:
        self.descriptor = descriptor
        self._limits = limits
        self._parse: Callable[[bytes], Any] = GetMessageClass(descriptor.input_type).FromString
        self._reply: Callable[..., Message] = GetMessageClass(descriptor.output_type)

    def parse(self, raw: bytes) -> Any:
        """The request; raises InvalidInput MALFORMED_REQUEST."""
        try:
            return self._parse(raw)
        except DecodeError as error:
            raise InvalidInput(
                f"the request is not a {self.descriptor.input_type.full_name}: {len(raw)} bytes "
                "that protobuf cannot read; generate the client from protos/ again",
                reason="MALFORMED_REQUEST",
            ) from error

    def check_size(self, found: int) -> None:
        """Raises Exhausted REQUEST_TOO_LARGE for a request of more bytes than allowed."""
        if found > self._limits.max_request_bytes:
            raise Exhausted(
                f"the request has {found} bytes, more than max_request_bytes "
                f"{self._limits.max_request_bytes}; send it in parts",
                reason="REQUEST_TOO_LARGE",
            )

    def serialise(self, reply: Message) -> bytes:
        """The reply's bytes; raises Exhausted REPLY_TOO_LARGE."""
        raw = reply.SerializeToString()
        if len(raw) > self._limits.max_reply_bytes:
            raise Exhausted(
                f"the reply of {self.descriptor.name} would have {len(raw)} bytes, more than "
                f"max_reply_bytes {self._limits.max_reply_bytes}; ask for less in one call",
                reason="REPLY_TOO_LARGE",
            )
        return raw

    def error_chunk(self, sequence: int, error: Exception) -> bytes:
        """What a stream answers to a chunk that failed."""
        status = to_status(self.told(error))
        return self._reply(sequence=sequence, error=status).SerializeToString()

    def told(self, error: Exception) -> SpladedError:
        """The error as callers hear of it: one of ours as it is; another is logged, and its
        text stays here."""
        if isinstance(error, SpladedError):
            return error
        _LOG.error("this is a bug: %s failed", self.descriptor.full_name, exc_info=error)
        return Internal(
            f"this is a bug in spladed: {self.descriptor.name} failed; the server's log has the "
            "cause",
            reason="BUG",
        )
