"""A data folder: one holder, names, whole creation and removal, and failures apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spladed.errors import (
    AlreadyExists,
    Corrupt,
    InvalidInput,
    NotFound,
    SpladedError,
    Unavailable,
)
from spladed.index import Collection, Collections, CollectionSettings

from .oracle import batch, documents, hits

SETTINGS = CollectionSettings(10)
ONE = batch(10, {1: 1.0})


def test_create_get_delete_and_restart(tmp_path: Path) -> None:
    with Collections.open(tmp_path / "deep" / "data") as all:
        assert all.names() == []
        all.create("b", SETTINGS)
        a = all.create("a-1_x", SETTINGS)
        assert all.get("a-1_x") is a
        a.upsert(documents("d"), ONE)
        all.delete("b")
        assert all.names() == ["a-1_x"]
    with Collections.open(tmp_path / "deep" / "data") as all:
        assert (all.names(), all.failures()) == (["a-1_x"], {})
        assert hits(all.get("a-1_x"), ONE, 1) == [("d", 1.0)]
        all.delete("a-1_x")
        assert all.create("a-1_x", SETTINGS).generation == 0


@pytest.mark.parametrize("name", ["", "A", "-a", "_a", ".a", "a/b", "..", "a b", "é", "a" * 64])
def test_a_bad_name_is_refused(tmp_path: Path, name: str) -> None:
    with Collections.open(tmp_path) as all:
        with pytest.raises(InvalidInput) as caught:
            all.create(name, SETTINGS)
        assert (caught.value.reason, caught.value.field) == ("COLLECTION_NAME", "name")
        assert all.create("a" * 63, SETTINGS).name == "a" * 63


def test_unknown_and_existing_names(tmp_path: Path) -> None:
    with Collections.open(tmp_path) as all:
        all.create("a", SETTINGS)
        with pytest.raises(AlreadyExists, match="collection a"):
            all.create("a", SETTINGS)
        for call in (all.get, all.delete):
            with pytest.raises(NotFound, match="'nope'"):
                call("nope")


def test_a_closed_data_folder_says_so(tmp_path: Path) -> None:
    all = Collections.open(tmp_path)
    c = all.create("a", SETTINGS)
    all.close()
    all.close()
    for call in (lambda: all.get("a"), lambda: all.create("b", SETTINGS), lambda: c.stats()):
        with pytest.raises(Unavailable, match="closed"):
            call()


def test_a_deleted_collection_is_closed_for_those_who_hold_it(tmp_path: Path) -> None:
    with Collections.open(tmp_path) as all:
        c = all.create("a", SETTINGS)
        all.delete("a")
        with pytest.raises(Unavailable, match="closed"):
            c.search(ONE, 1)


def test_a_second_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    hold = (
        "import sys; from spladed.index import Collections;"
        f"all = Collections.open({str(tmp_path)!r}); print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(Unavailable, match=rf"held by process {holder.pid} on \S+, since") as e:
            Collections.open(tmp_path)
        assert e.value.reason == "FOLDER_HELD"
        holder.kill()
        holder.wait()
    Collections.open(tmp_path).close()  # the lock went with its process
    assert json.loads((tmp_path / "LOCK").read_text())["pid"] == os.getpid()


def test_one_collection_is_opened_once(tmp_path: Path) -> None:
    with Collections.open(tmp_path) as all:
        all.create("a", SETTINGS)
        with pytest.raises(Unavailable) as caught:
            Collection.open(tmp_path / "a")
        assert caught.value.reason == "FOLDER_HELD"


def test_a_folder_that_cannot_be_made_or_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "data", Path("/proc/spladed")):
        with pytest.raises(Unavailable) as caught:
            Collections.open(path)
        assert caught.value.reason == "FOLDER_NOT_WRITABLE"
        assert str(path) in caught.value.message


def test_what_a_crash_left_of_creating_and_removing_is_swept(tmp_path: Path) -> None:
    for name in (".making-a-1", ".removing-b-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "catalog.sqlite").write_text("half")
    (tmp_path / "README").write_text("mine")
    (tmp_path / "Other").mkdir()
    with Collections.open(tmp_path) as all:
        assert all.names() == []
    assert {path.name for path in tmp_path.iterdir()} == {"LOCK", "README", "Other"}


def test_creating_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_sync(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with Collections.open(tmp_path) as all:
        monkeypatch.setattr(os, "fsync", no_sync)
        with pytest.raises(Unavailable, match="Input/output error"):
            all.create("a", SETTINGS)
        assert all.names() == []
        assert {path.name for path in tmp_path.iterdir()} == {"LOCK"}


def test_one_sick_collection_does_not_keep_the_others_away(tmp_path: Path) -> None:
    with Collections.open(tmp_path) as all:
        for name in ("sick", "well"):
            all.create(name, SETTINGS)
    (tmp_path / "sick" / "catalog.sqlite").write_bytes(b"not a database, not by far" * 100)
    with Collections.open(tmp_path) as all:
        assert all.names() == ["sick", "well"]
        assert all.get("well").generation == 0
        with pytest.raises(Corrupt, match="sick"):
            all.get("sick")
        assert list(all.failures()) == ["sick"]
        with pytest.raises(SpladedError):
            all.create("sick", SETTINGS)
        all.delete("sick")
        assert (all.names(), all.failures()) == (["well"], {})
