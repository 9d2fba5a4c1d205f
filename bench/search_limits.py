"""What one core of this machine reads, and what a query has to: the floor under its time."""

from __future__ import annotations

import time
from typing import Any

import numba
import numpy as np
from corpora import Corpus
from numpy.typing import NDArray

READ_BYTES = 512 << 20
PASSES = 5
POSTING_BYTES = 4  # of ours: a document of the window, u2, and an impact, u2
SUPERBLOCK = 64  # documents under one bound of ours, a byte


def limits(corpus: Corpus, queries: int) -> dict[str, Any]:
    """Bytes a second that one core reads from memory; postings and bytes a query, in the mean,
    that term at a time reads; the milliseconds which those bytes take at that rate; and the most
    bytes of bounds that pruning reads before it visits a document."""
    frequencies = np.bincount(np.asarray(corpus.documents.terms), minlength=corpus.dimension)
    asked = corpus.queries.slice(0, queries)
    postings = float(frequencies[asked.terms].sum()) / queries
    rate = bandwidth()
    return {
        "read_bytes_per_second": rate,
        "terms_per_query": len(asked.terms) / queries,
        "postings_per_query": postings,
        "postings_per_query_and_document": postings / len(corpus.documents),
        "posting_bytes_per_query": postings * POSTING_BYTES,
        "posting_bytes_ms": postings * POSTING_BYTES / rate * 1e3,
        "bound_bytes_per_query": len(asked.terms) / queries * len(corpus.documents) / SUPERBLOCK,
    }


def bandwidth() -> float:
    numbers = np.ones(READ_BYTES // 8, np.int64)
    _sum(numbers[:8])
    best = float("inf")
    for _ in range(PASSES):
        before = time.perf_counter()
        _sum(numbers)
        best = min(best, time.perf_counter() - before)
    return READ_BYTES / best


@numba.njit(cache=True)
def _sum(numbers: NDArray[np.int64]) -> int:
    total = 0
    for number in numbers:
        total += number
    return total
