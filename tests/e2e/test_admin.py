"""What an operator does with a collection, over a real socket, while it is used."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spladed import AsyncClient, Collection, errors
from spladed.client.client import Client
from spladed.client.values import Document
from spladed.index import offline
from spladed.index.container import Container
from spladed.index.verify import check
from spladed.sparse import SparseBatch
from tests.conftest import SPLADED, ServerProcess

Start = Callable[..., ServerProcess]
DIMENSION = 500


@pytest.fixture(scope="module")
def backups(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is not there yet."""
    return tmp_path_factory.mktemp("backups") / "made" / "by-it"


@pytest.fixture(scope="module")
def keeping(start_server: Start, backups: Path) -> ServerProcess:
    """A server with a folder for backups."""
    return start_server("--backups", str(backups))


@pytest.fixture(scope="module")
def keeper(keeping: ServerProcess) -> Iterator[Client]:
    with Client(keeping.target) as client:
        yield client


def rows(numbers: range) -> SparseBatch:
    """A row a number, which follows from it."""
    terms = [sorted({number % DIMENSION, number * 7 % DIMENSION, 3}) for number in numbers]
    return SparseBatch.from_rows(
        DIMENSION, [(row, [1.0 + term % 5 for term in row]) for row in terms]
    )


def write(client: Client, name: str, numbers: range) -> int:
    documents = [
        Document(str(number), f"text {number}", vector_row=row)
        for row, number in enumerate(numbers)
    ]
    return client.upsert(name, documents, vectors=rows(numbers)).generation


def made(client: Client, name: str, count: int = 200) -> str:
    client.create_collection(name, dimension=DIMENSION)
    write(client, name, range(count))
    return name


QUERY = SparseBatch.from_rows(DIMENSION, [([3, 7, 21, 100], [1.0, 2.0, 0.5, 1.5])])


def hits(client: Client, name: str) -> list[tuple[str, float]]:
    found = client.search(name, vectors=QUERY, k=500)
    return [(hit.id, hit.score) for hit in found.hits[0]]


def folder(server: ServerProcess, name: str) -> Path:
    return server.folder / "data" / name


def test_flush_puts_the_buffer_into_a_file(keeper: Client, keeping: ServerProcess) -> None:
    name = made(keeper, "flushed")
    before, generation = hits(keeper, name), keeper.collection(name).generation
    assert keeper.stats(name).buffered_documents == 200
    assert keeper.flush(name) == generation
    stats = keeper.stats(name)
    assert (stats.buffered_documents, stats.segments, stats.generation) == (0, 1, generation)
    (file,) = folder(keeping, name).glob("*.segment")
    assert stats.mapped_bytes == file.stat().st_size
    assert hits(keeper, name) == before
    assert keeper.flush(name) == generation
    assert check(folder(keeping, name)).problems == []


def test_compact_gives_the_room_of_the_dead_back(keeper: Client, keeping: ServerProcess) -> None:
    name = made(keeper, "compacted")
    for start in (0, 50, 100):
        keeper.flush(name)
        write(keeper, name, range(start, start + 60))
    keeper.delete(name, [str(number) for number in range(20)])
    before, generation = hits(keeper, name), keeper.collection(name).generation
    done = keeper.compact(name)
    assert done.generation == generation
    assert done.bytes_after < done.bytes_before
    stats = keeper.stats(name)
    assert (stats.documents, stats.deleted_documents, stats.segments) == (180, 0, 1)
    assert hits(keeper, name) == before
    assert keeper.compact(name).generation == generation
    report = check(folder(keeping, name))
    assert (report.problems, report.leftovers, report.documents) == ([], [], 180)


def test_a_backup_beside_writes_is_one_moment(
    keeper: Client, backups: Path, tmp_path: Path
) -> None:
    """Write number g adds document g: a copy of generation g has the first g documents."""
    keeper.create_collection("copied", dimension=DIMENSION)
    stop = threading.Event()

    def go_on() -> None:
        number = 0
        while not stop.is_set():
            write(keeper, "copied", range(number, number + 1))
            number += 1
            if number % 40 == 0:
                keeper.flush("copied")

    writer = threading.Thread(target=go_on)
    writer.start()
    generations = [0]
    for number in range(4):
        while keeper.collection("copied").generation < generations[-1] + 15:
            time.sleep(0.01)
        generations.append(keeper.backup("copied", f"copied/{number}").generation)
    while keeper.collection("copied").generation == generations[-1]:
        time.sleep(0.01)
    stop.set()
    writer.join()
    _, *generations = generations
    assert generations == sorted(set(generations))
    for number, generation in enumerate(generations):
        copy = backups / "copied" / str(number)
        report = check(copy)
        assert (report.problems, report.generation) == ([], generation)
        offline.restore(copy, tmp_path / "data", f"again-{number}")
    other = ServerProcess(tmp_path)
    try:
        with Client(other.target) as client:
            for number, generation in enumerate(generations):
                name = f"again-{number}"
                assert client.collection(name).generation == generation
                found = {each.id for page in client.scan(name) for each in page.documents}
                assert found == {str(each) for each in range(generation)}
                expected = [hit for hit in hits(keeper, "copied") if int(hit[0]) < generation]
                assert hits(client, name) == expected[:500]
                write(client, name, range(1000, 1003))
                client.compact(name)
                assert client.collection(name).documents == generation + 3
    finally:
        other.end(signal.SIGKILL)


