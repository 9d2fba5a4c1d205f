"""Rows that are written down by hand."""

import numpy as np
from corpora import Csr


def csr(rows: list[dict[int, float]]) -> Csr:
    starts = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    terms = np.array([term for row in rows for term in row], np.int32)
    return Csr(starts, terms, np.array([each for row in rows for each in row.values()], np.float32))
