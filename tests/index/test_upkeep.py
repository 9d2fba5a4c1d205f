"""Flush, merge, purge and compaction leave every document, number and order as they were."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spladed.errors import Exhausted, InvalidInput, SpladedError, Unavailable
from spladed.index import Collection, Document, Scoring, Upkeep, WeightFormat, upkeep
from spladed.index.builder import Child
from spladed.sparse import SparseBatch

from .oracle import FORMATS, SCORINGS, batch, collection, documents, hits, random_batch
from .stored import content_of

ONE = batch(100, {1: 1.0})
NEVER = Upkeep(background=False)
OFTEN = Upkeep(flush_documents=8, background=False)


def seen(c: Collection, queries: SparseBatch) -> dict[str, Any]:
    """All that a reader can tell of a collection, to the last bit."""
    ids = list(content_of(c))
    got = c.get(ids, with_vectors=True)
    ranked, generation = c.search(queries, 50, with_documents=True)
    first = queries.slice(0, 1)
    return {
        "documents": got.documents,
        "rows": (got.vectors.indptr.tobytes(), got.vectors.indices.tobytes()),
        "weights": got.vectors.values.tobytes(),
        "ranked": ranked,
        "explained": c.explain(first, [hit.id for hit in ranked[0]]),
        "generation": generation,
        "documents, nnz": (c.stats().documents, c.stats().nnz),
    }


def files(c: Collection) -> list[str]:
    return sorted(path.name for path in c._path.glob("*.segment*"))


def named(c: Collection) -> list[str]:
    with c._catalog.reading() as reading:
        return sorted(row.name for row in reading.segments())


def any_weights(rng: np.random.Generator, rows: int) -> SparseBatch:
    """Rows over 100 terms with weights of all magnitudes that fixed16 has."""
    made = []
    for _ in range(rows):
        terms = np.sort(rng.choice(100, int(rng.integers(0, 12)), replace=False))
        made.append((terms, 10 ** rng.uniform(-3, 1.1, len(terms))))
    return SparseBatch.from_rows(100, made)


@pytest.mark.parametrize("weight_format", FORMATS)
@pytest.mark.parametrize("how", SCORINGS, ids=lambda how: how.formula)
def test_nothing_changes_by_upkeep(
    tmp_path: Path, how: Scoring, weight_format: WeightFormat
) -> None:
    """Two collections are told the same; one of them flushes and merges all the time."""
    rng = np.random.default_rng(11)
    queries = any_weights(rng, 5)
    for name in ("often", "never"):
        (tmp_path / name).mkdir()
    often = collection(tmp_path / "often", 100, weight_format, scoring=how, upkeep=OFTEN)
    never = collection(tmp_path / "never", 100, weight_format, scoring=how, upkeep=NEVER)
    with often, never:
        for turn in range(40):
            ids = [f"d{number}" for number in rng.choice(60, 6, replace=False)]
            gone = [f"d{number}" for number in rng.choice(60, 2, replace=False)]
            rows = any_weights(rng, 6)
            for c in (often, never):
                c.upsert([Document(id, f"{id} {turn}") for id in ids], rows)
                c.delete(gone)
            if turn % 8 == 7:
                assert seen(often, queries) == seen(never, queries)
        assert files(often) == named(often) != []
        expected = seen(never, queries)
        often.compact()
        assert seen(often, queries) == expected
        assert len(files(often)) == 1
        assert often.stats().deleted == 0
    with Collection.open(tmp_path / "often" / "c", upkeep=NEVER) as often:
        assert seen(often, queries) == expected


@pytest.mark.parametrize("weight_format", FORMATS)
def test_get_gives_the_same_bits_after_ten_merges(
    tmp_path: Path, weight_format: WeightFormat
) -> None:
    rng = np.random.default_rng(2)
    rows = any_weights(rng, 30)
    with collection(tmp_path, 100, weight_format) as c:
        c.upsert(documents(*(f"kept {number}" for number in range(30))), rows)
        ids = [f"kept {number}" for number in range(30)]
        before = c.get(ids, with_vectors=True)
        names = set()
        for number in range(11):
            c.upsert(documents(f"n{number}"), any_weights(rng, 1))
            c.compact()  # a flush, and then a merge of the two
            names.update(files(c))
        assert len(names) >= 11
        after = c.get(ids, with_vectors=True)
        assert after.vectors.indices.tobytes() == before.vectors.indices.tobytes()
        assert after.vectors.values.tobytes() == before.vectors.values.tobytes()
        assert after.documents == before.documents


def test_flushes_and_merges_make_no_generation_and_keep_few_files(tmp_path: Path) -> None:
    with collection(tmp_path, upkeep=OFTEN) as c:
        for number in range(200):
            c.upsert(documents(f"d{number}"), ONE)
            assert len(files(c)) <= 12
            assert c.stats().buffered_documents < 8
        assert c.generation == 200
        assert c.flush() == 200
        assert [id for id, _ in hits(c, ONE, 1000)] == [f"d{number}" for number in range(200)]


def test_a_flush_by_bytes(tmp_path: Path) -> None:
    wide = batch(100, dict.fromkeys(range(100), 1.0))
    with collection(tmp_path, upkeep=Upkeep(flush_bytes=4_000, background=False)) as c:
        for number in range(20):
            c.upsert(documents(f"d{number}"), wide)
        assert files(c)
        assert c.stats().buffered_documents < 20
        assert len(content_of(c)) == 20


def test_a_flush_of_nothing_but_dead_documents_leaves_no_file(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        c.upsert(documents("a", "b"), batch(100, {1: 1.0}, {1: 1.0}))
        c.delete(["a", "b"])
        c.flush()
        assert (files(c), c.stats().buffered_documents, c.stats().segments) == ([], 0, 0)
        c.upsert(documents("a"), ONE)
        c.flush()
        c.delete(["a"])
        c.compact()
        assert (files(c), content_of(c)) == ([], {})
    with Collection.open(tmp_path / "c") as c:
        assert (c.generation, content_of(c)) == (4, {})
        assert c.upsert(documents("b"), ONE) == 5


def test_a_seq_is_not_used_again_after_all_are_gone(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        c.upsert(documents("a", "b"), batch(100, {1: 1.0}, {1: 1.0}))
        c.delete(["a", "b"])
        c.compact()
    with Collection.open(tmp_path / "c") as c:
        c.upsert(documents("b"), ONE)
        assert [part.segment.first_seq for part in c._writer.snapshot.parts] == [2]


def test_mostly_dead_segments_are_rewritten_and_give_their_room_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with collection(tmp_path, upkeep=OFTEN) as c:
        c.upsert(documents(*map(str, range(100))), random_batch(rng, 100, 100, 20))
        (before,) = files(c)
        c.delete([str(number) for number in range(40)])
        assert files(c) == [before]
        c.delete([str(number) for number in range(40, 60)])
        (after,) = files(c)
        assert after != before
        assert (c.stats().documents, c.stats().deleted) == (40, 0)


def test_a_compaction_gives_room_back_and_says_how_much(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with collection(tmp_path) as c:
        texts = [Document(str(number), "x" * 500 + str(number)) for number in range(200)]
        for start in range(0, 200, 50):
            c.upsert(texts[start : start + 50], random_batch(rng, 100, 50, 20))
            c.flush()
        c.delete([str(number) for number in range(200) if number % 4])
        done = c.compact()
        assert done.generation == 5
        assert done.bytes_after < done.bytes_before * 0.7
        assert done.bytes_after == c.stats().disk_bytes
        assert list(content_of(c)) == [str(number) for number in range(0, 200, 4)]


def payloads(c: Collection) -> int:
    with c._catalog.reading() as reading:
        return reading.counts()["documents"]


def test_payloads_of_the_dead_are_purged_once_no_reader_has_them(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        c.upsert(documents(*"abc"), batch(100, {1: 1.0}, {1: 1.0}, {1: 1.0}))
        scan = c.scan()
        first = scan.page(max_documents=1, max_bytes=1_000)
        with c.snapshot() as held:
            c.delete(["a"])
            c.upsert([Document("b", "new")], ONE)
            c.compact()
            assert payloads(c) == 4
            assert held.get(["a", "b"]).documents == documents("a", "b")
            assert [hit.document for hit in held.search(ONE, 5, with_documents=True)[0]] == (
                documents(*"abc")
            )
        c.flush()
        assert payloads(c) == 4, "the scan still has them"
        rest = scan.page(max_documents=9, max_bytes=1_000)
        assert [*first.documents, *rest.documents] == documents(*"abc")
        scan.close()
        c.flush()
        assert payloads(c) == 2
        assert c.get(["b", "c"]).documents == [Document("b", "new"), *documents("c")]


def test_a_snapshot_reads_files_that_were_merged_away(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    with collection(tmp_path) as c:
        for number in range(3):
            c.upsert(documents(*(f"{number}-{n}" for n in range(20))), any_weights(rng, 20))
            c.flush()
        queries, before = any_weights(rng, 3), files(c)
        with c.snapshot() as held:
            expected = held.search(queries, 20)
            c.delete([f"0-{n}" for n in range(20)])
            c.compact()
            assert not set(before) & set(files(c))
            assert held.search(queries, 20) == expected
            assert len(held) == 60
            assert held.get(["0-3"], with_vectors=True).missing == []
        assert len(content_of(c)) == 40


def test_files_that_the_catalog_does_not_name_are_swept_at_open(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        c.upsert(documents("a"), ONE)
        c.flush()
        (kept,) = files(c)
    for name in ("0000000000000001-deadbeef.segment", f"{kept}.unfinished", "README", "x.tmp"):
        (tmp_path / "c" / name).write_bytes(b"left by a crash")
    with Collection.open(tmp_path / "c") as c:
        assert files(c) == [kept]
        assert (tmp_path / "c" / "README").exists()
        assert list(content_of(c)) == ["a"]


@pytest.mark.parametrize("name", ["flush_documents", "flush_bytes", "max_flushes", "stall_seconds"])
@pytest.mark.parametrize("value", [0, -1])
def test_impossible_upkeep_is_refused(name: str, value: int) -> None:
    with pytest.raises(InvalidInput, match=f"upkeep.{name} is {value}") as caught:
        Upkeep(**{name: value})  # pyright: ignore[reportArgumentType]
    assert (caught.value.reason, caught.value.field) == ("CONFIG", f"upkeep.{name}")


# In the background, in child processes.


def until(true: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_kept_up(c: Collection) -> bool:
    return not (c._keeper._flush_due() or c._keeper._merge_due())


def test_reads_and_writes_go_on_while_children_build(tmp_path: Path) -> None:
    """Every document has its last write's number as text and as weight, whenever it is read."""
    last: dict[str, int] = {}
    done = threading.Event()

    def write(thread: int) -> None:
        rng = np.random.default_rng(thread)
        for turn in range(1, 26):
            names = [f"{thread}-{n}" for n in rng.choice(30, 5, replace=False)]
            rows = batch(100, *[{thread: float(turn)}] * 5)
            c.upsert([Document(name, str(turn)) for name in names], rows)
            last.update(dict.fromkeys(names, turn))
            gone = f"{thread}-{rng.integers(30)}"
            c.delete([gone])
            last.pop(gone, None)

    def read() -> int:
        reads = 0
        while not done.is_set():
            ranked, _ = c.search(batch(100, {0: 1.0, 1: 1.0}), 100, with_documents=True)
            scores = [hit.score for hit in ranked[0]]
            assert scores == sorted(scores, reverse=True)
            assert all(hit.document and hit.score == float(hit.document.text) for hit in ranked[0])
            got = c.get([f"0-{n}" for n in range(30)], with_vectors=True)
            assert got.vectors.values.tolist() == [float(one.text) for one in got.documents]
            reads += 1
            time.sleep(0.002)  # else readers leave writers little of the interpreter
        return reads

    settings = Upkeep(flush_documents=20, max_flushes=100)
    with collection(tmp_path, 100, "float32", upkeep=settings) as c, ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        writers = [pool.submit(write, thread) for thread in range(2)]
        try:
            for writer in writers:
                writer.result()
            until(lambda: is_kept_up(c))
        finally:
            done.set()
        assert all(reader.result() > 0 for reader in readers)
        assert {id: int(text) for id, (text, _) in content_of(c).items()} == last
        assert len(c._keeper.child_pids) >= 1
        expected = content_of(c)
        assert files(c) == named(c)
    with Collection.open(tmp_path / "c", upkeep=NEVER) as c:
        assert content_of(c) == expected


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The child does nothing while this block runs."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def with_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Collection, int]:
    """A collection whose child has built once."""
    monkeypatch.setattr(upkeep, "_RETRY_SECONDS", 0.05)
    c = collection(tmp_path, upkeep=Upkeep(flush_documents=16, max_flushes=100))
    c.upsert(documents(*(f"first {n}" for n in range(16))), batch(100, *[{1: 1.0}] * 16))
    until(lambda: is_kept_up(c))
    (pid,) = c._keeper.child_pids
    return c, pid


