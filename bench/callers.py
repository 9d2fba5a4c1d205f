"""Callers that search and write at once, and what each of them waited.

Searches are taken one after another, or at a pace, in turns of some seconds; at a pace a wait
counts from when the search was due, so that a slow one costs those behind it what it would cost
their callers. Writes are always at a pace, from a few callers in turn, and late ones are made
good. Who searches and who writes are threads of one process, or processes that share a server.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count, cycle
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from rows import Rows

from spladed.cli.reach import local_server
from spladed.client import values
from spladed.client.client import Client
from spladed.index import Collection, Document
from spladed.sparse import SparseBatch

__all__ = [
    "KS", "NAME", "PACES", "SCENARIOS", "Batches", "Scenario", "Store", "Waited", "Written",
    "searched",
]  # fmt: skip

NAME = "documents"  # of the collection
KS = (10, 100)
PACES = {"one by one": 0.0, "50 a second": 0.02}
TURN_SECONDS = 2.0
WRITERS = 2  # one keeps the rate on a quiet machine; four leave a burst behind each stall
POOL = 16_384  # rows that are written, time and again under other ids
REPLACED, REWRITTEN = 0.3, 0.1  # shares: ids that were there before, ids of this run
SWITCH_SECONDS = 0.0005  # of threads of one process, as docs/deployment.md advises
CHUNK = 1_024  # documents of a batch where no rate is kept


@dataclass(frozen=True, slots=True)
class Waited:
    """One search: when it was due, by the clock, what it took, and the caller's CPU time."""

    pace: str
    k: int
    due: float
    wall_seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Written:
    """Acknowledged documents of one phase, and what each batch waited."""

    documents: int
    seconds: float
    waits: list[float]

    @property
    def per_second(self) -> float:
        return self.documents / self.seconds


class Store(Protocol):
    """A collection, as both callers reach it."""

    def search(self, query: SparseBatch, k: int) -> object: ...

    def fill(self, rows: SparseBatch) -> None:
        """Write new documents as fast as it goes."""
        ...

    def prepare(self, batches: int) -> None:
        """Make what will be written."""
        ...

    def begin(self, seconds: float, rate: float) -> Callable[[], Written]:
        """Write it beside the caller; what comes back waits for the end."""
        ...


def searched(
    search: Callable[[SparseBatch, int], object], queries: Sequence[SparseBatch], seconds: float
) -> list[Waited]:
    """What every search waited, in turns at each pace; k alternates from one to the next."""
    found: list[Waited] = []
    end, paces = time.perf_counter() + seconds, cycle(PACES.items())
    work = ((query, k) for query in cycle(queries) for k in KS)
    while (begin := time.perf_counter()) < end:
        pace, period = next(paces)
        for number in count():
            due = begin + number * period if period else time.perf_counter()
            if due >= min(begin + TURN_SECONDS, end):
                break
            time.sleep(max(0.0, due - time.perf_counter()))
            query, k = next(work)
            used = time.thread_time()
            search(query, k)
            used = time.thread_time() - used
            found.append(Waited(pace, k, due, time.perf_counter() - due, used))
    return found


class Batches:
    """What to write, in batches of one size: new documents, and some in place of others."""

    def __init__(self, size: int, documents: int, dimension: int, seed: int) -> None:
        self.size = size
        self._documents = documents
        self._dimension = dimension
        self._random = np.random.default_rng((7, seed))
        self._written = 0

    def take(self, batches: int) -> list[tuple[list[str], SparseBatch]]:
        """The next ones; ids are distinct within a batch."""
        pool = Rows(self._dimension, seed=1).batch(POOL)
        return [self._take(pool) for _ in range(batches)]

    def _take(self, pool: SparseBatch) -> tuple[list[str], SparseBatch]:
        start = self._written % (POOL - self.size + 1)
        fates = self._random.random(self.size).tolist()
        ids = list(dict.fromkeys(map(self._id, fates, range(self.size))))
        self._written += self.size
        return ids, pool.slice(start, start + len(ids))

    def _id(self, fate: float, place: int) -> str:
        if fate < REPLACED:
            return f"{self._random.integers(self._documents):08d}"
        if fate < REPLACED + REWRITTEN and self._written:
            return f"new {self._random.integers(self._written)}"
        return f"new {self._written + place}"


