"""The durable truth of one collection: `catalog.sqlite`. The only import of sqlite3.

One connection writes, under the collection's lock; reads borrow connections of their own,
whose transactions a writer neither blocks nor waits for (WAL).
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from spladed.errors import Corrupt, Exhausted, Internal, Mismatch, SpladedError, Unavailable
from spladed.index.values import CollectionSettings, Document

__all__ = ["CATALOG_NAME", "Catalog", "Connection", "Reading", "StoredBatch"]

CATALOG_NAME = "catalog.sqlite"
FORMAT_VERSION = 1
_APPLICATION_ID = int.from_bytes(b"SPLD", "big")

# The machine's fault, not the file's: the same request may succeed later.
_STORAGE = (
    sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM,
)  # fmt: skip

# What a write's SQL gets; it comes and goes through this file.
Connection = sqlite3.Connection

_SCHEMA = """
CREATE TABLE collection (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    settings TEXT NOT NULL, generation INTEGER NOT NULL, next_seq INTEGER NOT NULL
);
CREATE TABLE documents (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, text TEXT NOT NULL, metadata TEXT NOT NULL
);
CREATE TABLE batches (
    first_seq INTEGER PRIMARY KEY,
    rows INTEGER NOT NULL, live INTEGER NOT NULL, bundle_id TEXT NOT NULL
);
CREATE TABLE vectors (first_seq INTEGER PRIMARY KEY, sha256 BLOB NOT NULL, rows BLOB NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """One blob as it lies in the catalog."""

    first_seq: int
    rows: int
    live: int
    sha256: bytes
    data: bytes


class Reading:
    """A view of the catalog as it was after write number `generation`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        (self.generation,) = connection.execute("SELECT generation FROM collection").fetchone()

    def documents(self, seqs: Iterable[int]) -> list[Document]:
        """The documents of these seqs, in order; a seq that is not there is a bug."""
        select = "SELECT id, text, metadata FROM documents WHERE seq = ?"
        rows = [self._connection.execute(select, (seq,)).fetchone() for seq in seqs]
        if None in rows:
            raise Internal("a live document is not in the catalog; this is a bug", reason="BUG")
        return [Document(*row) for row in rows]

    def ids(self) -> Iterator[tuple[int, str]]:
        """(seq, id) of every document, by rising seq."""
        return self._connection.execute("SELECT seq, id FROM documents ORDER BY seq")

    def batches(self) -> Iterator[StoredBatch]:
        """Every batch, by rising seq."""
        select = (
            "SELECT b.first_seq, b.rows, b.live, v.sha256, v.rows"
            " FROM batches b JOIN vectors v USING (first_seq) ORDER BY b.first_seq"
        )
        return (StoredBatch(*row) for row in self._connection.execute(select))

    def next_seq(self) -> int:
        """The seq that the next document gets."""
        return self._connection.execute("SELECT next_seq FROM collection").fetchone()[0]


class Catalog:
    """An open catalog. Raises Corrupt, Exhausted or Unavailable, never sqlite3's own errors."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._idle_lock = threading.Lock()
        self._closed = False
        with self._translated():
            self._writer = self._connect()
            try:
                self._writer.execute("PRAGMA synchronous = FULL")  # WAL alone would sync lazily
                self._check_format()
                self.settings = self._read_settings()
            except BaseException:
                self._writer.close()
                raise

    @classmethod
    def create(cls, path: Path, settings: CollectionSettings) -> None:
        """Write the catalog of an empty collection; the caller makes the folder durable."""
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            with _translating(path):
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
                connection.executescript(f"BEGIN; {_SCHEMA}")
                row = (1, json.dumps(asdict(settings)), 0, 0)
                connection.execute("INSERT INTO collection VALUES (?, ?, ?, ?)", row)
                connection.execute("COMMIT")
        finally:
            connection.close()

    def close(self) -> None:
        """Close every connection; one that is lent out closes when it comes back."""
        with self._idle_lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in (*idle, self._writer):
            connection.close()

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
                yield Reading(connection)
            finally:
                self._give_back(connection)

    def _borrow(self) -> sqlite3.Connection:
        with self._idle_lock:
            if self._closed:
                raise Unavailable(f"{self._path} is closed", reason="CLOSED")
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
        if not self._path.is_file():
            raise Corrupt(f"{self._path} is missing", reason="CATALOG_MISSING")
        return sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)

    def _check_format(self) -> None:
        (application_id,) = self._writer.execute("PRAGMA application_id").fetchone()
        if application_id != _APPLICATION_ID:
            raise Corrupt(f"{self._path} is not a catalog of spladed's", reason="NOT_A_CATALOG")
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        if version != FORMAT_VERSION:
            raise Mismatch(
                f"{self._path} has format version {version}, this spladed reads "
                f"{FORMAT_VERSION}; formats are not migrated: open it with the version that wrote "
                "it, or make the collection anew",
                reason="FORMAT_VERSION",
            )

    def _read_settings(self) -> CollectionSettings:
        row = self._writer.execute("SELECT settings FROM collection").fetchone()
        try:
            return CollectionSettings(**json.loads(row[0]))
        except (TypeError, ValueError, SpladedError) as error:
            message = f"{self._path} has settings that cannot be read: {error}"
            raise Corrupt(message, reason="CATALOG") from error

    def _translated(self) -> AbstractContextManager[None]:
        return _translating(self._path)


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
