"""What does int8 cost in ranking? nDCG@10 and R@100 of the fp32 and the int8 bundle.

    python bench/quality.py DATA [--sets squad-dev,scifact] [--results DIR]

DATA holds one folder a set: corpus.jsonl and queries.jsonl ({"id", "text"}, perhaps .zst)
and qrels.tsv (query, document, grade). Every query is used. Both bundles are exported here
from models/spladed-tiny-en, so that the figures are this commit's. Writes JSON and a table;
exits 1 where int8 loses more than 0.5 % of fp32's nDCG@10.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import scipy.sparse
from machine import machine, target

from spladed.encoder.encoder import Encoder
from spladed.manifest import Kind
from spladed.sparse import SparseBatch
from spladed_export.export import export

MODEL = Path(__file__).parents[1] / "models" / "spladed-tiny-en"
LARGEST_LOSS = target("quality", "largest_loss")  # of fp32's nDCG@10
CHUNK = 512  # texts of one call, and queries of one product
DEPTH = 100


def lines(path: Path) -> Iterator[str]:
    packed = path.with_name(path.name + ".zst")
    if path.is_file():
        yield from path.open(encoding="utf-8")
        return
    import zstandard

    with packed.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        yield from io.TextIOWrapper(stream, encoding="utf-8")


def texts(path: Path) -> dict[str, str]:
    rows = (json.loads(line) for line in lines(path))
    return {row["id"]: row["text"] for row in rows if row["text"].strip()}


def judgements(path: Path) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for line in lines(path):
        query, document, grade = line.split()
        found.setdefault(query, {})[document] = int(grade)
    return found


def matrix(encoder: Encoder, batch: list[str], kind: Kind) -> scipy.sparse.csr_matrix:
    parts = [
        encoder.encode(batch[start : start + CHUNK], kind=kind)
        for start in range(0, len(batch), CHUNK)
    ]
    rows = SparseBatch.concatenate(encoder.dimension, parts)
    shape = (len(rows), rows.dimension)
    return scipy.sparse.csr_matrix((rows.values, rows.indices, rows.indptr), shape=shape)


def top(queries: scipy.sparse.csr_matrix, documents: scipy.sparse.csr_matrix) -> np.ndarray:
    """Row numbers of the best documents [queries, DEPTH]: score falling, then number rising."""
    turned = documents.T.tocsc()
    best = []
    for start in range(0, queries.shape[0], CHUNK):
        scores = (queries[start : start + CHUNK] @ turned).toarray()
        best.append(np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH])
    return np.concatenate(best)


def measures(ranked: list[list[str]], wanted: list[dict[str, int]]) -> tuple[float, float]:
    """Mean nDCG@10 (gain = grade, discount log2(1 + rank), as trec_eval has it) and R@100."""
    discount = 1 / np.log2(np.arange(2, 12))
    ndcg, recall = [], []
    for found, grades in zip(ranked, wanted, strict=True):
        gains = np.array([grades.get(document, 0) for document in found[:10]], float)
        ideal = np.sort(list(grades.values()))[::-1][:10]
        ndcg.append(gains @ discount[: len(gains)] / (ideal @ discount[: len(ideal)]))
        relevant = {document for document, grade in grades.items() if grade > 0}
        recall.append(len(relevant & set(found)) / len(relevant))
    return float(np.mean(ndcg)), float(np.mean(recall))


def evaluate(encoder: Encoder, folder: Path) -> dict[str, float]:
    corpus, asked = texts(folder / "corpus.jsonl"), texts(folder / "queries.jsonl")
    grades = judgements(folder / "qrels.tsv")
    numbers = [query for query in asked if query in grades]
    start = time.process_time()
    documents = matrix(encoder, list(corpus.values()), "document")
    queries = matrix(encoder, [asked[number] for number in numbers], "query")
    seconds = time.process_time() - start
    names = list(corpus)
    ranked = [[names[each] for each in row] for row in top(queries, documents)]
    ndcg, recall = measures(ranked, [grades[number] for number in numbers])
    return {
        "queries": len(numbers),
        "documents": len(corpus),
        "ndcg_at_10": round(ndcg, 4),
        "recall_at_100": round(recall, 4),
        "terms_a_document": round(documents.nnz / documents.shape[0], 1),
        "terms_a_query": round(queries.nnz / queries.shape[0], 1),
        "encoding_cpu_seconds": round(seconds, 1),
    }


def compare(data: Path, sets: list[str], results: Path) -> int:
    figures: dict[str, dict[str, dict[str, float]]] = {name: {} for name in sets}
    with tempfile.TemporaryDirectory() as folder:
        for precision in ("fp32", "int8"):
            bundle = export(MODEL, Path(folder) / precision, precision=precision)
            encoder = Encoder.load(bundle)
            for name in sets:
                figures[name][precision] = evaluate(encoder, data / name)
                print(name, precision, figures[name][precision], flush=True)
    results.mkdir(parents=True, exist_ok=True)
    content = {"model": MODEL.name, "sets": figures, "machine": machine()}
    (results / "quality.json").write_text(json.dumps(content, indent=1) + "\n")
    print("target                | fp32   | int8   | lost    | wanted  | ok")
    passed = [row(name, figures[name]) for name in sets]
    return 0 if all(passed) else 1


def row(name: str, figures: dict[str, dict[str, float]]) -> bool:
    exact, lowered = figures["fp32"]["ndcg_at_10"], figures["int8"]["ndcg_at_10"]
    lost = (exact - lowered) / exact
    ok = lost <= LARGEST_LOSS
    print(
        f"nDCG@10 {name:13} | {exact:.4f} | {lowered:.4f} | {lost:7.2%} | "
        f"<= {LARGEST_LOSS:.1%} | {'yes' if ok else 'NO'}"
    )
    return ok


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", default="squad-dev,scifact")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    return compare(arguments.data, arguments.sets.split(","), arguments.results)


if __name__ == "__main__":
    sys.exit(main())