def test_a_killed_child_does_no_harm_and_its_work_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    c, pid = with_child(tmp_path, monkeypatch)
    with c:
        with stopped(pid):
            c.upsert(documents(*(f"second {n}" for n in range(16))), batch(100, *[{1: 1.0}] * 16))
            until(lambda: c._keeper._flushing.locked())
            os.kill(pid, signal.SIGKILL)
        until(lambda: is_kept_up(c))
        assert "ended with -9" in caplog.text
        assert pid not in c._keeper.child_pids
        assert files(c) == named(c)
        assert c.stats().buffered_documents == 0
        assert len(content_of(c)) == 32
        (idle,) = c._keeper.child_pids
        os.kill(idle, signal.SIGKILL)
        until(lambda: not c._keeper.child_pids)
        c.upsert(documents("third"), ONE)
        c.flush()
        assert len(content_of(c)) == 33


def test_closing_gives_a_build_up_and_the_next_open_does_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    c, pid = with_child(tmp_path, monkeypatch)
    with stopped(pid):
        c.upsert(documents(*(f"second {n}" for n in range(16))), batch(100, *[{1: 1.0}] * 16))
        until(lambda: c._keeper._flushing.locked())
        c.close()
    assert not caplog.records, "giving up is no failure"
    with Collection.open(tmp_path / "c", upkeep=NEVER) as c:
        assert len(content_of(c)) == 32
        assert c.stats().buffered_documents == 16
        c.flush()
        assert (files(c), len(content_of(c))) == (named(c), 32)


