"""A disk that is full or fails: the operation that meets it says so, and nothing else happens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from spladed.index import Collection

from .faults import Faults
from .oracle import batch, collection, documents
from .stored import content_of


def test_any_operation_may_fail() -> None:
    """`make crash` has every one fail, in every way."""
    faults = Faults()
    try:
        assert list(faults.problems(every=False)) == []
    finally:
        faults.close()
    assert faults.count > 200
    assert faults.refused > 100


# SQLite's own writes fail where its log may not grow.
FULL_CATALOG = """
import resource, sys
from spladed.errors import SpladedError
from spladed.index import Collection, Document, Upkeep
from spladed.sparse import SparseBatch
c = Collection.open(sys.argv[1], upkeep=Upkeep(background=False))
rows = SparseBatch.from_rows(100, [([1], [2.0])])
c.upsert([Document("before")], rows)
kept = c.generation
size = (c._path / "catalog.sqlite-wal").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
calls = [lambda: c.upsert([Document("a")], rows), lambda: c.delete(["before"]), c.flush, c.compact]
for call in calls * 2:
    try:
        call()
    except SpladedError as error:
        print(type(error).__name__, error.reason, c.generation == kept, c.stats().documents)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
c.flush()
print(c.upsert([Document("after")], rows) == kept + 1)
c.close()
"""


def test_a_catalog_that_cannot_grow_refuses_writes_flushes_and_merges(tmp_path: Path) -> None:
    with collection(tmp_path) as c:
        for id in "abc":
            c.upsert(documents(id), batch(100, {1: 1.0}))
            c.flush()
    done = subprocess.run(
        [sys.executable, "-c", FULL_CATALOG, str(tmp_path / "c")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["Unavailable STORAGE True 4"] * 8 + ["True"]
    with Collection.open(tmp_path / "c") as c:
        assert list(content_of(c)) == ["a", "b", "c", "before", "after"]
        assert sorted(one.name for one in (tmp_path / "c").glob("*.segment")) == sorted(
            part.segment.name for part in c._writer.snapshot.parts if part.segment.name
        )
