"""Impacts: what weights are worth in a score. Pure.

A score is the sum over shared terms, in rising order and in float64, of the query's impact
times the document's. Impacts are float32 numbers, so each product is exact.

    dot         w
    cosine      w / |row|      |row| = sqrt(sum of w^2), in float64, terms rising
    saturation  w ^ p          p > 0, one power a side

Stored weights stay raw; impacts are written into postings, and computed anew to explain.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spladed.index import grid
from spladed.index.kernels import build as kernels
from spladed.index.rows import Rows, Weights
from spladed.index.values import Scoring
from spladed.sparse import SparseBatch

__all__ = ["document_impacts", "has_plain_impacts", "query_impacts"]

_Floats = npt.NDArray[np.float32]


def has_plain_impacts(scoring: Scoring) -> bool:
    """Whether impacts are the stored weights themselves."""
    return scoring.formula == "dot"


def document_impacts(scoring: Scoring, rows: Rows) -> Weights:
    """The impact of each stored weight [nnz]: as stored for dot, else float32."""
    if has_plain_impacts(scoring):
        return rows.weights
    return _impacts(scoring, rows.indptr, grid.numbers(rows.weights), scoring.document_power)


def query_impacts(scoring: Scoring, queries: SparseBatch) -> _Floats:
    """The impact of each weight of these queries [nnz]."""
    if has_plain_impacts(scoring):
        return queries.values
    weights = np.ascontiguousarray(queries.values)
    return _impacts(scoring, queries.indptr, weights, scoring.query_power)


def _impacts(
    scoring: Scoring, indptr: npt.NDArray[np.int64], weights: _Floats, power: float
) -> _Floats:
    if scoring.formula == "saturation":
        return kernels.powers(weights, power)
    norms = np.sqrt(kernels.squares(indptr, weights))
    return (weights / np.repeat(norms, np.diff(indptr))).astype(np.float32)