def written(
    upsert: Callable[[Any], object], batches: Sequence[tuple[int, Any]], seconds: float, rate: float
) -> Written:
    """Each (documents, batch) when it is due, by whichever of the WRITERS is free."""
    begin, waits, acknowledged = time.perf_counter(), list[float](), list[int]()
    before = np.cumsum([0, *(size for size, _ in batches)]).tolist()
    work, taking = zip(before, batches, strict=False), threading.Lock()

    def write() -> None:
        while True:
            with taking:
                documents, (size, batch) = next(work)
            due = begin + documents / rate
            if max(due, time.perf_counter()) >= begin + seconds:
                return
            time.sleep(max(0.0, due - time.perf_counter()))
            sent = time.perf_counter()
            upsert(batch)
            waits.append(time.perf_counter() - sent)
            acknowledged.append(size)

    with ThreadPoolExecutor(WRITERS) as threads:
        for writer in [threads.submit(write) for _ in range(WRITERS)]:
            writer.result()
    return Written(sum(acknowledged), max(seconds, time.perf_counter() - begin), waits)


class _Program:
    """Both callers are threads of this process."""

    def __init__(self, collection: Collection, writes: Batches, thread: ThreadPoolExecutor) -> None:
        self._collection, self._writes, self._thread = collection, writes, thread
        self._made: list[tuple[int, Any]] = []

    def search(self, query: SparseBatch, k: int) -> object:
        return self._collection.search(query, k)

    def fill(self, rows: SparseBatch) -> None:
        for ids, part in _parts(rows):
            self._collection.upsert([Document(id) for id in ids], part)

    def prepare(self, batches: int) -> None:
        taken = self._writes.take(batches)
        self._made = [(len(ids), ([Document(id) for id in ids], rows)) for ids, rows in taken]

    def begin(self, seconds: float, rate: float) -> Callable[[], Written]:
        return self._thread.submit(written, self._upsert, self._made, seconds, rate).result

    def _upsert(self, batch: tuple[list[Document], SparseBatch]) -> object:
        return self._collection.upsert(*batch)


class _Served:
    """This process searches through a client; another one writes through its own."""

    def __init__(self, target: str, client: Client, writes: Batches) -> None:
        self._client = client
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_write_phases, args=(theirs, target, writes), daemon=True
        )
        self._process.start()
        theirs.close()

    def search(self, query: SparseBatch, k: int) -> object:
        return self._client.search(NAME, vectors=query, k=k)

    def fill(self, rows: SparseBatch) -> None:
        for ids, part in _parts(rows):
            _upsert(self._client, (ids, part))

    def prepare(self, batches: int) -> None:
        self._connection.send(batches)
        self._connection.recv()

    def begin(self, seconds: float, rate: float) -> Callable[[], Written]:
        self._connection.send((seconds, rate))
        return self._connection.recv

    def close(self) -> None:
        self._connection.close()
        self._process.join()


def _write_phases(connection: Connection, target: str, writes: Batches) -> None:
    """The writing process: for each phase it makes batches, says so, and writes them."""
    with Client(target, timeout_seconds=60) as client:
        while True:
            try:
                made = [(len(ids), (ids, rows)) for ids, rows in writes.take(connection.recv())]
            except EOFError:
                return
            connection.send("made")
            seconds, rate = connection.recv()
            connection.send(written(lambda batch: _upsert(client, batch), made, seconds, rate))


def _upsert(client: Client, batch: tuple[list[str], SparseBatch]) -> None:
    ids, rows = batch
    documents = [values.Document(id, vector_row=row) for row, id in enumerate(ids)]
    client.upsert(NAME, documents, vectors=rows)


def _parts(rows: SparseBatch) -> Iterator[tuple[list[str], SparseBatch]]:
    for start in range(0, len(rows), CHUNK):
        part = rows.slice(start, min(start + CHUNK, len(rows)))
        yield [f"ahead {number}" for number in range(start, start + len(part))], part


@contextmanager
def _program(folder: Path, writes: Batches) -> Iterator[Store]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        with Collection.open(folder / NAME) as collection, ThreadPoolExecutor(1) as thread:
            yield _Program(collection, writes, thread)
    finally:
        sys.setswitchinterval(before)


@contextmanager
def _server(folder: Path, writes: Batches) -> Iterator[Store]:
    with local_server(str(folder)) as target, Client(target, timeout_seconds=60) as client:
        store = _Served(target, client, writes)
        try:
            yield store
        finally:
            store.close()


# (data folder, what will be written) -> the collection in it, opened.
Scenario = Callable[[Path, Batches], AbstractContextManager[Store]]
SCENARIOS: dict[str, Scenario] = {"one process": _program, "server": _server}
