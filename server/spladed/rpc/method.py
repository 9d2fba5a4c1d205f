"""What every call of one method goes through: parse, limits, errors, whatever its shape."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from spladed.errors import (
    DeadlineExceeded,
    Exhausted,
    Internal,
    InvalidInput,
    ServerError,
    SpladedError,
)
from spladed.rpc.rules import RULES
from spladed.rpc.status import to_code, to_status
from spladed.rpc.watch import NOBODY, Watch
from spladed.settings import Limits

__all__ = ["Method"]

_LOG = logging.getLogger("spladed.rpc")

T = TypeVar("T")


class Method:
    """One method of the contract under the limits of a server.

    said:  what callers may read of an error
    watch: is told of every call and chunk
    """

    def __init__(
        self,
        descriptor: MethodDescriptor,
        limits: Limits,
        said: Callable[[SpladedError], str],
        watch: Watch = NOBODY,
    ) -> None:
        self.descriptor = descriptor
        self.name = f"{descriptor.containing_service.name}/{descriptor.name}"
        self.watch = watch
        self.rule = RULES[descriptor.full_name]
        self._limits = limits
        self._said = said
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

    async def in_time(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` gives; raises DeadlineExceeded, with `work` cancelled, when it takes longer
        than a call may whose caller set no deadline."""
        if not self.rule.bounded:
            return await work
        seconds = self._limits.default_deadline_seconds
        timer = asyncio.timeout(seconds)
        try:
            async with timer:
                return await work
        except TimeoutError:
            if not timer.expired():
                raise
            raise DeadlineExceeded(
                f"{self.descriptor.name} was called without a deadline, and not done in "
                f"{seconds:g} s, which this server gives such calls; set one, or ask for less",
                reason="DEFAULT_DEADLINE",
            ) from None

    def error_chunk(self, sequence: int, error: Exception) -> bytes:
        """What a stream answers to a chunk that failed."""
        told = self.told(error)
        self.watch.answered(self.name, to_code(told).name, told.reason)
        return self._reply(sequence=sequence, error=to_status(told)).SerializeToString()

    def told(self, error: Exception) -> SpladedError:
        """The error as callers hear of it: one of ours without the server's paths; another is
        logged, and its text stays here."""
        if isinstance(error, SpladedError):
            return self._outside(error)
        _LOG.error("this is a bug: %s failed", self.descriptor.full_name, exc_info=error)
        return Internal(
            f"this is a bug in spladed: {self.descriptor.name} failed; the server's log has the "
            "cause",
            reason="BUG",
        )

    def _outside(self, error: SpladedError) -> SpladedError:
        said = self._said(error)
        if said != error.message or isinstance(error, ServerError):
            _LOG.error("%s: %s [%s]", self.descriptor.full_name, error.message, error.reason)
        if said == error.message:
            return error
        return type(error)(
            said,
            reason=error.reason,
            field=error.field,
            retry_after_seconds=error.retry_after_seconds,
        )
