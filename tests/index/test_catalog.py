"""What lies on disk: refused when foreign or sick, whole when a write fails."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from spladed.errors import Corrupt, Mismatch, SpladedError
from spladed.index import Collection, Upkeep

from .oracle import batch, collection, documents
from .stored import content_of

ONE = batch(100, {1: 1.0})


def written(folder: Path) -> Path:
    """The catalog of a closed collection of two segments, two batches and dead documents."""
    with collection(folder) as c:
        c.upsert(documents("x", "y"), batch(100, {1: 1, 2: 2}, {1: 0.5}))
        c.flush()
        c.upsert(documents("z"), batch(100, {3: 1}))
        c.flush()
        c.upsert(documents("a", "b"), batch(100, {1: 1, 2: 2}, {1: 0.5}))
        c.upsert(documents("c"), batch(100, {3: 3}))
        c.delete(["x", "a"])
    return folder / "c" / "catalog.sqlite"


@pytest.mark.parametrize(
    ("change", "error", "reason", "message"),
    [
        ("PRAGMA user_version = 3", Mismatch, "FORMAT_VERSION", "version 3.*not migrated"),
        ("PRAGMA user_version = 1", Mismatch, "FORMAT_VERSION", "version 1"),
        ("PRAGMA application_id = 7", Corrupt, "NOT_A_CATALOG", "not a catalog"),
        (
            "UPDATE batches SET data = CAST(substr(data, 1, 70) || x'ff' || substr(data, 72)"
            " AS BLOB) WHERE first_seq = 3",
            Corrupt, "CHECKSUM", "batch 3 of .*catalog.sqlite",
        ),
        ("UPDATE batches SET data = x'00'", Corrupt, "FOREIGN", "batch 3 of .*catalog.sqlite"),
        (
            "UPDATE batches SET data = substr(data, 1, length(data) - 16)",
            Corrupt, "TRUNCATED", "batch 3 of .*catalog.sqlite",
        ),
        (
            "UPDATE deletes SET data = CAST(substr(data, 1, 64) || x'ff' || substr(data, 66)"
            " AS BLOB)",
            Corrupt, "CHECKSUM", "set of deleted documents",
        ),
        ("UPDATE collection SET settings = '{}'", Corrupt, "CATALOG", "settings"),
        ("UPDATE collection SET settings = CAST(x'ff' AS TEXT)", Corrupt, "CATALOG", "UTF"),
        (
            "UPDATE segments SET name = '0-no.segment' WHERE first_seq = 0",
            Corrupt, "FILE_MISSING", "0-no.segment is missing",
        ),
        (
            "UPDATE segments SET fingerprint = '00' WHERE first_seq = 0",
            Corrupt, "SEGMENT", "not the file that the catalog names",
        ),
        ("UPDATE segments SET documents = 9", Corrupt, "SEGMENT", "the catalog names"),
        ("UPDATE segments SET last_seq = 9 WHERE first_seq = 2", Corrupt, "SEGMENT", "names"),
        ("DROP TABLE segments", SpladedError, "BUG", "no such table"),
    ],
)  # fmt: skip
def test_a_changed_catalog_is_refused_by_name(
    tmp_path: Path, change: str, error: type[SpladedError], reason: str, message: str
) -> None:
    with closing(sqlite3.connect(written(tmp_path), isolation_level=None)) as connection:
        connection.execute(change)
    for read_only in (False, False, True):  # the first refusal let the folder go
        with pytest.raises(error, match=message) as caught:
            opened(tmp_path / "c", read_only=read_only)
        assert caught.value.reason == reason


def opened(path: Path, *, read_only: bool) -> None:
    with Collection.open(path, read_only=read_only) as c:
        c.stats()


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    written(tmp_path)
    with Collection.open(tmp_path / "c") as c:
        pragmas = [c._catalog._writer.execute(f"PRAGMA {name}").fetchone()[0]
                   for name in ("journal_mode", "synchronous")]  # fmt: skip
        assert pragmas == ["wal", 2]


@pytest.mark.parametrize("content", [b"", b"no SQLite at all, but long enough" * 200])
def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    catalog = written(tmp_path)
    catalog.write_bytes(content)
    with pytest.raises(Corrupt, match=r"catalog\.sqlite"):
        Collection.open(tmp_path / "c")
    assert catalog.read_bytes() == content


def test_a_missing_catalog_is_named(tmp_path: Path) -> None:
    written(tmp_path).unlink()
    with pytest.raises(Mismatch, match=r"has no catalog.sqlite") as caught:
        Collection.open(tmp_path / "c")
    assert caught.value.reason == "NOT_A_COLLECTION"


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.segment"))


def test_a_segment_file_that_is_missing_or_another_one_is_named(tmp_path: Path) -> None:
    catalog = written(tmp_path)
    first, second = segments(catalog.parent)
    whole = first.read_bytes()
    shutil.copy(second, first)
    with pytest.raises(Corrupt, match=rf"{first.name} is not the file that the catalog names"):
        Collection.open(tmp_path / "c")
    first.unlink()
    with pytest.raises(Corrupt, match=rf"{first.name} is missing"):
        Collection.open(tmp_path / "c")
    first.write_bytes(whole)
    with Collection.open(tmp_path / "c") as c:
        assert list(content_of(c)) == ["y", "z", "b", "c"]


def test_a_segment_file_that_was_cut_or_replaced_is_never_half_read(tmp_path: Path) -> None:
    first = segments(written(tmp_path).parent)[0]
    whole = first.read_bytes()
    damaged = [b"", whole[:-1], whole[: len(whole) // 2], whole + bytes(16), bytes(len(whole)),
               b"no segment at all" * 40]  # fmt: skip
    for data in damaged:
        first.write_bytes(data)
        with pytest.raises(Corrupt, match=first.name):
            Collection.open(tmp_path / "c")
    first.write_bytes(whole[:8] + b"\x07" + whole[9:])
    with pytest.raises(Mismatch, match=rf"{first.name} has format version 7"):
        Collection.open(tmp_path / "c")


def test_a_flipped_byte_is_found_at_open_or_by_a_merge_and_never_spread(tmp_path: Path) -> None:
    """Or it stands between sections, for nothing."""
    kept = written(tmp_path).parent
    with Collection.open(kept) as c:
        expected = content_of(c)
    name = segments(kept)[0].name
    data, found = (kept / name).read_bytes(), []
    for position in range(3, len(data), 29):
        folder = tmp_path / str(position)
        shutil.copytree(kept, folder)
        changed = bytearray(data)
        changed[position] ^= 0x10
        (folder / name).write_bytes(changed)
        try:
            with Collection.open(folder, upkeep=Upkeep(background=False)) as c:
                c.compact()
                assert content_of(c) == expected
        except (Corrupt, Mismatch) as error:
            assert name in error.message
            found.append(error.reason)
    assert len(found) > 20
    assert {"CHECKSUM", "FOREIGN"} <= set(found)


FAILING_DISK = """
import resource, sys
from spladed.errors import SpladedError
from spladed.index import Collection, Document
from spladed.sparse import SparseBatch
c = Collection.open(sys.argv[1])
rows = SparseBatch.from_rows(100, [(range(100), [1.0] * 100)] * 300)
size = (c._path / "catalog.sqlite").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
kept = c.generation
for attempt in range(3):
    try:
        c.upsert([Document(f"{attempt}-{n}") for n in range(300)], rows)
    except SpladedError as error:
        print(type(error).__name__, error.reason, c.generation == kept)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(c.upsert([Document("after")], rows.slice(0, 1)) == kept + 1)
c.close()
"""


def test_a_failing_write_changes_nothing_and_the_next_one_succeeds(tmp_path: Path) -> None:
    written(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", FAILING_DISK, str(tmp_path / "c")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["Unavailable STORAGE True"] * 3 + ["True"]
    with Collection.open(tmp_path / "c") as c:
        assert (c.generation, c.stats().documents) == (6, 5)
        assert c.get(["0-0", "after", "b"]).missing == ["0-0"]
