"""The terms of one score, and their sum bit-equal to the one that search gives."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spladed.index.values import Contribution, Explanation
from spladed.sparse import SparseBatch

__all__ = ["explain"]


def explain(
    id: str,
    query: SparseBatch,
    terms: npt.NDArray[np.int32],
    weights: npt.NDArray[np.float32],
) -> Explanation:
    """Why the document with this stored row scores as it does for the query's one row."""
    shared, ours, theirs = np.intersect1d(
        query.indices, terms, assume_unique=True, return_indices=True
    )
    left, right = query.values[ours].astype(np.float64), weights[theirs].astype(np.float64)
    products = left * right
    columns = (shared.tolist(), left.tolist(), right.tolist(), products.tolist())
    contributions = [Contribution(*row) for row in zip(*columns, strict=True)]
    contributions.sort(key=lambda one: (-one.contribution, one.term))
    return Explanation(id, _sum_in_order(products), contributions)


def _sum_in_order(products: npt.NDArray[np.float64]) -> float:
    # cumsum adds one by one, in term order, as the kernel does; np.sum adds in pairs and
    # Python's sum compensates from 3.12 on, and both may differ in the last bit.
    return float(np.cumsum(products)[-1]) if len(products) else 0.0
