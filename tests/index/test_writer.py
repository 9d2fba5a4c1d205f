"""Group commit: one fsync for all who wait, one answer for each, and all or nothing."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from spladed.errors import Exhausted, SpladedError, Unavailable
from spladed.index import Collection, Document, commit, line, writer
from spladed.index.commit import Change
from spladed.index.filter import Ids

from .oracle import batch, collection, documents, hits
from .stored import content_of

ONE = batch(100, {1: 1.0})
Call = Callable[[], Any]


@contextmanager
def counted_commits(c: Collection) -> Iterator[list[int]]:
    """The generation that each transaction of a write made, as it is begun."""
    begun: list[int] = []
    write = commit.write

    def counted(connection: sqlite3.Connection, change: Change) -> None:
        begun.append(change.generation)
        write(connection, change)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commit, "write", counted)
        yield begun


def at_once(c: Collection, calls: list[Call], meanwhile: Call = lambda: None) -> list[Future[Any]]:
    """The outcomes of calls that all wait in line, in this order, when the first may commit."""
    with ThreadPoolExecutor(len(calls)) as pool:
        with c._writer.alone():
            futures = []
            for number, call in enumerate(calls, 1):
                futures.append(pool.submit(call))
                deadline = time.monotonic() + 10
                while len(c._writer._line) < number:
                    assert time.monotonic() < deadline
                    time.sleep(0.001)
            meanwhile()
        return futures


def upserts(c: Collection, ids: str) -> list[Call]:
    return [lambda id=id: c.upsert(documents(id), ONE) for id in ids]


def test_all_who_wait_share_one_transaction(tmp_path: Path) -> None:
    with collection(tmp_path) as c, counted_commits(c) as commits:
        waiting = at_once(c, upserts(c, "abcdefgh"))
        assert [each.result() for each in waiting] == list(range(1, 9))
        assert commits == [8]
        assert list(content_of(c)) == list("abcdefgh")
    with Collection.open(tmp_path / "c") as c:
        assert (c.generation, list(content_of(c))) == (8, list("abcdefgh"))


def test_a_group_ends_where_it_has_enough_documents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "_GROUP_DOCUMENTS", 4)
    many = batch(100, *[{1: 1.0}] * 6)
    with collection(tmp_path) as c, counted_commits(c) as commits:
        calls = [*upserts(c, "ab"), lambda: c.upsert(documents(*"nopqrs"), many)]
        waiting = at_once(c, [*calls, *upserts(c, "cd")])
        assert [each.result() for each in waiting] == [1, 2, 3, 4, 5]
        # Two documents; then six, which are too many for any group and must go somewhere.
        assert commits == [2, 3, 5]
        assert list(content_of(c)) == list("abnopqrscd")


def test_writes_of_a_group_see_the_ones_before(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        c.upsert(documents("old"), ONE)
        calls: list[Call] = [
            lambda: c.delete(["old", "a", "nobody"]),
            lambda: c.upsert(documents("a"), ONE),
            lambda: c.delete(["old", "a", "nobody"]),
            lambda: c.delete(["a"]),
            lambda: c.upsert([Document("a", "again")], ONE),
        ]
        answers = [each.result() for each in at_once(c, calls)]
        assert answers == [(1, 2), 3, (1, 4), (0, 4), 5]


@pytest.mark.parametrize("then", ["nothing", "reopen", "flush", "merge in memory"])
def test_of_an_id_that_a_group_writes_twice_the_last_one_is_found(
    tmp_path: Path, then: str
) -> None:
    """In the rows of the group both are there, the first one dead."""
    c = collection(tmp_path)
    twice: list[Call] = [
        lambda number=number: c.upsert([Document("a", f"{number}")], batch(100, {number: 1.0}))
        for number in range(3)
    ]
    at_once(c, twice)
    if then == "reopen":
        c.close()
        c = Collection.open(tmp_path / "c")
    if then == "flush":
        c.flush()
    if then == "merge in memory":
        c.upsert(documents("b"), batch(100, {}))
    with c:
        found = c.get(["a"], with_vectors=True)
        assert (found.documents, found.missing) == ([Document("a", "2")], [])
        assert found.vectors.indices.tolist() == [2]
        query = batch(100, {0: 1.0, 1: 1.0, 2: 1.0})
        assert hits(c, query, 5) == [("a", 1.0)]
        assert [hit.id for hit in c.search(query, 5, keep=Ids(["a"]))[0][0]] == ["a"]
        assert c.delete(["a"])[0] == 1
        assert c.get(["a"]).missing == ["a"]


def test_a_group_that_changes_nothing_begins_no_transaction(tmp_path: Path) -> None:
    with collection(tmp_path) as c, counted_commits(c) as commits:
        nobody: Call = lambda: c.delete(["nobody"])  # noqa: E731
        assert [each.result() for each in at_once(c, [nobody] * 3)] == [(0, 0)] * 3
        assert commits == []


@pytest.mark.parametrize("step", ["write", "add"])
def test_a_failing_transaction_is_told_to_each_who_waits_and_the_next_write_succeeds(
    tmp_path: Path, step: str
) -> None:
    """`write` fails at the start, `add` after the dead were stored."""
    failure = sqlite3.OperationalError("disk I/O error")
    failure.sqlite_errorcode = sqlite3.SQLITE_IOERR

    def fail(*_: object) -> None:
        raise failure

    with collection(tmp_path) as c:
        c.upsert(documents("a", "b"), batch(100, {1: 1.0}, {1: 0.5}))
        before = content_of(c)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(commit, step, fail)
            waiting = at_once(c, [*upserts(c, "bcd"), lambda: c.delete(["a"])])
            errors = [each.exception() for each in waiting]
        assert [type(error) for error in errors] == [Unavailable] * 4
        assert all("nothing was written" in str(error) for error in errors)
        assert (c.generation, content_of(c)) == (1, before)
        assert hits(c, ONE, 9) == [("a", 1.0), ("b", 0.5)]
        assert c.upsert(documents("e"), ONE) == 2
        expected = content_of(c)
    with Collection.open(tmp_path / "c") as c:
        assert content_of(c) == expected
        assert list(expected) == ["a", "b", "e"]


def test_a_write_that_fails_before_its_transaction_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    with collection(tmp_path) as c:
        c.upsert(documents("a"), ONE)
        with monkeypatch.context() as patch:
            patch.setattr(writer, "draft", no_memory)
            with pytest.raises(MemoryError):
                c.upsert(documents("a", "n"), batch(100, {1: 3.0}, {1: 3.0}))
        assert (c.generation, hits(c, ONE, 5)) == (1, [("a", 1.0)])
        assert c.upsert(documents("n"), ONE) == 2


def test_closing_answers_everyone_who_waits(tmp_path: Path) -> None:
    c = collection(tmp_path)
    close: list[Future[None]] = []
    with ThreadPoolExecutor(1) as pool:
        waiting = at_once(c, upserts(c, "abcd"), lambda: close.append(pool.submit(c.close)))
    close[0].result()
    kept = []
    for id, each in zip("abcd", waiting, strict=True):
        if (error := each.exception()) is None:
            kept.append(id)
        else:
            assert isinstance(error, Unavailable) and error.reason == "CLOSED"
    with Collection.open(tmp_path / "c") as c:
        assert list(content_of(c)) == kept


def test_many_threads_share_fsyncs_and_lose_nothing(tmp_path: Path) -> None:
    def write(thread: int) -> None:
        for number in range(20):
            c.upsert(documents(f"{thread}-{number}", f"last-{thread}"), batch(100, {}, {1: 1.0}))

    with collection(tmp_path) as c, counted_commits(c) as commits:
        with ThreadPoolExecutor(8) as pool:
            for each in [pool.submit(write, thread) for thread in range(8)]:
                each.result()
        assert c.generation == 160
        assert commits == sorted(commits) and commits[-1] == 160
        assert len(commits) < 160
        expected = content_of(c)
    with Collection.open(tmp_path / "c") as c:
        assert content_of(c) == expected
        assert len(expected) == 168


def test_bundles_are_recorded_as_runs(tmp_path: Path) -> None:
    def put(ids: str, bundle_id: str) -> None:
        c.upsert(documents(*ids), batch(100, *[{}] * len(ids)), bundle_id=bundle_id)

    with collection(tmp_path) as c:
        put("ab", "")
        put("c", "one")
        put("de", "one")
        put("f", "two")
        c.delete(["f"])
    with Collection.open(tmp_path / "c") as c:
        put("g", "two")
        put("h", "one")
        put("i", "")
        c.flush()
        with c._catalog.reading() as reading:
            assert reading.bundles() == [(2, "one"), (5, "two"), (7, "one"), (8, "")]


def test_a_disk_that_is_full_refuses_only_writes_and_only_as_long(tmp_path: Path) -> None:
    big = batch(100, *(dict.fromkeys(range(100), 1.0) for _ in range(500)))
    with collection(tmp_path) as c:
        c.upsert(documents("a"), ONE)
        sqlite = c._catalog._writer
        (pages,) = sqlite.execute("PRAGMA page_count").fetchone()
        sqlite.execute(f"PRAGMA max_page_count = {pages}")
        for _ in range(2):
            with pytest.raises(Exhausted, match="full") as caught:
                c.upsert(documents("a", *(f"n{number}" for number in range(499))), big)
            assert caught.value.reason == "DISK_FULL"
            assert c.generation == 1
            assert (hits(c, ONE, 5), c.get(["a", "n1"]).missing) == ([("a", 1.0)], ["n1"])
        sqlite.execute("PRAGMA max_page_count = 1000000")
        assert c.upsert(documents("b"), ONE) == 2
    with Collection.open(tmp_path / "c") as c:
        assert hits(c, ONE, 5) == [("a", 1.0), ("b", 1.0)]


def test_who_waits_for_a_generation_of_a_group_is_told(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        told = [c.reached(generation) for generation in (0, 1, 2, 3, 4)]
        at_once(c, upserts(c, "abc"))
        assert [each.done() for each in told] == [True, True, True, True, False]


def test_errors_are_of_one_tree(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        c._catalog._writer.execute("DROP TABLE batches")
        with pytest.raises(SpladedError, match="this is a bug"):
            c.upsert(documents("a"), ONE)
