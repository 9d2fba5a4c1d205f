"""What is done to a collection from outside: describe, copy, restore, beside who writes it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from spladed.errors import AlreadyExists, Corrupt, InvalidInput, Mismatch, NotFound, Unavailable
from spladed.index import Collection, Collections, CollectionSettings, Upkeep, offline, storage
from spladed.index.describe import Buffered, Encoded, inspect
from spladed.index.verify import check

from .oracle import batch, documents

SETTINGS = CollectionSettings(10)
HERE = Upkeep(background=False)
TWO = batch(10, {1: 1.0, 2: 2.0}, {3: 0.5})


def make(folder: Path, name: str = "c") -> Path:
    """Two documents in a segment, two in a batch; one of each is dead."""
    with Collection.create(folder / name, SETTINGS, upkeep=HERE) as collection:
        collection.upsert(documents("a", "b"), TWO, bundle_id="x")
        collection.flush()
        collection.upsert(documents("c", "a"), TWO, bundle_id="y")
        collection.delete(["c"])
    return folder / name


def test_a_description_counts_what_is_there(tmp_path: Path) -> None:
    found = inspect(make(tmp_path))
    assert (found.settings, found.generation, found.next_seq) == (SETTINGS, 3, 4)
    assert (found.documents, found.dead, found.texts) == (2, 2, 4)
    assert (found.deletes, found.deleted) == (2, 2)
    (segment,) = found.segments
    assert (segment.documents, segment.dead, segment.weights, segment.windows) == (2, 1, 3, 1)
    assert (segment.first_seq, segment.last_seq) == (0, 1)
    assert segment.bytes == (tmp_path / "c" / segment.name).stat().st_size
    sizes = {each.name: (each.bytes, each.bytes_per_document) for each in segment.sections}
    assert sizes["seqs"] == (16, 8.0)
    assert sizes["w*/docs"] == (6, 3.0)
    assert found.buffer == Buffered(1, 2, 1, found.buffer.bytes)
    assert found.bundles == [Encoded(0, 1, "x"), Encoded(2, 3, "y")]
    assert found.leftovers == []


def test_an_empty_collection_is_described(tmp_path: Path) -> None:
    Collection.create(tmp_path / "c", SETTINGS).close()
    found = inspect(tmp_path / "c")
    assert (found.documents, found.segments, found.bundles) == (0, [], [])
    assert found.buffer == Buffered(0, 0, 0, 0)


def test_what_cannot_be_described_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no collection at"):
        inspect(tmp_path / "c")
    (segment,) = inspect(make(tmp_path)).segments
    (tmp_path / "c" / segment.name).unlink()
    with pytest.raises(Corrupt, match=f"{segment.name} is missing"):
        inspect(tmp_path / "c")


def test_a_backup_holds_back_neither_writes_nor_flushes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the files that it copies stay until it has them."""
    copying, go_on = threading.Event(), threading.Event()
    copy = storage.copy

    def slow(source: Path, target: Path) -> None:
        copying.set()
        assert go_on.wait(60)
        copy(source, target)

    monkeypatch.setattr(storage, "copy", slow)
    with Collection.open(make(tmp_path), upkeep=HERE) as collection:
        before = list((tmp_path / "c").glob("*.segment"))
        backup = threading.Thread(target=collection.backup, args=(tmp_path / "copy",))
        backup.start()
        assert copying.wait(60)
        collection.upsert(documents("d", "e"), TWO)
        collection.compact()
        collection.upsert(documents("f", "g"), TWO)
        collection.flush()
        assert set(before) < set((tmp_path / "c").glob("*.segment"))
        go_on.set()
        backup.join()
        monkeypatch.undo()
        assert not set(before) & set((tmp_path / "c").glob("*.segment"))
        assert (check(tmp_path / "c").problems, check(tmp_path / "c").leftovers) == ([], [])
        report = check(tmp_path / "copy")
        assert (report.problems, report.generation, report.documents) == ([], 3, 4)


def test_names_and_aliases_are_located(tmp_path: Path) -> None:
    with Collections.open(tmp_path) as all:
        all.create("one", SETTINGS)
        all.set_alias("live", "one")
        assert offline.locate(tmp_path, "one") == offline.locate(tmp_path, "live")
        for name in ("nobody", "", ".", "..", "../" + tmp_path.name, "LOCK"):
            with pytest.raises(NotFound, match="there is no collection"):
                offline.locate(tmp_path, name)


def test_a_backup_becomes_a_collection_of_a_data_folder(tmp_path: Path) -> None:
    with Collection.open(make(tmp_path), upkeep=HERE) as collection:
        collection.backup(tmp_path / "copy")
    report = offline.restore(tmp_path / "copy", tmp_path / "data", "again")
    assert (report.problems, report.generation, report.documents) == ([], 3, 4)
    with Collections.open(tmp_path / "data") as all:
        assert all.names() == ["again"]
        assert len(all.get("again").get(["a", "b"]).documents) == 2
        with pytest.raises(Unavailable, match="is held by process"):
            offline.restore(tmp_path / "copy", tmp_path / "data", "more")
        all.set_alias("live", "again")
    refused = {
        "again": (AlreadyExists, "FOLDER_EXISTS"),
        "live": (AlreadyExists, "ALIAS"),
        "A/b": (InvalidInput, "COLLECTION_NAME"),
    }
    for name, (cls, reason) in refused.items():
        with pytest.raises(cls) as caught:
            offline.restore(tmp_path / "copy", tmp_path / "data", name)
        assert caught.value.reason == reason
    with pytest.raises(NotFound, match="there is no backup"):
        offline.restore(tmp_path / "nothing", tmp_path / "data", "x")


def test_what_is_being_written_is_no_backup(tmp_path: Path) -> None:
    path = make(tmp_path)
    with (
        Collection.open(path, upkeep=HERE),
        pytest.raises(Unavailable, match="is held by process"),
    ):
        offline.restore(path, tmp_path / "data", "x")
    assert offline.restore(path, tmp_path / "data", "x").problems == []
    (path / "catalog.sqlite-wal").write_bytes(b"left by a crash")
    with pytest.raises(Mismatch, match="is no backup"):
        offline.restore(path, tmp_path / "data", "y")
    assert [each.name for each in sorted((tmp_path / "data").iterdir())] == ["LOCK", "x"]
