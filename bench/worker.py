"""A store in a process of its own, so that its memory, bytes and processor time are its own.

The bench holds a `Worker` a store and calls it; the store's process does what is asked and
answers. While it works on a call, the other stores' processes stand still, if the bench lets
each `rest` before it turns to the next.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from peers import open_engine
from rows import Rows
from usage import Used, Watch, descendants, folder_bytes, is_working, watched

from spladed.sparse import SparseBatch

POOL = 65_536  # rows that are made; after them the same come again, under new ids
BATCH = 1_000  # of replacements
QUIET_SECONDS = 0.3


class Served:
    """What runs in the store's process: a method a call."""

    def __init__(self, engine: str, folder: Path, dimension: int) -> None:
        self._folder = folder
        self._engine = open_engine(engine, folder, dimension)
        self._pool = Rows(dimension).batch(POOL)
        self._next = 0
        self._prepared: list[Any] = []

    def about(self) -> dict[str, str]:
        return {"durability": self._engine.durability, "settled_by": self._engine.settled_by}

    def prepare(self, *, batch: int, documents: int) -> None:
        """New documents in batches, as the store takes them."""
        self._prepared = [
            self._engine.prepare(*self._take(batch)) for _ in range(documents // batch)
        ]

    def write(self, *, callers: int) -> dict[str, float]:
        """All that was prepared, by so many threads; each waits for its acknowledgement."""
        batches, self._prepared = self._prepared, []
        before = Used.now()
        with ThreadPoolExecutor(callers) as threads:
            list(threads.map(self._engine.upsert, batches))
        return Used.now().since(before)

    def rest(self) -> dict[str, float]:
        """Wait until no child has worked for a while."""
        before = last = Used.now()
        quiet = last.wall_seconds
        while last.wall_seconds - quiet < QUIET_SECONDS:
            time.sleep(0.02)
            now = Used.now()
            busy = any(map(is_working, descendants(os.getpid())))
            if busy or now.cpu_seconds - last.cpu_seconds > 0.009:
                quiet = now.wall_seconds
            last = now
        return last.since(before)

    def debt(self) -> dict[str, float]:
        return self._engine.debt()

    def settle(self) -> dict[str, float]:
        before = Used.now()
        self._engine.settle()
        self.rest()
        return Used.now().since(before)

    def totals(self) -> dict[str, int]:
        """Since the store was made."""
        written = Used.now().written_bytes
        disk = folder_bytes(self._folder)
        return {"documents": self._next, "written_bytes": written, "disk_bytes": disk}

    def replace(self, *, count: int, ids: int, callers: int) -> dict[str, float]:
        """Random documents of `ids` under new vectors, time and again, in batches of 1,000."""
        before = Used.now()
        with ThreadPoolExecutor(callers) as threads:
            for _ in threads.map(partial(self._replace_batch, ids), range(count // BATCH)):
                pass
        return Used.now().since(before)

    def _replace_batch(self, ids: int, number: int) -> None:
        random = np.random.default_rng((5, number))
        names = [f"{each:08d}" for each in random.permutation(ids)[:BATCH]]
        start = int(random.integers(POOL - BATCH))
        vectors = self._pool.slice(start, start + BATCH)
        self._engine.upsert(self._engine.prepare(names, vectors))

    def close(self) -> None:
        self._engine.close()

    def _take(self, count: int) -> tuple[list[str], SparseBatch]:
        ids = [f"{number:08d}" for number in range(self._next, self._next + count)]
        start = self._next % (POOL - count)
        self._next += count
        return ids, self._pool.slice(start, start + count)


class Worker:
    """The bench's end of a store's process; an error there is raised here."""

    def __init__(self, engine: str, folder: Path, dimension: int = 30_522) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, engine, folder, dimension), daemon=True
        )
        self._process.start()
        theirs.close()
        self.about = self.call("about")

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def call(self, method: str, **arguments: Any) -> Any:
        self._connection.send((method, arguments))
        answer = self._connection.recv()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def close(self) -> None:
        self.call("close")
        self._connection.close()
        self._process.join()


@contextmanager
def workers(names: list[str], folder: Path) -> Iterator[dict[str, Worker]]:
    """A store of each name, in folders of their own below this one."""
    opened: dict[str, Worker] = {}
    try:
        folder.mkdir(exist_ok=True)
        for name in names:
            opened[name] = Worker(name, folder / name.replace(" ", "-"))
        yield opened
    finally:
        for worker in opened.values():
            worker.close()


def apart(work: Callable[..., Any], *arguments: Any) -> tuple[Any, Watch]:
    """What `work` returns from a process of its own, and its memory while it ran; the first
    sample is of the process with all its imports."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        pid = pool.submit(_pid, work).result()
        with watched(pid) as watch:
            watch.sample(0.0)
            return pool.submit(work, *arguments).result(), watch


def _pid(_: Callable[..., Any]) -> int:
    """The process that has just unpickled, and so imported, what it will run."""
    return os.getpid()


def _serve(connection: Connection, engine: str, folder: Path, dimension: int) -> None:
    served: Served | None = None
    while True:
        try:
            method, arguments = connection.recv()
        except EOFError:
            return
        try:
            served = served or Served(engine, folder, dimension)
            connection.send(getattr(served, method)(**arguments))
        except Exception as error:  # it goes to the bench, which raises it
            connection.send(error)
