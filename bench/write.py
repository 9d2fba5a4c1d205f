"""What does an acknowledged write cost? Beside SQLite FTS5 and Qdrant Edge.

    python bench/write.py [--passes N] [--replacements N] [--folder DIR]

Every store lives in a process of its own and takes the same SPLADE-like documents (rows.py), in
batches of 1, 64 and 1,000 from 1 and 16 callers; passes are interleaved, and before the next
store's turn the child processes of the last one have ended. A write counts when it is
acknowledged, with the durability that the store's `about` tells. Then the collection alone takes
five million random replacements of ten thousand ids from 16 callers, while its memory and its
folder are sampled: both have to stay flat. Writes JSON, tables and a plot; exits 1 if a target is
missed.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from machine import target
from peers import ENGINES
from report import RESULTS, Verdict, conclude, surroundings, write
from usage import Sample, Watch, anonymous_bytes, watched
from worker import Worker, workers

# batch, callers, documents a pass: a pass takes some tenths of a second or more
CASES = (
    (1, 1, 500),
    (1, 16, 1_600),
    (64, 1, 12_800),
    (64, 16, 32_768),
    (1_000, 1, 20_000),
    (1_000, 16, 48_000),
)
REPLACED_IDS = 10_000
REPLACING = 16  # callers: memory that freed threads and groups leave behind would show
FEWEST = 200_000  # replacements below this end before memory could be flat


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--replacements", type=int, default=5_000_000)
    parser.add_argument("--folder", type=Path, help="where the stores lie (a temporary folder)")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    found: dict[str, Any] = {"machine": surroundings()}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        found |= compared(arguments.passes, Path(folder))
        found["replacements"] = replaced(max(arguments.replacements, FEWEST), Path(folder))
    write(arguments.results / "write.json", found)
    plot(found, arguments.results / "write.png")
    return conclude(verdicts(found["replacements"]))


def compared(passes: int, folder: Path) -> dict[str, Any]:
    """Every store on every case, passes interleaved; then what each still owes."""
    taken: dict[tuple[int, int, str], list[dict[str, float]]] = defaultdict(list)
    with workers(list(ENGINES), folder) as stores:
        empty = {name: anonymous_bytes(store.pid) for name, store in stores.items()}
        for worker in stores.values():  # the first calls load and compile
            one_pass(worker, 64, 1, 128)
        for each in range(passes):
            for batch, callers, documents in CASES:
                for name, store in rotated(stores, each):
                    taken[batch, callers, name].append(one_pass(store, batch, callers, documents))
        rows = [summary(*case, runs) for case, runs in taken.items()]
        show(rows)
        owed = {name: settled(store, empty[name]) for name, store in stores.items()}
    show_owed(owed)
    return {"passes": passes, "rows": rows, "stores": owed}


def rotated(stores: dict[str, Worker], turn: int) -> list[tuple[str, Worker]]:
    """Nobody is always the first one after a pause."""
    listed = list(stores.items())
    start = turn % len(listed)
    return listed[start:] + listed[:start]


def one_pass(store: Worker, batch: int, callers: int, documents: int) -> dict[str, float]:
    """Per document; bytes and processor time include what the children did afterwards."""
    store.call("prepare", batch=batch, documents=documents)
    before = anonymous_bytes(store.pid)
    with watched(store.pid) as watch:
        used = store.call("write", callers=callers)
        after = store.call("rest")
    taken = documents // batch * batch
    return {
        "documents_per_second": taken / used["wall_seconds"],
        "cpu_us": (used["cpu_seconds"] + after["cpu_seconds"]) / taken * 1e6,
        "written_bytes": (used["written_bytes"] + after["written_bytes"]) / taken,
        "background_seconds": after["wall_seconds"],
        "memory_growth_mb": (watch.peak_bytes - before) / 1e6,
    }


def summary(
    batch: int, callers: int, name: str, runs: list[dict[str, float]]
) -> dict[str, int | str | float]:
    medians = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    best = max(run["documents_per_second"] for run in runs)
    return {"batch": batch, "callers": callers, "store": name, **medians, "best_per_second": best}


def settled(store: Worker, empty: int) -> dict[str, Any]:
    """What was owed after the last write, what paying it cost, and the memory held then."""
    debt = store.call("debt")
    with watched(store.pid) as watch:
        cost = store.call("settle")
    before, after = watch.samples[0], watch.samples[-1]
    return {
        **store.about,
        "debt": debt,
        "settling": cost,
        "settling_peak_mb": (watch.peak_bytes - empty) / 1e6,
        "memory_before_mb": (before.anonymous_bytes - empty) / 1e6,
        "memory_mb": (after.anonymous_bytes - empty) / 1e6,
        "own_memory_mb": (after.own_bytes - empty) / 1e6,
        **store.call("totals"),
    }


def replaced(count: int, folder: Path) -> dict[str, Any]:
    """Random replacements through our collection: rate, and what the samples say of growth."""
    with workers(["spladed"], folder / "replacements") as stores:
        store = stores["spladed"]
        empty = anonymous_bytes(store.pid)
        with watched(store.pid, folder / "replacements") as watch:
            used = store.call("replace", count=count, ids=REPLACED_IDS, callers=REPLACING)
        return {
            "upserts": count,
            "ids": REPLACED_IDS,
            "callers": REPLACING,
            "per_second": count / used["wall_seconds"],
            "cpu_us": used["cpu_seconds"] / count * 1e6,
            "written_bytes": used["written_bytes"] / count,
            "quarters": [most(part, empty) for part in parts(watch, 4)],
            "series": [most(part, empty) for part in parts(watch, 400)],
        }


def parts(watch: Watch, count: int) -> list[list[Sample]]:
    """The samples in at most so many runs, of equal length but for the last."""
    size = math.ceil(len(watch.samples) / count)
    starts = range(0, len(watch.samples), size)
    return [watch.samples[start : start + size] for start in starts]


def most(part: list[Sample], empty: int) -> dict[str, float]:
    """Memory is what came on top of the process with an empty collection."""
    return {
        "seconds": part[-1].seconds,
        "anonymous_mb": (max(sample.anonymous_bytes for sample in part) - empty) / 1e6,
        "own_anonymous_mb": (max(sample.own_bytes for sample in part) - empty) / 1e6,
        "disk_mb": max(sample.disk_bytes for sample in part) / 1e6,
    }


def verdicts(found: dict[str, Any]) -> list[Verdict]:
    """The last quarter's most against the second one's: the first fills the collection."""
    _, second, _, last = found["quarters"]
    wanted = target("write", "replacement_growth")
    return [
        Verdict(f"{what}, last quarter over the second", last[key] / second[key], wanted, "times")
        for what, key in (
            ("memory with the children", "anonymous_mb"),
            ("memory of the process alone", "own_anonymous_mb"),
            ("disk", "disk_mb"),
        )
    ]


def show(rows: list[dict[str, Any]]) -> None:
    print(f"{'batch':>5}{'callers':>8}  {'store':<24}{'docs/s':>10}{'best':>10}", end="")
    print(f"{'CPU us':>9}{'bytes':>9}{'+MB':>7}   (medians; the rest a document)")
    for row in rows:
        print(
            f"{row['batch']:>5}{row['callers']:>8}  {row['store']:<24}"
            f"{row['documents_per_second']:>10,.0f}{row['best_per_second']:>10,.0f}"
            f"{row['cpu_us']:>9.0f}{row['written_bytes']:>9,.0f}{row['memory_growth_mb']:>7.0f}"
        )


def show_owed(owed: dict[str, dict[str, Any]]) -> None:
    print(f"\n{'store':<24}{'settling s':>11}{'CPU s':>7}{'MB':>7}{'memory MB':>11}", end="")
    print(f"{'bytes/doc in all':>18}{'disk bytes/doc':>16}  owed before")
    for name, each in owed.items():
        cost, documents = each["settling"], each["documents"]
        print(
            f"{name:<24}{cost['wall_seconds']:>11.2f}{cost['cpu_seconds']:>7.2f}"
            f"{cost['written_bytes'] / 1e6:>7.0f}{each['memory_mb']:>11.0f}"
            f"{each['written_bytes'] / documents:>18,.0f}{each['disk_bytes'] / documents:>16,.0f}"
            f"  {each['debt']}"
        )


def plot(found: dict[str, Any], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (rates, written, memory) = plt.subplots(1, 3, figsize=(15, 4), layout="constrained")
    for axes, key, label in (
        (rates, "documents_per_second", "documents/s acknowledged"),
        (written, "written_bytes", "bytes written a document"),
    ):
        for offset, name in enumerate(ENGINES):
            mine = [row for row in found["rows"] if row["store"] == name]
            at = [place + 0.2 * offset for place in range(len(mine))]
            axes.bar(at, [row[key] for row in mine], width=0.2, label=name)
        axes.set_yscale("log")
        labels = [f"{batch:,} x {callers}" for batch, callers, _ in CASES]
        axes.set_xticks([place + 0.3 for place in range(len(CASES))], labels, fontsize=8)
        axes.set_xlabel("batch x callers")
        axes.set_title(label)
    rates.legend(fontsize=8)
    points = found["replacements"]["series"]
    for key in ("anonymous_mb", "own_anonymous_mb", "disk_mb"):
        label = key.removesuffix("_mb").replace("_", " ")
        memory.plot([one["seconds"] for one in points], [one[key] for one in points], label=label)
    memory.set_ylim(bottom=0)
    memory.legend(fontsize=8)
    memory.set_xlabel("seconds")
    memory.set_title(f"MB during {found['replacements']['upserts']:,} replacements")
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    sys.exit(main())