class Gate:
    """A builder that waits for `opened`, or fails as long as `failure` is set."""

    def __init__(self, c: Collection) -> None:
        self.opened, self.failure = threading.Event(), None
        self._builder = c._keeper._flush_builder
        self.pid = None
        c._keeper._flush_builder = self  # pyright: ignore[reportAttributeAccessIssue]

    def build(self, *arguments: Any) -> int:
        if self.failure is not None:
            raise self.failure
        self.opened.wait()
        return self._builder.build(*arguments)

    failure: BaseException | None

    def close(self) -> None:
        self.opened.set()
        self._builder.close()


def fill(c: Collection, count: int) -> None:
    for number in range(count):
        c.upsert(documents(f"d{number}"), ONE)


def test_writes_wait_for_flushes_that_are_behind_and_are_refused_in_the_end(
    tmp_path: Path,
) -> None:
    settings = Upkeep(flush_documents=4, max_flushes=2, stall_seconds=0.2)
    with collection(tmp_path, upkeep=settings) as c:
        gate = Gate(c)
        fill(c, 8)
        before = content_of(c)
        for _ in range(2):
            with pytest.raises(Exhausted, match="behind the writes") as caught:
                c.upsert(documents("late"), ONE)
            assert caught.value.reason == "WRITES_AHEAD"
            assert caught.value.retry_after_seconds is not None
        assert (c.generation, content_of(c)) == (8, before)
        assert c.delete(["d0"]) == (1, 9)
        gate.opened.set()
        until(lambda: is_kept_up(c))
        assert c.upsert(documents("late"), ONE) == 10