def refusal(call: Callable[[], object]) -> tuple[type[errors.SpladedError], str, str]:
    with pytest.raises(errors.SpladedError) as caught:
        call()
    return type(caught.value), caught.value.reason, caught.value.field


LONG = "x" * 201
BAD_DESTINATIONS = [
    "", ".", "..", "../x", "a/../../x", "a/..", "/tmp/x", "/", "a\0b", "out", "out/x", "loop/x",
    "made/out/x", LONG, f"a/{LONG}",
]  # fmt: skip


@pytest.mark.parametrize("destination", BAD_DESTINATIONS)
def test_a_destination_never_leaves_the_folder_for_backups(
    destination: str, keeper: Client, backups: Path
) -> None:
    if not any(each.name == "fixed" for each in keeper.collections()):
        made(keeper, "fixed", 10)
        root = backups
        (root / "made").mkdir(parents=True, exist_ok=True)
        (root / "out").symlink_to(root.parent)
        (root / "made" / "out").symlink_to("../../..")
        (root / "loop").symlink_to("loop")
    before = sorted(each for each in backups.parent.rglob("*"))
    refused = refusal(lambda: keeper.backup("fixed", destination))
    assert refused == (errors.InvalidInput, "DESTINATION", "destination")
    assert sorted(each for each in backups.parent.rglob("*")) == before


def test_a_repeated_backup_says_that_it_is_there(keeper: Client, backups: Path) -> None:
    name = made(keeper, "twice", 30)
    keeper.set_alias("twice-alias", collection=name)
    done = keeper.backup("twice-alias", "deep/down/twice")
    copy = backups / "deep/down/twice"
    assert done.bytes == sum(each.stat().st_size for each in copy.iterdir())
    refused = refusal(lambda: keeper.backup(name, "deep/down/twice"))
    assert refused == (errors.AlreadyExists, "FOLDER_EXISTS", "")
    assert [each.name for each in copy.parent.iterdir()] == ["twice"]


def test_what_cannot_be_is_named(keeper: Client, client: Client, start_server: Start) -> None:
    for call in (keeper.flush, keeper.compact, lambda name: keeper.backup(name, "x")):
        refused = refusal(lambda call=call: call("nobody"))
        assert refused == (errors.NotFound, "COLLECTION", "collection")
    made(client, "no-backups", 5)
    refused = refusal(lambda: client.backup("no-backups", "x"))
    assert refused == (errors.Mismatch, "BACKUPS", "destination")
    with Client(start_server(data=False).target) as encoders:
        for call in (encoders.flush, encoders.compact, lambda name: encoders.backup(name, "x")):
            refused = refusal(lambda call=call: call("x"))
            assert refused[:2] == (errors.Unimplemented, "NO_INDEX")


def test_the_asyncio_client_does_the_same(keeping: ServerProcess) -> None:
    async def work() -> None:
        async with AsyncClient(keeping.target) as client:
            await client.create_collection("asyncio", dimension=DIMENSION)
            documents = [Document(str(row), vector_row=row) for row in range(9)]
            await client.upsert("asyncio", documents, vectors=rows(range(9)))
            assert await client.flush("asyncio") == 1
            assert (await client.compact("asyncio")).bytes_after > 0
            assert (await client.backup("asyncio", "asyncio")).generation == 1
            assert (await client.stats("asyncio")).buffered_documents == 0

    asyncio.run(work())


def test_searches_and_writes_go_on_while_all_is_compacted_and_copied(keeper: Client) -> None:
    name = made(keeper, "busy", 500)
    expected, done = hits(keeper, name), threading.Event()
    other = made(keeper, "busy-too", 3)

    def operate() -> None:
        for number in range(5):
            keeper.compact(name)
            keeper.backup(name, f"busy/{number}")
        done.set()

    operator = threading.Thread(target=operate)
    operator.start()
    count = 0
    while not done.is_set():
        assert hits(keeper, name) == expected
        write(keeper, other, range(count, count + 1))
        count += 1
    operator.join()
    assert count > 5


