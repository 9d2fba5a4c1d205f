"""How long from the start of a process until it serves, and does the first query wait?

    python bench/start.py [--documents N] [--starts N] [--folder DIR]

`server` is `spladed serve` over a data folder with one collection, from its start until the port
file is there; then, over a connection that is open, the first search and the 200 after it. The
client asks by vectors in one process, by texts in another. `library` is a new interpreter that
imports the index and opens the collection; its first search, with nothing before it, meets pages
that were not mapped, and is reported without a target. `warm` starts find compiled kernels, each
`empty` start has a new, empty folder for them; the operating system has read the files before. Wall
time; processor time of the process and its children beside it, and how many cores others took
meanwhile. Writes JSON, a table and a plot; exits 1 if a target of targets.toml is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from machine import target
from report import RESULTS, Verdict, conclude, surroundings, write
from rows import Rows
from usage import Used

from spladed.bundle import BUILTIN, Bundle
from spladed.client.client import Client
from spladed.index import Collection, CollectionSettings
from spladed.sparse import SparseBatch

DIMENSION = 30_522
NEXT = 200
K = 10
SPLADED = str(Path(sys.executable).with_name("spladed"))
CACHE = "SPLADED_INDEX_KERNEL_CACHE"
TEXTS = ("how to train a dog", "foxes and hounds", "what is a cell", "who painted the ceiling")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--starts", type=int, default=5, help="warm ones; of empty ones a third")
    parser.add_argument("--folder", type=Path, help="where the collection lies (temporary)")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    found: dict[str, Any] = {"machine": surroundings(), "documents": arguments.documents}
    rows = Rows(DIMENSION)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        data = Path(name, "data")
        fill(data / "docs", rows, arguments.documents)
        found |= measured(data, rows.queries(NEXT + 1), arguments.starts)
    write(arguments.results / "start.json", found)
    show(found)
    plot(found, arguments.results / "start.png")
    return conclude(verdicts(found))


def fill(path: Path, rows: Rows, count: int) -> None:
    """One segment of generated rows, that say they are of the built-in model's space."""
    path.parent.mkdir()
    made_by, first = Bundle.open(BUILTIN).manifest, 0
    settings = CollectionSettings(DIMENSION, space_id=made_by.space_id, bundle=made_by.name)
    with Collection.create(path, settings) as collection:
        with collection.load() as load:
            for vectors in rows.documents(count):
                load.add(
                    [f"{number:08d}" for number in range(first, first + len(vectors))], vectors
                )
                first += len(vectors)
        collection.compact()