def test_a_write_that_waits_goes_on_as_soon_as_there_is_room(tmp_path: Path) -> None:
    settings = Upkeep(flush_documents=4, max_flushes=2, stall_seconds=60)
    with collection(tmp_path, upkeep=settings) as c, ThreadPoolExecutor(2) as pool:
        gate = Gate(c)
        fill(c, 8)
        waiting = [pool.submit(c.upsert, documents(id), ONE) for id in ("x", "y")]
        time.sleep(0.05)
        assert not any(each.done() for each in waiting)
        gate.opened.set()
        assert sorted(each.result(30) for each in waiting) == [9, 10]


def test_closing_lets_writes_that_wait_go(tmp_path: Path) -> None:
    settings = Upkeep(flush_documents=4, max_flushes=2, stall_seconds=60)
    c = collection(tmp_path, upkeep=settings)
    with ThreadPoolExecutor(1) as pool:
        Gate(c)
        fill(c, 8)
        waiting = pool.submit(c.upsert, documents("x"), ONE)
        time.sleep(0.05)
        c.close()
        error = waiting.exception(30)
    assert error is None or (isinstance(error, Unavailable) and error.reason == "CLOSED")
    with Collection.open(tmp_path / "c", upkeep=NEVER) as c:
        assert ("x" in content_of(c)) == (error is None)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (Exhausted("the disk is full at x", reason="DISK_FULL"), "DISK_FULL"),
        (Unavailable("x: Input/output error", reason="STORAGE"), "STORAGE"),
        (ZeroDivisionError("what nobody thought of"), "BUG"),
    ],
)
def test_who_waits_is_told_why_and_the_work_is_done_once_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    failure: Exception, reason: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(upkeep, "_RETRY_SECONDS", 0.02)
    settings = Upkeep(flush_documents=4, max_flushes=2, stall_seconds=30)
    with collection(tmp_path, upkeep=settings) as c:
        gate = Gate(c)
        gate.opened.set()
        gate.failure = failure
        fill(c, 8)
        with pytest.raises(SpladedError) as caught:
            c.upsert(documents("late"), ONE)
        assert caught.value.reason == reason
        assert (c.generation, len(content_of(c))) == (8, 8)
        gate.failure = None
        until(lambda: is_kept_up(c))
        assert c.upsert(documents("late"), ONE) == 9
        assert files(c) == named(c) != []
    assert {record.levelno for record in caplog.records} == {logging.ERROR}


def test_a_child_that_cannot_be_started_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collection(tmp_path, upkeep=Upkeep()) as c:
        c.upsert(documents("a"), ONE)
        assert isinstance(c._keeper._flush_builder, Child)
        with monkeypatch.context() as patch:
            patch.setattr("sys.executable", str(tmp_path / "no python"))
            with pytest.raises(Unavailable, match="no process could be started") as caught:
                c.flush()
        assert caught.value.reason == "BUILDER"
        assert (list(content_of(c)), files(c)) == (["a"], [])


def test_what_fails_in_a_child_has_its_name_and_reason_here(tmp_path: Path) -> None:
    with collection(tmp_path, upkeep=Upkeep()) as c:
        for id in "ab":
            c.upsert(documents(id), ONE)
            c.flush()
        path = c._path / files(c)[0]
        data = bytearray(path.read_bytes())
        place = c._writer.snapshot.parts[0].segment.container.offset("w0/docs")
        data[place] ^= 1
        path.write_bytes(data)
        with pytest.raises(SpladedError, match="w0/docs") as caught:
            c.compact()
        assert type(caught.value).__name__ == "Corrupt"
        assert caught.value.reason == "CHECKSUM"
        assert (len(files(c)), files(c)) == (2, named(c))