def test_the_buffer_is_flushed_as_configured(start_server: Start, tmp_path: Path) -> None:
    file = tmp_path / "spladed.toml"
    file.write_text("[index]\nflush_documents = 64\nflush_bytes = 1000000\nstall_seconds = 5\n")
    server = start_server("--config", str(file))
    with Client(server.target) as client:
        made(client, "small", 50)
        assert client.stats("small").segments == 1
        assert client.stats("small").mapped_bytes == 0
        for start in range(100, 500, 20):
            write(client, "small", range(start, start + 20))
        deadline = time.monotonic() + 30
        while client.stats("small").buffered_documents >= 64:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert client.stats("small").mapped_bytes > 0
        assert len(hits(client, "small")) == 450


def flip(path: Path, section: str) -> None:
    data = bytearray(path.read_bytes())
    container = Container.of(bytes(data), "")
    data[container.offset(section) + container.size(section) // 2] ^= 1
    path.write_bytes(data)


def test_a_corrupt_segment_keeps_back_its_collection_alone(start_server: Start) -> None:
    server = start_server()
    with Client(server.target) as client:
        for name in ("sound", "broken"):
            client.flush(made(client, name))
    assert server.end(signal.SIGTERM) == 0
    (path,) = folder(server, "broken").glob("*.segment")
    flip(path, "seqs")
    server.start()
    assert "collection broken is not served" in server.log_text()
    assert path.name in server.log_text()
    with Client(server.target) as client:
        assert [each.name for each in client.collections()] == ["sound"]
        assert len(hits(client, "sound")) == 200
        assert write(client, "sound", range(300, 301)) == 2
        assert refusal(lambda: hits(client, "broken"))[:2] == (errors.Corrupt, "CHECKSUM")
    (problem,) = check(folder(server, "broken")).problems
    assert problem == f"{path.name}: seqs: does not have its checksum"


def test_rotten_postings_are_never_spread(start_server: Start, tmp_path: Path) -> None:
    """They are read when something is asked of them, and checked before they are written anew."""
    server = start_server("--backups", str(tmp_path))
    with Client(server.target) as client:
        client.flush(made(client, "rotten"))
    assert server.end(signal.SIGTERM) == 0
    (path,) = folder(server, "rotten").glob("*.segment")
    flip(path, "w0/impacts")
    server.start()
    with Client(server.target) as client:
        assert client.get("rotten", ["7"]).documents[0].text == "text 7"
        client.delete("rotten", ["8"])
        with pytest.raises(errors.Corrupt, match=r"w0/impacts"):
            client.compact("rotten")
        with pytest.raises(errors.Corrupt, match=r"w0/impacts"):
            client.backup("rotten", "rotten")
        assert list(tmp_path.iterdir()) == []
        assert path.exists()
        assert write(client, "rotten", range(300, 301)) == 3


def test_a_second_process_follows_the_servers_writes(
    keeper: Client, keeping: ServerProcess
) -> None:
    name = made(keeper, "followed", 20)
    with Collection.open(folder(keeping, name), read_only=True) as follower:
        for number in range(20, 60):
            generation = write(keeper, name, range(number, number + 1))
            assert follower.generation >= generation
            assert follower.get([str(number)]).missing == []
            if number % 10 == 0:
                keeper.flush(name)
            if number % 16 == 0:
                keeper.compact(name)
                keeper.delete(name, [str(number - 1)])
                assert follower.get([str(number - 1)]).missing == [str(number - 1)]
        found = [(hit.id, hit.score) for hit in follower.search(QUERY, 500)[0][0]]
        assert found == hits(keeper, name)
        documents = [Document("x")]
        with pytest.raises(errors.Mismatch, match="open to be read"):
            follower.upsert(documents, rows(range(1)))  # type: ignore[arg-type]


def test_a_second_server_on_the_folder_is_told_who_holds_it(keeping: ServerProcess) -> None:
    command = [SPLADED, "serve", "--listen", "127.0.0.1:0", "--data", str(keeping.folder / "data")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert f"is held by process {keeping.process.pid} on {os.uname().nodename}" in done.stderr
    assert "FOLDER_HELD" in done.stderr


def test_a_server_ends_in_the_middle_of_a_compaction(start_server: Start) -> None:
    server = start_server("--drain-seconds", "0.05")
    with Client(server.target, timeout_seconds=60) as client:
        client.create_collection("large", dimension=DIMENSION)
        terms = list(range(0, DIMENSION, 3))
        for start in range(0, 10_000, 1000):
            vectors = SparseBatch.from_rows(DIMENSION, [(terms, [1.5] * len(terms))] * 1000)
            documents = [Document(str(start + row), vector_row=row) for row in range(1000)]
            client.upsert("large", documents, vectors=vectors)
        client.flush("large")
        client.delete("large", ["1"])
        compacting = threading.Thread(target=lambda: refusal(lambda: client.compact("large")))
        compacting.start()
        time.sleep(0.05)
        assert server.end(signal.SIGTERM) == 0
        compacting.join()
    report = check(folder(server, "large"))
    assert (report.problems, report.documents) == ([], 10_000)
    server.start()
    with Client(server.target) as client:
        assert client.collection("large").documents == 9_999
