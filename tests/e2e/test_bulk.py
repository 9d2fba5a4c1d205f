"""Bulk work over real streams, and the asyncio client, against a server that dies."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator

import numpy as np
import pytest

from spladed.client.aio import AsyncClient
from spladed.client.client import Client
from spladed.client.outbox import ChunkSize
from spladed.client.retry import Retry
from spladed.client.values import Document
from spladed.errors import InvalidInput, NotFound, Unavailable
from spladed.sparse import SparseBatch
from tests.conftest import ServerProcess

Start = Callable[..., ServerProcess]
SMALL = ChunkSize(items=20)


def documents(count: int) -> Iterator[Document]:
    return (Document(str(number), f"document number {number} of rivers") for number in range(count))


def vectors(count: int) -> SparseBatch:
    """One term a document, so that each can be told apart."""
    indices = np.arange(count, dtype=np.int32)
    return SparseBatch(
        count, np.arange(count + 1, dtype=np.int64), indices, np.ones(count, np.float32)
    )


def test_many_texts_come_back_in_order_with_the_bad_ones_named(client: Client) -> None:
    texts = [f"text number {number}" for number in range(150)]
    texts[37], texts[101] = "", "  "
    positions: list[int] = []
    failed: list[int] = []
    for part in client.encode_many(texts, kind="document", size=SMALL):
        positions += part.positions
        failed += [failure.position for failure in part.failures]
        alone = client.encode([texts[part.positions[0]]], kind="document").vectors.row(0)
        assert part.encoded.vectors.row(0)[0].tolist() == alone[0].tolist()
    assert positions == [number for number in range(150) if number not in (37, 101)]
    assert failed == [37, 101]


def test_many_documents_arrive_once_with_the_bad_ones_named(client: Client) -> None:
    client.create_collection("many")
    work = list(documents(100))
    work[13] = Document("13")
    work[50] = Document("49", "the later one of two")
    seen: list[int] = []
    done = client.upsert_many("many", work, size=SMALL, progress=seen.append)
    assert done.upserted == 99
    assert [failure.position for failure in done.failures] == [13]
    assert seen == sorted(seen)
    assert client.collection("many").documents == 98
    assert client.collection("many").generation == done.generation
    assert client.get("many", ["49"]).documents[0].text == "the later one of two"


def test_documents_bring_their_rows_along(client: Client) -> None:
    client.create_collection("many-rows", dimension=60)
    work = [Document(str(number), vector_row=59 - number) for number in range(60)]
    assert client.upsert_many("many-rows", work, vectors=vectors(60), size=SMALL).upserted == 60
    found = client.get("many-rows", ["0", "59"], vectors=True).vectors
    assert found is not None
    assert found.indices.tolist() == [59, 0]
    with pytest.raises(InvalidInput, match="vector_row 60"):
        client.upsert_many("many-rows", [Document("x", vector_row=60)], vectors=vectors(60))


def test_what_concerns_all_documents_ends_the_work(client: Client) -> None:
    with pytest.raises(NotFound):
        client.upsert_many("nobody", documents(3))


def test_an_error_of_the_callers_own_iterator_reaches_the_caller(client: Client) -> None:
    client.create_collection("own-error")

    def broken() -> Iterator[Document]:
        yield from documents(30)
        raise RuntimeError("the file ends here")

    with pytest.raises(RuntimeError, match="the file ends here"):
        client.upsert_many("own-error", broken(), size=SMALL)
    assert client.collection("own-error").documents >= 20


def test_an_abandoned_stream_ends_by_itself(client: Client) -> None:
    threads = threading.active_count()
    parts = client.encode_many((f"text {number}" for number in range(10_000)), size=SMALL)
    next(parts)
    parts.close()  # type: ignore[attr-defined]  # a generator
    deadline = time.monotonic() + 10
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() <= threads
    assert len(client.encode(["still here"]).vectors) == 1


def kill_and_restart(server: ServerProcess, times: int) -> None:
    for _ in range(times):
        time.sleep(0.7)
        server.end(signal.SIGKILL)
        server.start()


def test_fifty_thousand_documents_survive_five_kills(start_server: Start) -> None:
    count = 50_000
    server = start_server("--listen", f"127.0.0.1:{free_port()}")
    with Client(server.target, timeout_seconds=60) as client:
        client.create_collection("killed", dimension=count)
        killer = threading.Thread(target=kill_and_restart, args=(server, 5))

        def work() -> Iterator[Document]:
            """Slow enough for the kills to fall into its middle, and not over before the last."""
            for number in range(count):
                if number % 1000 == 999:
                    time.sleep(0.12)
                if number == count - 1000:
                    killer.join(120)
                yield Document(str(number), vector_row=number)

        killer.start()
        done = client.upsert_many("killed", work(), vectors=vectors(count))
        assert not killer.is_alive()
        assert (done.upserted, list(done.failures)) == (count, [])
        assert client.collection("killed").documents == count
        rows = client.get("killed", ["0", "31007", "49999"], vectors=True).vectors
        assert rows is not None
        assert rows.indices.tolist() == [0, 31007, 49999]


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_server_that_stays_away_is_told_after_patience() -> None:
    impatient = Retry(patience_seconds=0.5)
    with Client("127.0.0.1:9", retry=impatient) as client, pytest.raises(Unavailable):
        client.upsert_many("x", documents(3))


def test_the_asyncio_client_does_the_same(server: ServerProcess) -> None:
    async def run() -> None:
        async with AsyncClient(server.target) as client:
            await client.create_collection("aio")
            done = await client.upsert_many("aio", documents(90), size=SMALL)
            assert (done.upserted, list(done.failures)) == (90, [])
            hits = (await client.search("aio", texts=["number 7"], k=3, text=True)).hits[0]
            assert len(hits) == 3
            why = await client.explain("aio", "number 7", [hits[0].id])
            assert why[0].score == hits[0].score
            parts = [part async for part in many(client)]
            assert [at for part in parts for at in part] == list(range(65))
            with pytest.raises(NotFound):
                await client.upsert_many("nobody", documents(3))
            assert (await client.delete("aio", ["1", "x"])).deleted == 1
            assert len(await client.vocabulary()) == 30_522

    async def many(client: AsyncClient) -> AsyncIterator[list[int]]:
        async for part in client.encode_many([f"t {n}" for n in range(65)], size=SMALL):
            yield list(part.positions)

    asyncio.run(run())


def test_a_cancelled_task_cancels_its_call_and_the_client_goes_on(server: ServerProcess) -> None:
    async def run() -> None:
        async with AsyncClient(server.target) as client:
            slow = asyncio.create_task(client.encode(["dog and river " * 100] * 500))
            await asyncio.sleep(0.2)
            slow.cancel()
            with pytest.raises(asyncio.CancelledError):
                await slow
            assert len((await client.encode(["quick"])).vectors) == 1

    asyncio.run(run())
