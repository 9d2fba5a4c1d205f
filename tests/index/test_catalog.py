"""What lies on disk: refused when foreign or sick, whole when a write fails."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from spladed.errors import Corrupt, Exhausted, Mismatch, SpladedError
from spladed.index import Collection, blob

from .oracle import batch, collection, documents, hits

ONE = batch(100, {1: 1.0})


def written(folder: Path) -> Path:
    """The catalog of a closed collection of two batches."""
    with collection(folder) as c:
        c.upsert(documents("a", "b"), batch(100, {1: 1, 2: 2}, {1: 0.5}))
        c.upsert(documents("c"), batch(100, {3: 3}))
    return folder / "c" / "catalog.sqlite"


@pytest.mark.parametrize(
    ("change", "error", "reason", "message"),
    [
        ("PRAGMA user_version = 2", Mismatch, "FORMAT_VERSION", "version 2.*not migrated"),
        ("PRAGMA user_version = 0", Mismatch, "FORMAT_VERSION", "version 0"),
        ("PRAGMA application_id = 7", Corrupt, "NOT_A_CATALOG", "not a catalog"),
        (
            "UPDATE vectors SET rows = CAST(substr(rows, 1, length(rows) - 1) || x'ff' AS BLOB)"
            " WHERE first_seq = 2",
            Corrupt, "CHECKSUM", "collection c: the batch of seq 2",
        ),
        ("UPDATE batches SET live = 1 WHERE first_seq = 0", Corrupt, "CATALOG", "seq 0.*2 live"),
        ("DELETE FROM documents WHERE id = 'b'", Corrupt, "CATALOG", "seq 0.*1 live"),
        ("DELETE FROM batches WHERE first_seq = 2", Corrupt, "CATALOG", "without vectors"),
        ("UPDATE documents SET id = CAST(x'ff' AS TEXT) WHERE seq = 0", Corrupt, "CATALOG", "UTF"),
        ("UPDATE collection SET settings = '{}'", Corrupt, "CATALOG", "settings"),
        ("DELETE FROM vectors WHERE first_seq = 2", Corrupt, "CATALOG", "without vectors"),
    ],
)  # fmt: skip
def test_a_changed_catalog_is_refused_by_name(
    tmp_path: Path, change: str, error: type[SpladedError], reason: str, message: str
) -> None:
    with closing(sqlite3.connect(written(tmp_path), isolation_level=None)) as connection:
        connection.execute(change)
    for _ in range(2):  # the first refusal let the folder go
        with pytest.raises(error, match=message) as caught:
            Collection.open(tmp_path / "c")
        assert caught.value.reason == reason


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


def test_a_flipped_byte_in_a_vector_is_found(tmp_path: Path) -> None:
    catalog = written(tmp_path)
    data = bytearray(catalog.read_bytes())
    data[data.index(b"SPB1") + 30] ^= 1
    catalog.write_bytes(data)
    with pytest.raises(Corrupt, match="sha256"):
        Collection.open(tmp_path / "c")


def test_a_full_disk_refuses_the_write_and_keeps_what_was_there(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        c.upsert(documents("a"), ONE)
        writer = c._catalog._writer
        (pages,) = writer.execute("PRAGMA page_count").fetchone()
        writer.execute(f"PRAGMA max_page_count = {pages}")
        big = batch(100, *(dict.fromkeys(range(100), 1.0) for _ in range(500)))
        with pytest.raises(Exhausted, match="full") as caught:
            c.upsert(documents("a", *(f"n{number}" for number in range(499))), big)
        assert caught.value.reason == "DISK_FULL"
        assert c.generation == 1
        assert (hits(c, ONE, 5), c.get(["a", "n1"]).missing) == ([("a", 1.0)], ["n1"])
        writer.execute("PRAGMA max_page_count = 1000000")
        assert c.upsert(documents("b"), ONE) == 2
    with Collection.open(tmp_path / "c") as c:
        assert hits(c, ONE, 5) == [("a", 1.0), ("b", 1.0)]


def test_a_write_that_fails_half_way_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object) -> bytes:
        raise MemoryError

    with collection(tmp_path) as c:
        c.upsert(documents("a", "b"), batch(100, {1: 1}, {1: 0.5}))
        with monkeypatch.context() as patch:  # after the documents were deleted and inserted
            patch.setattr(blob, "encode", no_memory)
            with pytest.raises(MemoryError):
                c.upsert(documents("b", "n"), batch(100, {1: 3}, {1: 3}))
        assert (c.generation, hits(c, ONE, 5)) == (1, [("a", 1.0), ("b", 0.5)])
        assert c.get(["a", "b", "n"]).documents == documents("a", "b")
        assert c.upsert(documents("n"), ONE) == 2
    with Collection.open(tmp_path / "c") as c:
        assert hits(c, ONE, 5) == [("a", 1.0), ("n", 1.0), ("b", 0.5)]


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
        assert (c.generation, c.stats().documents) == (3, 4)
        assert c.get(["0-0", "after", "a"]).missing == ["0-0"]
