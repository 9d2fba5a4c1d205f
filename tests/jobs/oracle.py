"""The trivial evaluation: dense rows, a full sort, ir_measures; none of the room's arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ir_measures
import numpy as np
from ir_measures import RR, R, nDCG

from spladed.encoder.encoder import Encoder
from spladed.jobs.dataset import Dataset
from spladed.sparse import SparseBatch

GRID = 4096.0  # steps of a collection's default weights


def dense(encoder: Encoder, texts: Sequence[str], kind: str) -> np.ndarray:
    """float32 [texts, V], each text encoded alone; a blank text is a row of zeros."""
    rows = np.zeros((len(texts), encoder.bundle.manifest.model.vocabulary_size), np.float32)
    for row, text in zip(rows, texts, strict=True):
        if text.strip():
            indices, values = encoder.encode([text], kind=kind).row(0)  # type: ignore[arg-type]
            row[indices] = values
    return rows


def evaluation(
    encoder: Encoder,
    documents: Mapping[str, str],
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
) -> dict[str, float]:
    """Means of the three measures over judged queries, by brute force."""
    ids = list(documents)
    stored = np.rint(dense(encoder, list(documents.values()), "document") * GRID) / GRID
    run = {}
    for id, text in queries.items():
        weights = dense(encoder, [text], "query")[0]
        terms = np.flatnonzero(weights)
        scores = stored[:, terms].astype(np.float64) @ weights[terms].astype(np.float64)
        run[id] = best(ids, scores)
    return means(qrels, run)


def evaluation_of_rows(
    data: Dataset, documents: SparseBatch, queries: SparseBatch
) -> dict[str, float]:
    """The same of rows that are given, with one dense column a query."""
    ids = [text.id for text in data.documents]
    stored = np.rint(documents.values * GRID) / GRID
    owner = np.repeat(np.arange(len(documents)), np.diff(documents.indptr))
    run = {}
    for query, (indices, values) in zip(data.queries, queries.rows(), strict=True):
        weights = np.zeros(documents.dimension)
        weights[indices] = values
        products = stored * weights[documents.indices]
        run[query.id] = best(ids, np.bincount(owner, products, len(documents)))
    return means(data.qrels, run)


def best(ids: Sequence[str], scores: np.ndarray) -> dict[str, float]:
    """The hundred highest above 0."""
    order = np.argsort(-scores, kind="stable")[:100]
    return {ids[each]: float(scores[each]) for each in order if scores[each] > 0}


def means(
    qrels: Mapping[str, Mapping[str, int]], run: Mapping[str, Mapping[str, float]]
) -> dict[str, float]:
    """ir_measures' own means."""
    measured = ir_measures.calc_aggregate([nDCG @ 10, RR @ 10, R @ 100], qrels, run)
    return {str(name): value for name, value in measured.items()}
