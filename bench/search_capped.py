"""Our search in little memory: as much as splade-index's index has bytes, all counted.

The process joins a control group whose limit that is. Pages of mapped files count there for the
group that reads them first, so the files are dropped from the page cache before. Compared is the
best pass's mean wall time, of all queries: what has to be read again in every pass stays in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from search_cache import built
from search_measure import DEPTHS, Bench
from search_process import Failed

GROUPS = Path("/sys/fs/cgroup")
PASSES = 3
QUERIES = 100  # at most: where every query reads the disk, one takes a second


def capped(bench: Bench, found: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds a query at each k, without a limit and with it; or why there is no figure."""
    peer, ours = (found["engines"][name] for name in ("splade-index", "spladed"))
    if "failed" in peer or "failed" in ours:
        return {"failed": "it needs splade-index's index, and ours"}
    limit = peer["build"]["bytes"]
    interpreter = ours["memory"]["anonymous_bytes"]
    if 2 * interpreter > limit:
        return {"failed": f"of {limit:,} bytes the interpreter and its code take {interpreter:,}"}
    free = means(bench, None)
    try:
        with group(limit) as folder:
            held = means(bench, folder)
    except OSError as error:
        return {"failed": f"no control group: {error}"}
    except Failed as error:
        return {"failed": f"with {limit:,} bytes: {error}"}
    return {"limit_bytes": limit, "free_ms": free, "capped_ms": held}


@contextmanager
def group(limit: int) -> Iterator[Path]:
    """A control group of this many bytes; OSError where this process may make none."""
    unified = (GROUPS / "cgroup.controllers").exists()
    folder = (GROUPS if unified else GROUPS / "memory") / f"spladed-bench-{os.getpid()}"
    folder.mkdir()
    try:
        name = "memory.max" if unified else "memory.limit_in_bytes"
        (folder / name).write_text(str(limit))
        yield folder
    finally:
        folder.rmdir()


def means(bench: Bench, folder: Path | None) -> dict[str, float]:
    """In a new process, in this group, which finds no file of the index in the page cache."""
    index, _ = built("spladed", bench.folder, peers=bench.peers, core=bench.core)
    for path in (each for each in index.rglob("*") if each.is_file()):
        forget(path)

    def join() -> None:
        if folder is not None:
            (folder / "cgroup.procs").write_text(str(os.getpid()))

    process = bench.process("spladed", index, before=join)
    try:
        setting = process.call("open", count=min(bench.queries, QUERIES))["settings"][0]
        best = {}
        for k in DEPTHS:
            passes = [process.time(setting, k)[0] for _ in range(PASSES)]
            best[str(k)] = min(sum(wall) / len(wall) for wall in passes) / 1e6
        return best
    finally:
        process.close()


def forget(path: Path) -> None:
    """From the page cache, what is clean of it and mapped by nobody."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
