"""A backup is one moment of a collection, whole and checked, and disturbs nobody."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from spladed.errors import AlreadyExists, Corrupt, Exhausted, Mismatch, NotFound, SpladedError
from spladed.index import Collection, Document, Upkeep, backup, storage

from .oracle import batch, collection, documents, hits
from .stored import content_of

ONE = batch(100, {1: 1.0})
OFTEN = Upkeep(flush_documents=4, background=False)


def filled(folder: Path) -> Collection:
    """A collection with segments, batches and dead documents in both."""
    c = collection(folder, upkeep=OFTEN)
    for number in range(11):
        c.upsert(documents(f"d{number}"), batch(100, {1: 1.0, number + 2: 0.5}))
    c.delete(["d1", "d10"])
    return c


def test_a_backup_restores_to_the_same_collection_which_goes_on(tmp_path: Path) -> None:
    with filled(tmp_path) as c:
        done = c.backup(tmp_path / "deep" / "backup")
        expected, ranked = content_of(c), hits(c, ONE, 20)
        c.upsert(documents("later"), ONE)
        c.compact()
        assert done.generation == 12
        assert done.bytes == sum(
            path.stat().st_size for path in (tmp_path / "deep" / "backup").iterdir()
        )
    shutil.rmtree(tmp_path / "c")
    Collection.restore(tmp_path / "deep" / "backup", tmp_path / "r").close()
    with Collection.open(tmp_path / "r", upkeep=OFTEN) as restored:
        assert (content_of(restored), hits(restored, ONE, 20)) == (expected, ranked)
        assert restored.generation == 12
        assert restored.upsert(documents("d3", "more"), batch(100, {}, {1: 3.0})) == 13
        restored.compact()
        again = content_of(restored)
    with Collection.open(tmp_path / "r") as restored:
        assert content_of(restored) == again
        assert list(again)[-2:] == ["d3", "more"]
    with Collection.restore(tmp_path / "deep" / "backup", tmp_path / "r2") as second:
        assert content_of(second) == expected, "a backup is not used up"


def test_a_backup_can_be_read_as_it_is(tmp_path: Path) -> None:
    with filled(tmp_path) as c:
        c.backup(tmp_path / "backup")
        with Collection.open(tmp_path / "backup", read_only=True) as reader:
            assert content_of(reader) == content_of(c)


def test_an_empty_collection_is_backed_up_too(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        assert c.backup(tmp_path / "backup").generation == 0
    with Collection.restore(tmp_path / "backup", tmp_path / "r") as restored:
        assert (restored.generation, content_of(restored)) == (0, {})


def test_backups_beside_writes_and_merges_are_each_of_one_generation(tmp_path: Path) -> None:
    """Write n gives every document the number n."""
    names, done = [f"d{number}" for number in range(5)], threading.Event()

    def write() -> None:
        number = 1
        while not done.is_set():
            rows = batch(100, *[{1: float(number)}] * 5)
            c.upsert([Document(name, str(number)) for name in names], rows)
            number += 1

    with collection(tmp_path, 100, "float32", upkeep=OFTEN) as c, ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            taken = [c.backup(tmp_path / f"b{number}") for number in range(6)]
        finally:
            done.set()
        writing.result()
    for number, one in enumerate(taken):
        with Collection.restore(tmp_path / f"b{number}", tmp_path / f"r{number}") as restored:
            found = {(text, row[1]) for text, row in content_of(restored).values()}
            expected = {(str(one.generation), float(one.generation))} if one.generation else set()
            assert (found, restored.generation) == (expected, one.generation)
            assert len(content_of(restored)) == (5 if one.generation else 0)
    assert [one.generation for one in taken] == sorted(one.generation for one in taken)


def test_files_that_are_merged_away_meanwhile_are_copied_and_then_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, calls = storage.copy, itertools.count()

    def late(source: Path, target: Path) -> None:
        if next(calls) == 0:
            c.upsert(documents("d0", "late"), batch(100, {}, {}))
            c.compact()
        copy(source, target)

    with filled(tmp_path) as c:
        expected = content_of(c)
        monkeypatch.setattr(storage, "copy", late)
        c.backup(tmp_path / "backup")
        assert len(list((tmp_path / "c").glob("*.segment"))) == 1
        assert next(calls) >= 2
    with Collection.restore(tmp_path / "backup", tmp_path / "r") as restored:
        assert content_of(restored) == expected


def test_a_taken_destination_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with filled(tmp_path) as c:
        with pytest.raises(AlreadyExists) as caught:
            c.backup(tmp_path / "taken")
        assert caught.value.reason == "FOLDER_EXISTS"
        assert not list((tmp_path / "taken").iterdir())
        c.backup(tmp_path / "backup")
    with pytest.raises(AlreadyExists):
        Collection.restore(tmp_path / "backup", tmp_path / "taken")


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_what_is_no_backup_is_named(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "backup")
    with pytest.raises(NotFound, match="no backup at"):
        Collection.restore(tmp_path / "backup", tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_backup_is_not_restored_onto_itself(tmp_path: Path) -> None:
    with filled(tmp_path) as c:
        c.backup(tmp_path / "backup")
    for path in (tmp_path / "backup", tmp_path / "x" / ".." / "backup"):
        with pytest.raises((Mismatch, AlreadyExists)):
            Collection.restore(tmp_path / "backup", path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-16])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[64 + 20] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("change", [cut, flip, Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_damaged_backup_is_refused_and_leaves_nothing(
    tmp_path: Path, change: Callable[[Path], Any]
) -> None:
    with filled(tmp_path) as c:
        c.backup(tmp_path / "backup")
    path = sorted((tmp_path / "backup").glob("*.segment"))[0]
    change(path)
    with pytest.raises(Corrupt, match=path.name):
        Collection.restore(tmp_path / "backup", tmp_path / "r")
    assert {each.name for each in tmp_path.iterdir()} == {"backup", "c"}


def test_a_collection_with_a_rotten_byte_is_not_backed_up_as_if_it_were_whole(
    tmp_path: Path,
) -> None:
    with filled(tmp_path) as c:
        c.flush()
        segment = next(p.segment for p in c._writer.snapshot.parts if p.segment.name)
        path = tmp_path / "c" / segment.name
        data = bytearray(path.read_bytes())
        data[segment.container.offset("w0/docs")] ^= 1
        path.write_bytes(data)
        with pytest.raises(Corrupt, match="w0/docs"):
            c.backup(tmp_path / "backup")
        assert not (tmp_path / "backup").exists()


@pytest.mark.parametrize("call", ["open", "write", "fsync", "rename", "mkdir"])
def test_a_disk_that_fails_leaves_no_backup_and_the_collection_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Whichever call of its kind it is that fails."""
    before = getattr(storage.calls, call)
    with filled(tmp_path) as c:
        expected, left = content_of(c), {each.name for each in tmp_path.iterdir()}
        failures = 0
        for failing in itertools.count(1):
            calls = itertools.count(1)

            def fail(*arguments: Any, calls: Any = calls, failing: int = failing) -> Any:
                if next(calls) == failing:
                    raise OSError(28, "No space left on device")
                return before(*arguments)

            with monkeypatch.context() as patch:
                patch.setattr(storage.calls, call, fail)
                try:
                    c.backup(tmp_path / "backup")
                    break
                except SpladedError as error:
                    assert isinstance(error, Exhausted) and error.reason == "DISK_FULL"
                    failures += 1
            assert {each.name for each in tmp_path.iterdir()} == left
            assert content_of(c) == expected
        assert failures > 0
        assert c.upsert(documents("next"), ONE) == 13
    with Collection.restore(tmp_path / "backup", tmp_path / "r") as restored:
        assert content_of(restored) == expected


def test_the_figures_are_those_of_what_lies_there(tmp_path: Path) -> None:
    with filled(tmp_path) as c:
        done = c.backup(tmp_path / "backup")
    assert isinstance(done, backup.BackedUp)
    assert {path.suffix for path in (tmp_path / "backup").iterdir()} == {".sqlite", ".segment"}
