"""A collection as a day of writing leaves it, and what upkeep does to it.

Large segments, three of four flushes, and three of one flush: the next flush makes two merges due,
one of 131,072 documents and then one of 524,288 (see index/merge.py). It is made once and kept;
every run gets a copy, whose segment files are links, since they are never changed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rows import Rows

from spladed.index import Collection, CollectionSettings
from spladed.sparse import SparseBatch

__all__ = ["CACHE", "DIMENSION", "Upkeep", "linked", "made"]

DIMENSION = 30_522
SMALL = 3 * [131_072] + 3 * [32_768]  # behind the large ones
CACHE = Path(__file__).parents[1] / "build" / "mixed"
WATCH_SECONDS = 0.1


def made(cache: Path, documents: int) -> Path:
    """The collection, from an earlier run if it is there; its segments are of SMALL sizes
    behind the large ones."""
    path = cache / f"{documents}"
    if path.exists():
        return path
    shutil.rmtree(unfinished := cache / f"{documents}.unfinished", ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    stops = np.cumsum([max(0, documents - sum(SMALL)), *SMALL]).clip(max=documents)
    chunks = Rows(DIMENSION).documents(documents)
    held, first = SparseBatch.empty(DIMENSION), 0
    with Collection.create(unfinished, CollectionSettings(DIMENSION)) as collection:
        for stop in dict.fromkeys(stops.tolist()):
            with collection.load() as load:
                while first < stop:
                    held = held if len(held) else next(chunks)
                    count = min(stop - first, len(held))
                    ids = [f"{number:08d}" for number in range(first, first + count)]
                    load.add(ids, held.slice(0, count))
                    held, first = held.slice(count, len(held)), first + count
    return unfinished.rename(path)


@contextmanager
def linked(base: Path, name: str) -> Iterator[Path]:
    """A data folder with the collection in it, whose segment files are those of `base`."""
    with tempfile.TemporaryDirectory(dir=base.parent) as folder:
        copy = Path(folder, name)
        copy.mkdir()
        for file in base.iterdir():
            if file.suffix == ".segment":
                os.link(file, copy / file.name)
            else:
                shutil.copy(file, copy)
        yield Path(folder)


@dataclass
class Upkeep:
    """Tells from the names in a folder when a segment was published, and of what: a merged one
    begins with the seq of one that was there."""

    folder: Path
    seen: list[tuple[float, str]] = field(default_factory=list)

    def __enter__(self) -> Upkeep:
        self._done, self._names = threading.Event(), self._list()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.wait(WATCH_SECONDS):
            names = self._list()
            firsts = {name.partition("-")[0] for name in self._names}
            for name in names - self._names:
                kind = "merge" if name.partition("-")[0] in firsts else "flush"
                self.seen.append((time.perf_counter(), kind))
            self._names = names

    def _list(self) -> set[str]:
        return {path.name for path in self.folder.glob("*.segment")}
