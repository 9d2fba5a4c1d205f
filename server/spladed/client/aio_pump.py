"""Sends a `Stream`'s chunks and yields their answers on the event loop; see `pump`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, TypeVar

import grpc
import grpc.aio

from spladed.client.bulk import WINDOW, Stream
from spladed.client.outbox import Chunk
from spladed.client.retry import Retry, is_passing
from spladed.errors import DeadlineExceeded, SpladedError, Unavailable
from spladed.rpc.status import from_call, from_status

__all__ = ["AioPump"]

T = TypeVar("T")


class AioPump(Generic[T]):
    """One piece of bulk work; a task sends while the caller's task receives.

    `Pump` tells the rules of renewal and patience; they are the same.
    """

    def __init__(self, stream: Stream[T], open_stream: Callable[[], Any], retry: Retry) -> None:
        self._stream = stream
        self._outbox = stream.outbox
        self._open = open_stream
        self._retry = retry
        self._changed = asyncio.Event()

    async def answers(self) -> AsyncIterator[tuple[Chunk[T], Any]]:
        """Each chunk with its answer, as they come; raises what ends the work."""
        clock = asyncio.get_running_loop().time
        failures, answered_at = 0, clock()
        while not self._outbox.is_over:
            try:
                async for pair in self._session():
                    failures, answered_at = 0, clock()
                    yield pair
                self._check_over()
            except SpladedError as error:
                if not (is_passing(error) or isinstance(error, DeadlineExceeded)):
                    raise
                failures += 1
                wait = self._retry.wait_seconds(failures, error, random.random())
                if clock() + wait - answered_at > self._retry.patience_seconds:
                    raise
                await asyncio.sleep(wait)

    async def _session(self) -> AsyncIterator[tuple[Chunk[T], Any]]:
        """One stream from its start to its end; afterwards nothing is in flight."""
        call = self._open()
        sending = asyncio.create_task(self._send(call))
        try:
            while (message := await call.read()) is not grpc.aio.EOF:  # type: ignore[attr-defined]  # stubs
                pair = self._received(message)
                if pair is not None:
                    yield pair
        except grpc.aio.AioRpcError as error:
            raise from_call(error) from None
        finally:
            call.cancel()
            sending.cancel()
            results = await asyncio.gather(sending, return_exceptions=True)
            self._outbox.broken()
        _raise_from_source(results[0])

    def _received(self, message: Any) -> tuple[Chunk[T], Any] | None:
        self._changed.set()
        if message.WhichOneof("result") == "error":
            self._outbox.refused(message.sequence, from_status(message.error))
            return None
        chunk = self._outbox.answered(message.sequence)
        return None if chunk is None else (chunk, message.response)

    async def _send(self, call: Any) -> None:
        """Writes chunks as there is room, until all are answered or the source has failed."""
        try:
            await self._write_all(call)
        except (grpc.RpcError, asyncio.InvalidStateError):
            pass  # the stream is broken, which the receiving side reports
        finally:
            await call.done_writing()

    async def _write_all(self, call: Any) -> None:
        while not self._outbox.is_over:
            if self._outbox.flying < WINDOW:
                self._feed()
                if chunk := self._outbox.next():
                    await call.write(self._stream.request(chunk))
                    continue
                if self._outbox.is_over:
                    break
            self._changed.clear()
            await self._changed.wait()

    def _feed(self) -> None:
        if self._outbox.wants_more:
            chunk = next(self._stream.chunks, None)
            if chunk is None:
                self._outbox.close()
            else:
                self._outbox.add(chunk)

    def _check_over(self) -> None:
        if not self._outbox.is_over:
            raise Unavailable("the server ended the stream early", reason="STREAM_ENDED")


def _raise_from_source(ended: object) -> None:
    """Raises what the caller's own iterator raised; the stream's end is not news."""
    if isinstance(ended, BaseException) and not isinstance(ended, asyncio.CancelledError):
        raise ended
