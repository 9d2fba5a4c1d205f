"""What may be restored: a backup, and a collection that nobody writes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from spladed.errors import Mismatch, Unavailable
from spladed.index import Collection

from .oracle import batch, collection, documents
from .stored import content_of

ONE = batch(100, {1: 1.0})


def test_a_collection_in_use_is_backed_up_first(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        c.upsert(documents("a"), ONE)
        with pytest.raises(Unavailable, match="held by process"):
            Collection.restore(tmp_path / "c", tmp_path / "copy")
        assert not (tmp_path / "copy").exists()
        c.backup(tmp_path / "backup")
        with Collection.restore(tmp_path / "backup", tmp_path / "copy") as copy:
            assert content_of(copy) == content_of(c)


def test_what_a_killed_process_left_is_opened_first(tmp_path: Path) -> None:
    """Its last writes may be in SQLite's log alone."""
    with collection(tmp_path) as c:
        c.upsert(documents("a"), ONE)
        shutil.copytree(tmp_path / "c", tmp_path / "killed")
    with pytest.raises(Mismatch, match="not closed by the process that wrote it; open it once"):
        Collection.restore(tmp_path / "killed", tmp_path / "copy")
    Collection.open(tmp_path / "killed").close()
    with Collection.restore(tmp_path / "killed", tmp_path / "copy") as copy:
        assert list(content_of(copy)) == ["a"]


def test_a_backup_is_restored_from_where_nothing_can_be_written(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        c.upsert(documents("a"), ONE)
        c.backup(tmp_path / "backup")
    before = sorted((tmp_path / "backup").iterdir())
    with Collection.restore(tmp_path / "backup", tmp_path / "copy") as copy:
        assert list(content_of(copy)) == ["a"]
    assert sorted((tmp_path / "backup").iterdir()) == before
