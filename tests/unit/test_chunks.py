"""Chunk streams, without a network: order, the bound, and every way to end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spladed.errors import InvalidInput, Unavailable
from spladed.rpc.chunks import IN_FLIGHT, ChunkStream, OpenStreams


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Caller:
    """Chunks are numbers: how many turns of the loop their answer takes."""

    def __init__(self, chunks: list[int]) -> None:
        self.chunks = list(chunks)
        self.read_count = 0
        self.started: list[int] = []
        self.running = 0
        self.written: list[bytes] = []
        self.readable = asyncio.Event()
        self.readable.set()
        self.ends: Callable[[], Awaitable[int | None]] = self.end

    async def read(self) -> int | None:
        await asyncio.sleep(0)
        if not self.chunks:
            return await self.ends()
        self.read_count += 1
        return self.chunks.pop(0)

    async def answer(self, chunk: int) -> bytes:
        self.started.append(chunk)
        self.running += 1
        try:
            await turns(chunk)
            return b"%d" % chunk
        finally:
            self.running -= 1

    async def write(self, raw: bytes) -> None:
        await self.readable.wait()
        self.written.append(raw)

    async def end(self) -> None:
        return None

    async def never(self) -> None:
        await asyncio.Event().wait()

    def run(self, streams: OpenStreams | None = None) -> Awaitable[None]:
        stream = ChunkStream(self.read, self.answer, self.write)
        return stream.run(streams or OpenStreams())


async def others() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


@given(st.lists(st.integers(0, 12), max_size=20))
def test_answers_come_in_the_order_sent_and_chunks_start_in_it(chunks: list[int]) -> None:
    async def run() -> None:
        caller = Caller(chunks)
        await caller.run()
        assert caller.started == chunks
        assert caller.written == [b"%d" % chunk for chunk in chunks]
        assert await others() == set()

    asyncio.run(run())


def test_a_caller_that_does_not_read_stops_the_reading() -> None:
    async def run() -> None:
        caller = Caller([0] * 50)
        caller.readable.clear()
        running = asyncio.ensure_future(caller.run())
        await turns(300)
        assert caller.read_count == IN_FLIGHT
        caller.readable.set()
        await running
        assert len(caller.written) == 50

    asyncio.run(run())


def test_a_slow_answer_holds_up_no_more_than_the_chunks_in_hand() -> None:
    async def run() -> None:
        caller = Caller([200, *[0] * 50])
        running = asyncio.ensure_future(caller.run())
        await turns(100)
        assert (caller.read_count, caller.written) == (IN_FLIGHT, [])
        await running

    asyncio.run(run())


@pytest.mark.parametrize("after", [0, 1, 3, 20, 60])
def test_a_cancelled_stream_ends_all_that_it_began(after: int) -> None:
    async def run() -> None:
        caller = Caller([30] * 9)
        running = asyncio.ensure_future(caller.run())
        await turns(after)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert caller.running == 0
        assert await others() == set()

    asyncio.run(run())


def test_a_write_that_fails_ends_all_too() -> None:
    async def run() -> None:
        caller = Caller([1, 50, 50])

        async def gone(raw: bytes) -> None:
            raise ConnectionError("the caller went away")

        with pytest.raises(ConnectionError):
            await ChunkStream(caller.read, caller.answer, gone).run(OpenStreams())
        assert caller.running == 0
        assert await others() == set()

    asyncio.run(run())


def test_a_chunk_that_cannot_be_read_ends_the_stream_behind_the_others() -> None:
    async def run() -> None:
        caller = Caller([9, 5])

        async def malformed() -> None:
            raise InvalidInput("no message", reason="MALFORMED_REQUEST")

        caller.ends = malformed
        with pytest.raises(InvalidInput):
            await caller.run()
        assert caller.written == [b"9", b"5"]

    asyncio.run(run())


def test_draining_answers_what_was_read_and_says_so() -> None:
    async def run() -> None:
        streams, caller = OpenStreams(), Caller([20, 20])
        caller.ends = caller.never  # a caller that is idle
        running = asyncio.ensure_future(caller.run(streams))
        await turns(10)
        streams.drain()
        with pytest.raises(Unavailable) as caught:
            await running
        assert caught.value.reason == "SHUTTING_DOWN"
        assert caller.written == [b"20", b"20"]
        with pytest.raises(Unavailable):
            await Caller([1]).run(streams)
        assert await others() == set()

    asyncio.run(run())
