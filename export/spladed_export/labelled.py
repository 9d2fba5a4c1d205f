"""Does a graph still rank? nDCG@10 and overlap over the labelled pages, by brute force."""

from __future__ import annotations

import numpy as np

from spladed.sparse import SparseBatch

__all__ = ["mean_overlap", "ndcg_at_10", "scores"]

_CHUNK = 64  # dense rows at a time: 64 x 250,000 floats are 64 MB


def scores(queries: SparseBatch, documents: SparseBatch) -> np.ndarray:
    """Dot products, float64 [queries, documents]."""
    result = np.empty((len(queries), len(documents)))
    for start in range(0, len(documents), _CHUNK):
        part = documents.slice(start, min(start + _CHUNK, len(documents)))
        dense = np.zeros((len(part), part.dimension), np.float32)
        rows = np.repeat(np.arange(len(part)), np.diff(part.indptr))
        dense[rows, part.indices] = part.values
        for number, (indices, values) in enumerate(queries.rows()):
            result[number, start : start + len(part)] = dense[:, indices] @ values
    return result


def ndcg_at_10(queries: SparseBatch, documents: SparseBatch) -> float:
    """Mean nDCG@10 where query i has one relevant document, document i.

    Then the ideal is 1 and the gain of rank r is 1 / log2(1 + r). Ties rank against it.
    """
    found = scores(queries, documents)
    own = np.diagonal(found)[:, None]
    rank = (found >= own).sum(axis=1)
    return float(np.where((rank <= 10) & (own[:, 0] > 0), 1 / np.log2(1 + rank), 0).mean())


def mean_overlap(left: SparseBatch, right: SparseBatch, top: int) -> float:
    """Of each row's `top` heaviest terms in `left`, the share that is among `right`'s.

    A row with fewer terms is compared over as many as it has; empty rows are left out.
    """
    shares = [
        len(heaviest & _heaviest(*other, len(heaviest))) / len(heaviest)
        for heaviest, other in (
            (_heaviest(*row, top), other)
            for row, other in zip(left.rows(), right.rows(), strict=True)
        )
        if heaviest
    ]
    return float(np.mean(shares)) if shares else 0.0


def _heaviest(indices: np.ndarray, values: np.ndarray, top: int) -> set[int]:
    order = np.argsort(-values, kind="stable")[:top]
    return set(indices[order].tolist())
