"""The terms of one score, and their sum bit-equal to the one that search gives."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spladed.index import grid, scoring
from spladed.index.rows import Rows
from spladed.index.values import Contribution, Explanation, Scoring
from spladed.sparse import SparseBatch

__all__ = ["explain"]


def explain(id: str, query: SparseBatch, row: Rows, how: Scoring) -> Explanation:
    """Why the document with this one stored row scores as it does for the query's one row."""
    shared, ours, theirs = np.intersect1d(
        query.indices, row.indices, assume_unique=True, return_indices=True
    )
    impacts = scoring.document_impacts(how, row)
    document = impacts if impacts.dtype == np.float32 else grid.numbers(impacts)
    products = (
        scoring.query_impacts(how, query)[ours].astype(np.float64)
        * document[theirs].astype(np.float64)
    )  # fmt: skip
    columns = (
        shared.tolist(),
        query.values[ours].tolist(),
        grid.numbers(row.weights)[theirs].tolist(),
        products.tolist(),
    )
    contributions = [Contribution(*each) for each in zip(*columns, strict=True)]
    contributions.sort(key=lambda one: (-one.contribution, one.term))
    return Explanation(id, _sum_in_order(products), contributions)


def _sum_in_order(products: npt.NDArray[np.float64]) -> float:
    # cumsum adds one by one, in term order, as the kernel does; np.sum adds in pairs and
    # Python's sum compensates from 3.12 on, and both may differ in the last bit.
    return float(np.cumsum(products)[-1]) if len(products) else 0.0
