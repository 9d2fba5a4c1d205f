"""What the checkpoints are worth, beside BM25: `python bench/model_card.py DATA`.

DATA holds a folder a dataset (corpus.jsonl, queries.jsonl, qrels.tsv). Measures the built-in
int8 bundle; with --checkpoints also the fp32 and int8 bundles of both checkpoints, exported
by the `spladed` command that --exporter names (torch lives in another environment).

Writes bench/results/model_card.json row by row, so that a run that was cut goes on with
--resume, then the plot beside it and the table in models/spladed-tiny-en/README.md, both
from that file alone. Needs spladed[server,jobs,bench].
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine
from model_card_page import (
    BUILTIN,
    CARD,
    CHECKPOINTS,
    LARGE,
    PRECISIONS,
    ROOT,
    SMALL,
    draw,
    write_card,
)

from spladed import Encoder
from spladed.jobs.bm25 import bm25
from spladed.jobs.dataset import Dataset
from spladed.jobs.evaluate import System, rate
from spladed.jobs.paired import compare
from spladed.jobs.splade import Side, encode, search
from spladed.sparse import SparseBatch

RESULTS = ROOT / "bench" / "results"
TOP_TERMS = (32, 64, 96, 128, 192)
PACKAGES = (
    "spladed", "onnxruntime", "tokenizers", "numpy", "ir-measures", "pytrec-eval-terrier",
    "bm25s", "PyStemmer",
)  # fmt: skip


def main() -> None:
    options = parsed()
    path = RESULTS / "model_card.json"
    if not options.draw:
        fill(path, options)
    results = json.loads(path.read_text())
    draw(results, path.with_suffix(".png"))
    write_card(results, CARD)


def fill(path: Path, options: argparse.Namespace) -> None:
    """Measures, and writes the file anew after each row."""
    results = json.loads(path.read_text()) if options.resume and path.is_file() else {"rows": []}
    results["machine"], results["versions"] = machine() | {"date": now()}, versions()
    for (name, precision), encoder in bundles_of(options):
        drop_stale(results["rows"], name, precision, encoder)
        for folder in (options.data / each for each in sets_of(options, precision)):
            if is_measured(results, folder.name, encoder):
                continue
            for row in measured(folder, name, precision, encoder):
                replace_row(results["rows"], row)
            path.write_text(json.dumps(results, indent=1) + "\n")
            print(f"{folder.name} {name} {precision}: {row['measures']}", flush=True)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder of datasets", nargs="?")
    parser.add_argument("--checkpoints", type=Path, help="folder of the two checkpoints")
    parser.add_argument("--exporter", default=str(Path(sys.executable).with_name("spladed")))
    parser.add_argument("--bundles", type=Path, default=ROOT / "build" / "bundles")
    parser.add_argument("--large", action="store_true", help="the two large sets too, int8")
    parser.add_argument("--sets", nargs="*", help="only these sets")
    parser.add_argument("--resume", action="store_true", help="keep rows that are there")
    parser.add_argument("--draw", action="store_true", help="measure nothing, write the card")
    options = parser.parse_args()
    if not options.draw and not options.data:
        parser.error("give DATA, or --draw")
    return options


def sets_of(options: argparse.Namespace, precision: str) -> tuple[str, ...]:
    large = LARGE if precision == "int8" else ()
    return tuple(
        each
        for each in (*SMALL, *large)
        if (each in options.sets if options.sets else options.large or each in SMALL)
    )


def bundles_of(options: argparse.Namespace) -> Iterator[tuple[tuple[str, str], Encoder]]:
    """The built-in bundle, and what --checkpoints adds, exported unless --bundles has it.

    int8 first: it is the faster one, and what a run that is cut should have measured.
    """
    yield BUILTIN, Encoder.load("builtin")
    for precision, name in product(PRECISIONS, CHECKPOINTS if options.checkpoints else ()):
        if (name, precision) == BUILTIN:
            continue
        out = options.bundles / f"{name}-{precision}"
        if not out.is_dir():
            out.parent.mkdir(parents=True, exist_ok=True)
            source = str(options.checkpoints / name)
            command = [options.exporter, "export", source, str(out), "--precision", precision]
            subprocess.run(command, check=True)
        yield (name, precision), Encoder.load(out)


def measured(folder: Path, name: str, precision: str, encoder: Encoder) -> Iterator[dict[str, Any]]:
    """A row of results for BM25, then one for the bundle."""
    dataset = Dataset.open(folder)
    bar = rate(dataset, bm25(dataset))
    yield row_of(dataset, "BM25", "", bar) | {"bundle_id": ""}
    documents = encode(encoder, dataset.documents, "document")
    queries = encode(encoder, dataset.queries, "query")
    system, seconds = ranked(dataset, documents.rows, queries.rows)
    pruned = dataset.name in SMALL and (name, precision) == BUILTIN
    yield row_of(dataset, name, precision, system) | {
        "bundle_id": encoder.bundle.manifest.bundle_id,
        "documents": sized(documents.side),
        "queries": sized(queries.side),
        "search_seconds": seconds,
        "against_bm25": against(system, bar),
        "pruned": list(curve(dataset, documents.rows, queries.rows)) if pruned else [],
    }


def row_of(dataset: Dataset, name: str, precision: str, system: System) -> dict[str, Any]:
    counts = {"documents": len(dataset.documents), "queries": len(dataset.queries)}
    return {
        "dataset": dataset.name, "counts": counts, "bundle": name, "precision": precision,
        "measures": dict(system.means), "commit": machine()["commit"], "date": now(),
    }  # fmt: skip


def ranked(dataset: Dataset, rows: SparseBatch, queries: SparseBatch) -> tuple[System, float]:
    run, seconds = search((dataset.documents, rows), (dataset.queries, queries))
    return rate(dataset, run), seconds


def against(system: System, bar: System) -> dict[str, Any]:
    """The paired test of nDCG@10 over the queries."""
    ours = [values["nDCG@10"] for values in system.per_query.values()]
    return asdict(compare(ours, [values["nDCG@10"] for values in bar.per_query.values()]))


def curve(dataset: Dataset, rows: SparseBatch, queries: SparseBatch) -> Iterator[dict[str, Any]]:
    """nDCG@10 with the heaviest terms of each document alone; queries stay whole."""
    for top in TOP_TERMS:
        kept = heaviest(rows, top)
        system, _ = ranked(dataset, kept, queries)
        yield {"top": top, "terms": kept.nnz / len(kept), "nDCG@10": system.means["nDCG@10"]}


def heaviest(rows: SparseBatch, top: int) -> SparseBatch:
    """The `top` heaviest weights of each row, ties by term."""
    pruned = []
    for indices, values in rows.rows():
        kept = np.sort(np.argsort(-values, kind="stable")[:top])
        pruned.append((indices[kept], values[kept]))
    return SparseBatch.from_rows(rows.dimension, pruned)


def sized(side: Side) -> dict[str, Any]:
    return asdict(side) | {"tokens_per_second": side.tokens_per_second}


def is_measured(results: dict[str, Any], dataset: str, encoder: Encoder) -> bool:
    found = {(row["dataset"], row["bundle_id"]) for row in results["rows"]}
    return (dataset, encoder.bundle.manifest.bundle_id) in found


def drop_stale(rows: list[dict[str, Any]], name: str, precision: str, encoder: Encoder) -> None:
    """A table never mixes two exports of one checkpoint: rows of an earlier one go."""
    current = encoder.bundle.manifest.bundle_id
    rows[:] = [
        row
        for row in rows
        if (row["bundle"], row["precision"]) != (name, precision) or row["bundle_id"] == current
    ]


def replace_row(rows: list[dict[str, Any]], row: dict[str, Any]) -> None:
    key = ("dataset", "bundle", "precision")
    rows[:] = [each for each in rows if any(each[name] != row[name] for name in key)]
    rows.append(row)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in PACKAGES}


if __name__ == "__main__":
    main()