def measured(data: Path, queries: SparseBatch, starts: int) -> dict[str, Any]:
    found: dict[str, Any] = {"server": {}, "library": {}}
    with tempfile.TemporaryDirectory() as warm:
        served(data, warm, queries, "vectors")  # fills the cache, and reads every file
        read(data, warm)
        kinds = ["vectors", "texts"] * starts
        found["server"]["warm"] = [served(data, warm, queries, kind) for kind in kinds]
        found["library"]["warm"] = [read(data, warm) for _ in range(starts)]
    for room, measure in (("server", lambda cache: served(data, cache, queries, "vectors")),
                          ("library", lambda cache: read(data, cache))):  # fmt: skip
        found[room]["empty"] = [in_empty_cache(measure) for _ in range(max(1, starts // 3))]
    return found


def in_empty_cache(measure: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as cache:
        return measure(cache)


def served(data: Path, cache: str, queries: SparseBatch, kind: str) -> dict[str, Any]:
    """Seconds until ready; milliseconds of the first search and of those after it."""
    with server(data, cache) as (address, used), Client(address) as client:
        client.info()  # the connection is there
        taken = []
        for number in range(NEXT + 1):
            query = queries.slice(number, number + 1)
            started = time.perf_counter()
            if kind == "texts":
                client.search("docs", texts=[f"{TEXTS[number % len(TEXTS)]} {number}"], k=K)
            else:
                client.search("docs", vectors=query, k=K)
            taken.append((time.perf_counter() - started) * 1e3)
    return {"asked_by": kind, "ready": used} | queried(taken)


def queried(taken: list[float]) -> dict[str, float]:
    median = statistics.median(taken[1:])
    return {"first_ms": taken[0], "median_ms": median, "ratio": taken[0] / median}


@contextmanager
def server(data: Path, cache: str) -> Iterator[tuple[str, dict[str, float]]]:
    """Its address, and what was used from its start until it was ready."""
    with tempfile.TemporaryDirectory() as scratch:
        port = Path(scratch, "port")
        command = [
            SPLADED,
            "serve",
            "--listen=127.0.0.1:0",
            f"--data={data}",
            f"--port-file={port}",
        ]
        before = Used.now()
        process = subprocess.Popen(
            command, env=os.environ | {CACHE: cache}, stderr=subprocess.DEVNULL
        )
        try:
            while not port.exists():
                assert process.poll() is None, f"{command} ended with {process.returncode}"
                time.sleep(0.005)
            used = Used.now().since(before)
            yield f"127.0.0.1:{port.read_text().strip()}", used
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


LIBRARY = f"""
import json, sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
cpu, started = time.process_time(), time.perf_counter()
from spladed.index import Collection
with Collection.open(sys.argv[1], read_only=True) as collection:
    used = [time.perf_counter() - started, time.process_time() - cpu]
    from rows import Rows
    queries, taken = Rows({DIMENSION}).queries({NEXT + 1}), []
    for number in range({NEXT + 1}):
        query = queries.slice(number, number + 1)
        before = time.perf_counter()
        collection.search(query, {K})
        taken.append((time.perf_counter() - before) * 1e3)
print(json.dumps([used, taken]))
"""


def read(data: Path, cache: str) -> dict[str, Any]:
    """Of a new interpreter: ready is once the index is imported and the collection open."""
    before = Used.now()
    done = subprocess.run(
        [sys.executable, "-c", LIBRARY, str(data / "docs")],
        env=os.environ | {CACHE: cache}, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    others = Used.now().since(before)["others_cores"]
    (wall, cpu), taken = json.loads(done.stdout)
    used = {"wall_seconds": wall, "cpu_seconds": cpu, "others_cores": others}
    return {"asked_by": "vectors", "ready": used} | queried(taken)


def ready(found: dict[str, Any], room: str, cache: str) -> float:
    """Median seconds."""
    return statistics.median(each["ready"]["wall_seconds"] for each in found[room][cache])


def ratio(rows: list[dict[str, Any]]) -> float:
    return statistics.median(each["ratio"] for each in rows)


def asked_by(found: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [each for each in found["server"]["warm"] if each["asked_by"] == kind]


def verdicts(found: dict[str, Any]) -> list[Verdict]:
    seconds = {cache: target("start", f"{cache}_seconds") for cache in ("warm", "empty")}
    made = [
        Verdict(f"{room}, start to ready, {cache} cache", ready(found, room, cache), wanted, "s")
        for room in ("server", "library")
        for cache, wanted in seconds.items()
    ]
    most = target("start", "first_over_median")
    return made + [
        Verdict(f"server, first search over the median, {kind}", ratio(asked_by(found, kind)), most,
                "x")
        for kind in ("vectors", "texts")
    ]  # fmt: skip


def show(found: dict[str, Any]) -> None:
    print(f"{'room':<9}{'cache':<7}{'wall s':>8}{'CPU s':>8}{'others':>8}{'first ms':>10}"
          f"{'median ms':>11}  by")  # fmt: skip
    for room in ("server", "library"):
        for cache, rows in found[room].items():
            for row in rows:
                used = row["ready"]
                print(f"{room:<9}{cache:<7}{used['wall_seconds']:>8.2f}{used['cpu_seconds']:>8.2f}"
                      f"{used['others_cores']:>8.2f}{row['first_ms']:>10.2f}"
                      f"{row['median_ms']:>11.2f}  {row['asked_by']}")  # fmt: skip


def plot(found: dict[str, Any], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
    names = [(room, cache) for room in ("library", "server") for cache in ("empty", "warm")]
    left.barh([", ".join(name) for name in names], [ready(found, *name) for name in names])
    for cache in ("warm", "empty"):
        left.axvline(target("start", f"{cache}_seconds"), linestyle=":", color="black")
    left.set_xscale("log")
    left.set_xlabel("seconds from start to ready")
    firsts = {"library": found["library"]["warm"]}
    firsts |= {f"server, {kind}": asked_by(found, kind) for kind in ("texts", "vectors")}
    right.barh(list(firsts), [ratio(rows) for rows in firsts.values()])
    right.axvline(target("start", "first_over_median"), linestyle=":", color="black")
    right.set_xlabel("first search over the median of the next 200")
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    sys.exit(main())
