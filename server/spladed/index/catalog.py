"""The durable truth of one collection: `catalog.sqlite`. The only import of sqlite3, and
long for it.

One connection writes, under the collection's lock; reads borrow connections of their own,
whose transactions a writer neither blocks nor waits for (WAL).
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spladed.errors import Corrupt, Exhausted, Internal, Mismatch, SpladedError, Unavailable
from spladed.index import storage
from spladed.index.values import CollectionSettings, Field, Scoring

__all__ = ["CATALOG_NAME", "BatchSize", "Catalog", "Connection", "Reading", "SegmentRow", "settle"]

CATALOG_NAME = "catalog.sqlite"
FORMAT_VERSION = 2
_APPLICATION_ID = int.from_bytes(b"SPLD", "big")

# The machine's fault, not the file's: the same request may succeed later.
_STORAGE = (
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM,
)  # fmt: skip

# What a write's SQL gets; it comes and goes through this file.
Connection = sqlite3.Connection

# auto_vacuum stands before the first table, or it is without effect.
_PRAGMAS = (
    "journal_mode = WAL", "synchronous = FULL",
    f"application_id = {_APPLICATION_ID}", f"user_version = {FORMAT_VERSION}",
)  # fmt: skip
_SCHEMA = """
CREATE TABLE collection (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    settings TEXT NOT NULL, generation INTEGER NOT NULL, layout INTEGER NOT NULL,
    next_seq INTEGER NOT NULL
);
CREATE TABLE segments (
    first_seq INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL,
    name TEXT NOT NULL UNIQUE, documents INTEGER NOT NULL, fingerprint TEXT NOT NULL
);
CREATE TABLE batches (first_seq INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE deletes (generation INTEGER PRIMARY KEY, purged INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE documents (seq INTEGER PRIMARY KEY, payload BLOB NOT NULL);
CREATE TABLE bundles (first_seq INTEGER PRIMARY KEY, bundle_id TEXT NOT NULL);
"""
# How long a connection waits for one of another process: Python's default.
_BUSY_MILLISECONDS = 5_000
# What SQLite may let its log grow to before it folds it back: 16 MiB. Its default of 4 MiB
# is less than a commit of a thousand documents beside another, which would then wait for
# the folding each time.
_LOG_PAGES = 4096


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A segment file that belongs to the collection.

    fingerprint: of its container, 16 hexadecimal digits: which file of that name it is
    """

    first_seq: int
    last_seq: int
    name: str
    documents: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class BatchSize:
    """How much one batch holds, dead documents too."""

    last_seq: int
    documents: int
    bytes: int


class Reading:
    """A view of the catalog as it was after write number `generation`.

    layout: how many flushes, merges and loads changed where the documents lie
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.where = str(path)
        select = "SELECT generation, layout, next_seq FROM collection"
        row: tuple[int, int, int] = connection.execute(select).fetchone()
        self.generation, self.layout, self.next_seq = row

    def segments(self) -> list[SegmentRow]:
        """Every segment, by rising seq."""
        select = (
            "SELECT first_seq, last_seq, name, documents, fingerprint"
            " FROM segments ORDER BY first_seq"
        )
        return [SegmentRow(*row) for row in self._connection.execute(select)]

    def batches(self, after_seq: int = -1) -> Iterator[tuple[int, bytes]]:
        """(first seq, container) of every batch beyond a seq, by rising seq."""
        select = "SELECT first_seq, data FROM batches WHERE first_seq > ? ORDER BY first_seq"
        return self._connection.execute(select, (after_seq,))

    def batch_sizes(self) -> list[BatchSize]:
        """The size of every batch, by rising seq."""
        select = (
            "SELECT last_seq, last_seq - first_seq + 1, length(data) FROM batches"
            " ORDER BY first_seq"
        )
        return [BatchSize(*row) for row in self._connection.execute(select)]

    def deletes(self, after_generation: int = -1) -> Iterator[tuple[int, bytes]]:
        """(generation, container) of every set of deleted seqs of later writes."""
        select = "SELECT generation, data FROM deletes WHERE generation > ? ORDER BY generation"
        return self._connection.execute(select, (after_generation,))

    def payloads(self, seqs: Iterable[int]) -> list[bytes | None]:
        """What is stored beside the rows of these documents; None where nothing is."""
        select = "SELECT payload FROM documents WHERE seq = ?"
        rows = [self._connection.execute(select, (seq,)).fetchone() for seq in seqs]
        return [row[0] if row else None for row in rows]

    def documents(self) -> Iterator[tuple[int, bytes]]:
        """(seq, payload) of every document that has one, by rising seq."""
        return self._connection.execute("SELECT seq, payload FROM documents ORDER BY seq")

    def unpurged(self) -> set[int]:
        """The generations of the sets of deletes whose payloads may still be there."""
        select = "SELECT generation FROM deletes WHERE purged = 0"
        return {generation for (generation,) in self._connection.execute(select)}

    def bundles(self) -> list[tuple[int, str]]:
        """(seq, bundle_id): the documents from this seq to the next entry's are of it."""
        select = "SELECT first_seq, bundle_id FROM bundles ORDER BY first_seq"
        return self._connection.execute(select).fetchall()

    def counts(self) -> dict[str, int]:
        """The number of rows of each table."""
        tables = ("segments", "batches", "deletes", "documents", "bundles")
        count = "SELECT count(*) FROM "
        return {name: self._connection.execute(count + name).fetchone()[0] for name in tables}

    def problems(self) -> list[str]:
        """What SQLite itself finds wrong with the file."""
        rows = self._connection.execute("PRAGMA integrity_check").fetchall()
        return [message for (message,) in rows if message != "ok"]


def settle(path: Path) -> None:
    """Make a catalog durable that a process left which was killed while it committed.

    SQLite reads such a commit from its log as if it were durable. It is not, and the next
    opening removes the files that it replaces.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        storage.sync_file(log)


class Catalog:
    """An open catalog. Raises Corrupt, Exhausted or Unavailable, never sqlite3's own errors.

    read_only: for a process that follows the writer; `writing` then fails
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._read_only = read_only
        self._idle: list[sqlite3.Connection] = []
        self._idle_lock = threading.Lock()
        self._closed = False
        with self._translated():
            self._writer = self._connect()
            try:
                self._writer.execute("PRAGMA synchronous = FULL")  # WAL alone would sync lazily
                self._writer.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
                self._check_format()
                self.settings = self._read_settings()
            except BaseException:
                self._writer.close()
                raise

    @classmethod
    def create(cls, path: Path, settings: CollectionSettings) -> None:
        """Write the catalog of an empty collection; the caller makes the folder durable."""
        with _translating(path), closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            connection.executescript(f"BEGIN; {_SCHEMA}")
            row = (1, json.dumps(asdict(settings)), 0, 0, 0)
            connection.execute("INSERT INTO collection VALUES (?, ?, ?, ?, ?)", row)
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close every connection; one that is lent out closes when it comes back."""
        with self._idle_lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in (*idle, self._writer):
            connection.close()

    def copy_to(self, path: Path) -> None:
        """The catalog as it is now in a file of its own; the caller makes it durable."""
        with self._translated():
            connection = self._borrow()
            try:
                with closing(sqlite3.connect(path)) as copy:
                    connection.backup(copy)  # all pages in one step: one moment in time
            finally:
                self._give_back(connection)

    def compact(self) -> None:
        """Give the room of deleted rows back to the file system."""
        with self._translated():
            self._writer.execute("PRAGMA incremental_vacuum").fetchall()
            self._writer.execute("PRAGMA busy_timeout = 0")  # readers may take long
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._writer.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it durable when the block ends, or none if it raises."""
        with self._translated():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")  # returns after the fsync
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """One view, unmoved by writes that commit meanwhile; keep it short."""
        with self._translated():
            connection = self._borrow()
            try:
                connection.execute("BEGIN")
                yield Reading(connection, self.path)
            finally:
                self._give_back(connection)

    def changes(self) -> int:
        """A number that is another one after any other process's commit."""
        with self._translated():
            return self._writer.execute("PRAGMA data_version").fetchone()[0]

    def _borrow(self) -> sqlite3.Connection:
        with self._idle_lock:
            if self._closed:
                raise Unavailable(f"{self.path} is closed", reason="CLOSED")
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        with self._idle_lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> sqlite3.Connection:
        if not self.path.is_file():
            raise Corrupt(f"{self.path} is missing", reason="CATALOG_MISSING")
        mode = "ro" if self._read_only else "rw"
        uri = f"{self.path.absolute().as_uri()}?mode={mode}"
        return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)

    def _check_format(self) -> None:
        (application_id,) = self._writer.execute("PRAGMA application_id").fetchone()
        if application_id != _APPLICATION_ID:
            raise Corrupt(f"{self.path} is not a catalog of spladed's", reason="NOT_A_CATALOG")
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        if version != FORMAT_VERSION:
            raise Mismatch(
                f"{self.path} has format version {version}, this spladed reads "
                f"{FORMAT_VERSION}; formats are not migrated: open it with the version that wrote "
                "it, or make the collection anew",
                reason="FORMAT_VERSION",
            )

    def _read_settings(self) -> CollectionSettings:
        row = self._writer.execute("SELECT settings FROM collection").fetchone()
        try:
            return _settings(json.loads(row[0]))
        except (TypeError, ValueError, KeyError, SpladedError) as error:
            message = f"{self.path} has settings that cannot be read: {error}"
            raise Corrupt(message, reason="CATALOG") from error

    def _translated(self) -> AbstractContextManager[None]:
        return _translating(self.path)


def _settings(content: dict[str, Any]) -> CollectionSettings:
    fields: Sequence[dict[str, Any]] = content.pop("fields")
    scoring = Scoring(**content.pop("scoring"))
    declared = tuple(Field(**field) for field in fields)
    return CollectionSettings(**content, scoring=scoring, fields=declared)


@contextmanager
def _translating(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _translation(error, path) from error


def _has_code(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) is not None


def _translation(error: sqlite3.Error, path: Path) -> SpladedError:
    """SQLite's error as one of ours; extended codes carry the primary one in their low byte."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        message = f"the disk is full, or at its limit, at {path}; nothing was written"
        return Exhausted(f"{message}: make room, then send it again", reason="DISK_FULL")
    if code in _STORAGE:
        return Unavailable(f"{path}: {error}; nothing was written", reason="STORAGE")
    undecodable = isinstance(error, sqlite3.OperationalError) and not _has_code(error)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or undecodable:
        return Corrupt(f"{path} is not a sound SQLite file: {error}", reason="CATALOG")
    return Internal(f"{path}: {error}; this is a bug", reason="BUG")
