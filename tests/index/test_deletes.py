"""Sets of deleted documents are rewritten as one now and then; nobody comes back by that."""

from __future__ import annotations

from pathlib import Path

from spladed.index import Collection, Upkeep

from .oracle import batch, collection, documents
from .stored import content_of

ONE = batch(100, {1: 1.0})


def test_a_dead_row_that_only_the_catalog_has_stays_dead(tmp_path: Path) -> None:
    collection(tmp_path).close()
    with Collection.open(tmp_path / "c", upkeep=Upkeep(background=False)) as c:
        ids = [f"a{n}" for n in range(10)]
        c.upsert(documents(*ids), batch(100, *[{1: 1.0}] * 10))
        c.flush()
        for _ in range(300):  # in memory one row of these is left, in the catalog all
            c.upsert(documents("x"), ONE)
        c._keeper.purge()
        sets = counts(c)
        c.delete(ids[:6])  # the segment is rewritten, and with it the sets
        assert counts(c) < sets
        expected = content_of(c)
    with Collection.open(tmp_path / "c") as c:
        assert content_of(c) == expected
        assert list(expected) == [*ids[6:], "x"]


def counts(c: Collection) -> int:
    with c._catalog.reading() as reading:
        return reading.counts()["deletes"]
