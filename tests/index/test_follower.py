"""A process that reads beside the writer sees every acknowledged write, and disturbs nobody."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from spladed.errors import Corrupt, Mismatch, NotFound, Unavailable
from spladed.index import Collection, Document, Upkeep, follower
from spladed.index.filter import Ids

from .oracle import batch, collection, documents, hits
from .stored import Content, content_of

ONE = batch(100, {1: 1.0})
OFTEN = Upkeep(flush_documents=4, background=False)

READER = """
import json, sys
from spladed.index import Collection
from tests.index.oracle import batch, hits
from tests.index.stored import content_of
c = Collection.open(sys.argv[1], read_only=True)
for line in sys.stdin:
    content = [[id, *each] for id, each in content_of(c).items()]
    found = hits(c, batch(100, {1: 1.0}), 50)
    print(json.dumps([c.generation, content, found, c.stats().documents]), flush=True)
"""

Ask = Callable[[], tuple[int, Content, list[tuple[str, float]], int]]


@contextmanager
def reader(path: Path) -> Iterator[Ask]:
    """Asks another process what it sees."""
    process = subprocess.Popen(
        [sys.executable, "-c", READER, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdin is not None and process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def ask() -> Any:
            stdin.write("\n")
            stdin.flush()
            generation, content, found, count = json.loads(stdout.readline())
            seen = {
                id: (text, {int(term): weight for term, weight in row.items()})
                for id, text, row in content
            }
            return generation, seen, [tuple(one) for one in found], count

        yield ask
    assert process.returncode == 0


def test_another_process_follows_the_writer(tmp_path: Path) -> None:
    with collection(tmp_path, upkeep=OFTEN) as c, reader(tmp_path / "c") as ask:

        def check() -> None:
            generation, content, found, count = ask()
            assert generation == c.generation
            assert content == content_of(c) and list(content) == list(content_of(c))
            assert found == hits(c, ONE, 50)
            assert count == len(content)

        check()
        for number in range(30):
            c.upsert([Document(f"d{number % 11}", str(number))], batch(100, {1: 1.0 + number / 4}))
            if number % 5 == 2:
                c.delete([f"d{number % 7}"])
            if number % 3 == 0:
                check()
        for step in (c.flush, c.compact):
            step()
            check()
        with c.load() as load:
            load.add(["loaded", "d1"], batch(100, {1: 0.5}, {1: 9.0}))
        check()
        assert c.delete_kept(Ids(["d1"]))[0] == 1
        check()


def test_a_reader_in_a_process_follows_every_kind_of_step(tmp_path: Path) -> None:
    with (
        collection(tmp_path) as c,
        Collection.open(tmp_path / "c", read_only=True) as follower,
    ):
        steps: list[Callable[[], Any]] = [
            lambda: c.upsert(documents("a", "b"), batch(100, {1: 1.0}, {1: 2.0})),
            lambda: c.delete(["a"]),
            lambda: c.flush(),
            lambda: c.upsert(documents("b", "c"), batch(100, {1: 3.0}, {1: 2.0})),
            lambda: c.upsert(documents("d"), ONE),
            lambda: c.flush(),
            lambda: c.delete(["c"]),
            lambda: c.compact(),
            lambda: c.delete(["b", "d"]),
            lambda: c.compact(),
            lambda: c.upsert(documents("e"), ONE),
        ]
        for step in steps:
            step()
            assert content_of(follower) == content_of(c)
            assert follower.generation == c.generation
            assert follower.stats().documents == c.stats().documents
            assert follower.search(ONE, 9) == c.search(ONE, 9)


def test_a_view_that_is_held_sees_one_generation_whole(tmp_path: Path) -> None:
    with (
        collection(tmp_path) as c,
        Collection.open(tmp_path / "c", read_only=True) as follower,
    ):
        c.upsert(documents("a", "b"), batch(100, {1: 1.0}, {1: 2.0}))
        c.flush()
        with follower.snapshot() as view:
            c.upsert([Document("a", "new")], batch(100, {1: 5.0}))
            c.delete(["b"])
            c.compact()
            assert view.get(["a", "b"]).documents == documents("a", "b")
            assert [hit.id for hit in view.search(ONE, 9)[0]] == ["b", "a"]
            assert follower.get(["a"]).documents == [Document("a", "new")]
        c.compact()
        assert follower.get(["a", "b"]).missing == ["b"]


WRITES: list[Callable[[Collection], object]] = [
    lambda c: c.upsert(documents("a"), ONE), lambda c: c.delete(["a"]),
    lambda c: c.delete_kept(Ids(["a"])), lambda c: c.flush(), lambda c: c.compact(),
    lambda c: c.load(), lambda c: c.backup("somewhere"), lambda c: c.reached(1),
]  # fmt: skip


@pytest.mark.parametrize("call", WRITES)
def test_who_reads_may_not_write(tmp_path: Path, call: Callable[[Collection], object]) -> None:
    collection(tmp_path).close()
    with Collection.open(tmp_path / "c", read_only=True) as follower:
        with pytest.raises(Mismatch, match="open to be read") as caught:
            call(follower)
        assert caught.value.reason == "READ_ONLY"
        assert follower.stats().documents == 0


def test_readers_take_no_lock_and_change_nothing(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        c.upsert(documents("a"), ONE)
        c.flush()
        (tmp_path / "c" / "0-unnamed.segment").write_bytes(b"being written")
        lock = (tmp_path / "c" / "LOCK").read_text()
        opened = [Collection.open(tmp_path / "c", read_only=True) for _ in range(3)]
        assert all(content_of(each) == content_of(c) for each in opened)
        with pytest.raises(Unavailable, match="held by process"):
            Collection.open(tmp_path / "c")
        assert (tmp_path / "c" / "LOCK").read_text() == lock
        for each in opened:
            each.close()
        assert (tmp_path / "c" / "0-unnamed.segment").exists(), "only who writes may sweep"
        c.upsert(documents("b"), ONE)


def test_a_folder_without_its_writer_is_read(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        c.upsert(documents("a"), ONE)
        c.flush()
        c.upsert(documents("b"), ONE)
        expected = content_of(c)
        shutil.copytree(tmp_path / "c", tmp_path / "killed")  # with SQLite's log
    for name in ("c", "killed"):
        with Collection.open(tmp_path / name, read_only=True) as follower:
            assert content_of(follower) == expected
        with reader(tmp_path / name) as ask:
            assert ask()[1] == expected
        with Collection.open(tmp_path / name) as c:
            assert content_of(c) == expected


def test_a_reader_outlives_its_writer_and_meets_the_next(tmp_path: Path) -> None:
    c = collection(tmp_path)
    c.upsert(documents("a"), ONE)
    with Collection.open(tmp_path / "c", read_only=True) as follower:
        assert list(content_of(follower)) == ["a"]
        c.close()
        assert list(content_of(follower)) == ["a"]
        with Collection.open(tmp_path / "c") as c:
            c.upsert(documents("b"), ONE)
            c.compact()
            assert list(content_of(follower)) == ["a", "b"]
        assert list(content_of(follower)) == ["a", "b"]


@pytest.mark.parametrize("there", [False, True])
def test_what_is_no_collection_is_named(tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "c").mkdir()
    with pytest.raises(Mismatch if there else NotFound):
        Collection.open(tmp_path / "c", read_only=True)
    assert not (tmp_path / "c" / "LOCK").exists()


def test_a_closed_reader_says_so(tmp_path: Path) -> None:
    collection(tmp_path).close()
    c = Collection.open(tmp_path / "c", read_only=True)
    c.close()
    c.close()
    for call in (lambda: c.stats(), lambda: c.get(["a"]), lambda: c.search(ONE, 1)):
        with pytest.raises(Unavailable, match="closed"):
            call()


def test_threads_of_a_reader_share_it_while_the_writer_goes_on(tmp_path: Path) -> None:
    """Write n gives all documents the number n; merges come all the time."""
    names = [f"d{number}" for number in range(6)]

    def write() -> None:
        for number in range(1, 60):
            rows = batch(100, *[{1: float(number)}] * 6)
            c.upsert([Document(name, str(number)) for name in names], rows)

    def read() -> int:
        reads, before = 0, 0
        while not writing.done() or reads < 3:
            found, generation = follower.search(ONE, 10, with_documents=True)
            assert generation >= before
            expected = [(float(generation), str(generation))] * (6 if generation else 0)
            assert [(hit.score, hit.document and hit.document.text) for hit in found[0]] == expected
            before, reads = generation, reads + 1
        return reads

    with (
        collection(tmp_path, 100, "float32", upkeep=OFTEN) as c,
        Collection.open(tmp_path / "c", read_only=True) as follower,
        ThreadPoolExecutor(3) as pool,
    ):
        writing = pool.submit(write)
        readers = [pool.submit(read) for _ in range(2)]
        writing.result()
        assert all(each.result() >= 3 for each in readers)
        assert content_of(follower) == content_of(c)


def test_a_segment_that_is_merged_away_before_it_is_opened_is_looked_for_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        collection(tmp_path) as c,
        Collection.open(tmp_path / "c", read_only=True) as reading,
    ):
        for id in "ab":
            c.upsert(documents(id), ONE)
            c.flush()
        load, turns = follower.load, iter([True, True, False])

        def late(*arguments: Any) -> Any:
            if next(turns, False):
                c.upsert(documents("c"), ONE)
                c.compact()
            return load(*arguments)

        monkeypatch.setattr(follower, "load", late)
        assert list(content_of(reading)) == ["a", "b", "c"]
        assert next(turns, None) is None


def test_a_segment_that_is_gone_for_good_is_named(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        c.upsert(documents("a"), ONE)
        c.flush()
    (path,) = (tmp_path / "c").glob("*.segment")
    path.unlink()
    missing = pytest.raises(Corrupt, match=rf"{path.name} is missing")
    with Collection.open(tmp_path / "c", read_only=True) as reading, missing:
        reading.stats()
