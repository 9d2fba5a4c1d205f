"""SQLite's full-text index: a document is its term ids as words (it keeps no weights)."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

from spladed.sparse import SparseBatch

# One row an id; the words in the full-text table under the row's number.
SCHEMA = """
CREATE TABLE documents (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
CREATE VIRTUAL TABLE terms USING fts5(words, tokenize = 'ascii');
"""
SEQ = """
INSERT INTO documents (id) VALUES (?) ON CONFLICT (id) DO UPDATE SET id = excluded.id
RETURNING seq
"""
Prepared = list[tuple[str, str]]


class SqliteFts5:
    durability = "WAL, synchronous=FULL: one transaction a batch, fsync at its COMMIT"
    settled_by = "PRAGMA wal_checkpoint(TRUNCATE)"

    def __init__(self, folder: Path, dimension: int) -> None:
        """One connection behind a lock: faster than a connection a thread, whose writers wait
        for the file's lock in sleeps."""
        del dimension
        folder.mkdir()
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            folder / "fts5.sqlite", check_same_thread=False, isolation_level=None
        )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(SCHEMA)

    def prepare(self, ids: Sequence[str], vectors: SparseBatch) -> Prepared:
        rows = (vectors.row(row)[0].tolist() for row in range(len(vectors)))
        return [(id, " ".join(map(str, row))) for id, row in zip(ids, rows, strict=True)]

    def upsert(self, prepared: Prepared) -> None:
        with self._lock:
            run = self._connection.execute
            run("BEGIN IMMEDIATE")
            for id, words in prepared:
                (seq,) = run(SEQ, (id,)).fetchall()[0]
                run("INSERT OR REPLACE INTO terms (rowid, words) VALUES (?, ?)", (seq, words))
            run("COMMIT")

    def flush(self) -> None:
        """It is durable already."""

    def debt(self) -> dict[str, float]:
        """Leaf pages of the full-text index; its merges ride on later writes."""
        (count,) = self._connection.execute("SELECT count(*) FROM terms_data").fetchone()
        return {"pages_of_the_index": count}

    def settle(self) -> None:
        with self._lock:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._connection.close()
