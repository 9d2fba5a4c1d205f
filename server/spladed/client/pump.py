"""Sends a `Stream`'s chunks and yields their answers; blocks, and mends broken streams."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import grpc

from spladed.client.bulk import WINDOW, Stream
from spladed.client.outbox import Chunk
from spladed.client.retry import Retry, is_passing
from spladed.errors import DeadlineExceeded, SpladedError, Unavailable
from spladed.rpc.status import from_call, from_status

__all__ = ["Pump"]

T = TypeVar("T")

# Opens the stream: takes the requests, gives the answers.
Open = Callable[[Iterator[Any]], Any]


class Pump(Generic[T]):
    """One piece of bulk work. gRPC's thread sends, the caller's thread receives.

    A stream lives for at most `timeout_seconds` and is then renewed, so that a server which
    has stopped answering is noticed; the work fails when nothing at all was answered for
    `retry.patience_seconds`, with the last error.
    """

    def __init__(self, stream: Stream[T], open_stream: Open, retry: Retry) -> None:
        self._stream = stream
        self._outbox = stream.outbox
        self._open = open_stream
        self._retry = retry
        self._changed = threading.Condition()  # guards the outbox
        self._reading = threading.Lock()  # held by the one thread that reads the source
        self._source_error: BaseException | None = None

    def answers(self) -> Iterator[tuple[Chunk[T], Any]]:
        """Each chunk with its answer, as they come; raises what ends the work."""
        failures, answered_at = 0, time.monotonic()
        while not self._outbox.is_over:
            try:
                for pair in self._session():
                    failures, answered_at = 0, time.monotonic()
                    yield pair
                self._check_over()
            except SpladedError as error:
                if not (is_passing(error) or isinstance(error, DeadlineExceeded)):
                    raise
                failures += 1
                wait = self._retry.wait_seconds(failures, error, random.random())
                if time.monotonic() + wait - answered_at > self._retry.patience_seconds:
                    raise
                time.sleep(wait)

    def _session(self) -> Iterator[tuple[Chunk[T], Any]]:
        """One stream from its start to its end; afterwards nothing is in flight."""
        ended = threading.Event()
        call = self._open(self._requests(ended))
        try:
            for message in call:
                yield from self._received(message)
        except grpc.RpcError as error:
            raise from_call(error) from None
        finally:
            call.cancel()
            with self._changed:
                ended.set()
                self._outbox.broken()
                self._changed.notify_all()
        if self._source_error is not None:
            raise self._source_error

    def _check_over(self) -> None:
        if not self._outbox.is_over:
            raise Unavailable("the server ended the stream early", reason="STREAM_ENDED")

    def _received(self, message: Any) -> Iterator[tuple[Chunk[T], Any]]:
        with self._changed:
            chunk = None
            if message.WhichOneof("result") == "error":
                self._outbox.refused(message.sequence, from_status(message.error))
            else:
                chunk = self._outbox.answered(message.sequence)
            self._changed.notify_all()
        if chunk is not None:
            yield chunk, message.response

    def _requests(self, ended: threading.Event) -> Iterator[Any]:
        """What gRPC's thread sends: chunks as there is room, until all are answered."""
        while not ended.is_set():
            self._feed()
            with self._changed:
                self._changed.wait_for(lambda: ended.is_set() or self._may_send())
                chunk = None if ended.is_set() else self._outbox.next()
                over = self._outbox.is_over or self._source_error is not None
            if chunk is not None:
                yield self._stream.request(chunk)
            elif over:
                return

    def _may_send(self) -> bool:
        outbox = self._outbox
        return (
            outbox.is_over
            or self._source_error is not None
            or (outbox.flying < WINDOW and (outbox.wants_more or outbox.has_ready))
        )

    def _feed(self) -> None:
        """Reads the source if the outbox wants more; its own errors are kept for the caller."""
        with self._reading:
            with self._changed:
                wanted = self._outbox.wants_more and self._outbox.flying < WINDOW
            if not wanted or self._source_error is not None:
                return
            try:
                chunk = next(self._stream.chunks, None)
            except BaseException as error:  # the caller's own, raised to it by _session
                self._source_error = error
                return
            with self._changed:
                if chunk is None:
                    self._outbox.close()
                else:
                    self._outbox.add(chunk)
