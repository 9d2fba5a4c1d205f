"""An engine's process: builds its index, or opens it and answers the bench, pinned to a core.

    python bench/search_worker.py ENGINE CORPUS INDEX CORE SPAWNED

SPAWNED is the bench's perf_counter when it started this process; calls and answers: see `child`.
Needs numpy alone, besides the engine's package.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from child import Marks, answers, serve

WARMING = 10  # queries that are asked before the timed ones: caches, branch predictors


class Worker:
    """A method a call."""

    def __init__(self, engine: str, corpus: Path, index: Path, marks: Marks) -> None:
        from corpora import Corpus
        from searchers import ENGINES

        marks.mark("python and numpy")
        self._engine, self._folder, self._marks = ENGINES[engine], index, marks
        self._corpus = Corpus.open(corpus)

    def build(self) -> dict[str, Any]:
        """What building took, its input not counted."""
        from usage import Used, folder_bytes

        adapter = self._engine.adapter()
        documents = adapter.convert(self._corpus)
        before = Used.now()
        adapter.build(documents, self._folder)
        used = Used.now().since(before)
        return used | {"bytes": folder_bytes(self._folder)}

    def open(self, *, count: int) -> dict[str, Any]:
        """With this many queries; what it took from the start of the process to the first hits."""
        marks = self._marks
        marks.skip()
        adapter = self._engine.adapter()
        marks.mark("import")
        self._searcher = searcher = adapter(self._folder)
        marks.mark("open")
        rows = [self._corpus.queries.row(number) for number in range(count)]
        self._queries = searcher.prepare(rows)
        settings = searcher.settings()
        searcher.use(settings[0])
        marks.skip()
        searcher.search(self._queries[0], 10)
        marks.mark("first query")
        return {
            "settings": settings,
            "api": searcher.api,
            "numbers": searcher.numbers,
            "itemised": adapter.itemised(self._folder),
            "cold": marks.taken,
        }

    def find(self, *, setting: Any, k: int) -> list[Any]:
        """The hits of every query."""
        self._searcher.use(setting)
        search, hits = self._searcher.search, self._searcher.hits
        return [hits(search(query, k)) for query in self._queries]

    def time(self, *, setting: Any, k: int) -> tuple[list[int], list[int]]:
        """Wall and processor nanoseconds of every query."""
        self._searcher.use(setting)
        search, wall_now, cpu_now = (
            self._searcher.search,
            time.perf_counter_ns,
            time.process_time_ns,
        )
        for query in self._queries[-WARMING:]:
            search(query, k)
        wall, cpu = [], []
        for query in self._queries:
            wall_before, cpu_before = wall_now(), cpu_now()
            search(query, k)
            cpu.append(cpu_now() - cpu_before)
            wall.append(wall_now() - wall_before)
        return wall, cpu

    def memory(self) -> dict[str, int]:
        """Bytes resident now: anonymous, and mapped files."""
        lines = Path("/proc/self/status").read_text().splitlines()
        kinds = {line.split(":")[0]: int(line.split()[1]) * 1024
                 for line in lines if line.startswith("Rss")}  # fmt: skip
        anonymous = kinds["RssAnon"] + kinds["RssShmem"]
        return {"anonymous_bytes": anonymous, "mapped_bytes": kinds["RssFile"]}


def main() -> None:
    engine, corpus, index, core, spawned = sys.argv[1:]
    os.sched_setaffinity(0, {int(core)})
    out = answers()
    serve(Worker(engine, Path(corpus), Path(index), Marks(float(spawned))), out)


if __name__ == "__main__":
    main()
