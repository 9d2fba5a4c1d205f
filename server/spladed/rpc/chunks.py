"""Chunk streams: answered in the order sent, a few at a time, ended with nothing left over.

One task reads and starts an answer for each chunk, so that chunks are admitted in order;
the call itself writes the answers. A chunk holds its place from before it is read until
its answer is written, so a caller that does not read, and a slow encoder, stop the reading,
and HTTP/2's flow control stops the caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Generic, TypeVar

from spladed.errors import Unavailable

__all__ = ["IN_FLIGHT", "ChunkStream", "OpenStreams"]

T = TypeVar("T")

# Chunks of one stream in hand. Two would let the encoding of the next overlap with the
# commit of the one before; four keep the encoder fed while chunks differ in length. More
# would only hold more memory: a chunk may have 16 MiB.
IN_FLIGHT = 4


class OpenStreams:
    """The readers of all open streams, so that draining can stop them."""

    def __init__(self) -> None:
        self._reading: set[asyncio.Task[None]] = set()
        self._drained = False

    def add(self, reading: asyncio.Task[None]) -> None:
        """Notes a reader until it ends; one that comes after `drain` is stopped at once."""
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)
        if self._drained:
            reading.cancel()

    def drain(self) -> None:
        """Stops all reading; the chunks in hand are still answered."""
        self._drained = True
        for reading in self._reading:
            reading.cancel()


class ChunkStream(Generic[T]):
    """One stream; `run` returns when every chunk is answered.

    read:   the next chunk, or None at the end
    answer: a chunk's answer; raises nothing
    write:  returns when the transport has taken the answer
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[T | None]],
        answer: Callable[[T], Coroutine[Any, Any, bytes]],
        write: Callable[[bytes], Awaitable[None]],
    ) -> None:
        self._read = read
        self._answer = answer
        self._write = write
        self._room = asyncio.Semaphore(IN_FLIGHT)
        self._answers: asyncio.Queue[asyncio.Task[bytes] | None] = asyncio.Queue()
        self._answering: set[asyncio.Task[bytes]] = set()

    async def run(self, streams: OpenStreams) -> None:
        """Answers until the caller has no more; then raises what ended the reading early.

        Raises Unavailable SHUTTING_DOWN when the server drains. Cancelled, or when `write`
        raises, it ends every task that it started and waits for their ends.
        """
        reading = asyncio.create_task(self._read_all())
        # A callback: a task that is cancelled before its first step runs no `finally`.
        reading.add_done_callback(lambda _: self._answers.put_nowait(None))
        streams.add(reading)
        try:
            while (answering := await self._answers.get()) is not None:
                await self._write(await answering)
                self._room.release()
            await asyncio.wait([reading])
            _raise_cause(reading)
        finally:
            await _ended((reading, *self._answering))

    async def _read_all(self) -> None:
        while True:
            await self._room.acquire()
            chunk = await self._read()
            if chunk is None:
                return
            self._start(chunk)

    def _start(self, chunk: T) -> None:
        answering = asyncio.create_task(self._answer(chunk))
        self._answering.add(answering)
        answering.add_done_callback(self._answering.discard)
        self._answers.put_nowait(answering)


def _raise_cause(reading: asyncio.Task[None]) -> None:
    """Raises why the reading ended, unless the caller had no more."""
    if reading.cancelled():
        raise Unavailable(
            "the server is shutting down; chunks that were not answered were not done: send "
            "them again",
            reason="SHUTTING_DOWN",
        )
    reading.result()


async def _ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
