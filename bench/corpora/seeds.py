"""What a synthetic collection is grown from: seed vectors, a background of terms, a profile.

From real SPLADE vectors, if there is a folder of them: queries as Anserini writes them (gzip, a
line `id TAB term term ...`, each term as often as its weight says), which are seeds and queries,
and paragraphs encoded likewise, which are like documents. Else from the statistics in rows.py:
free of any licence, with terms that go together only by chance.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rows import PLUS_PLUS, V3, Rows, Statistics

from corpora import Csr

DIMENSION = 30_522
QUERIES = 1_000
FREE_QUERIES = 4_000
PROFILE = 64  # points of the sorted weights of a document
LEAST_TERMS = 4  # of a seed
FEW = frozenset({"pp", "pph"})
PASSAGE_SETS = ("msmarco-v2-passage.dev", "msmarco-v2-passage.dev2")
YEARS = ("dl19-passage", "dl20", "dl21", "dl22")
DOCUMENT_SETS = ("msmarco-v2-doc.dev", "msmarco-v2-doc.dev2")
POSTS = (
    *("biology", "earth-science", "economics", "psychology", "robotics", "stackoverflow"),
    "sustainable-living",
)
PROBLEMS = ("aops", "theoremqa-theorems", "pony", "leetcode")
Weights = dict[str, float]


@dataclass(frozen=True)
class Seeds:
    """seeds: a document starts from one; queries: what is asked, no seed is left out of them;
    background: float64 [DIMENSION], cumulated chances of a term that belongs to nothing;
    profile: float32 [PROFILE], a document's weights, falling; document_terms: how many, in the
    mean; source: where it all came from, in words."""

    seeds: Csr
    queries: Csr
    background: NDArray[np.float64]
    profile: NDArray[np.float32]
    document_terms: int
    source: str


def seeds_of(flavour: str, folder: Path | None) -> Seeds:
    """For "pp", "pph" or "v3"; from the real vectors in the folder, if there is one."""
    plus_plus = flavour in FEW
    if folder is None:
        return _free(PLUS_PLUS if plus_plus else V3)
    model, scale = ("splade-pp-ed", 1_000) if plus_plus else ("splade-v3", 100)
    others = (
        (*PASSAGE_SETS, *YEARS) if plus_plus else (*DOCUMENT_SETS, *YEARS, "dl23", "rag24.test")
    )
    main = _read(folder, "msmarco-passage.dev-subset", model, scale)
    more = [row for name in others for row in _read(folder, name, model, scale)]
    posts = [row for name in POSTS for row in _read(folder, f"bright-{name}", "splade-v3", 100)]
    rest = [row for name in PROBLEMS for row in _read(folder, f"bright-{name}", "splade-v3", 100)]
    long = _passages(folder) if plus_plus else posts
    return _real(main, more, posts + rest, long, PLUS_PLUS if plus_plus else V3)


def _real(
    main: list[Weights], more: list[Weights], posts: list[Weights], long: list[Weights],
    statistics: Statistics,
) -> Seeds:  # fmt: skip
    random = np.random.default_rng(7)
    names = sorted({term for row in (*main, *more, *posts) for term in row})[:DIMENSION]
    numbers = dict(zip(names, random.permutation(DIMENSION)[: len(names)].tolist(), strict=True))
    seeds = _csr([row for row in (*main, *more) if len(row) >= LEAST_TERMS], numbers)
    asked = _csr([row for row in main if row], numbers)
    return Seeds(
        seeds,
        _some(random, asked),
        _background(random, _frequencies(_csr(posts, numbers)), _frequencies(seeds)),
        _profile(long),
        statistics.document_terms,
        f"{len(seeds):,} real query vectors",
    )


def _free(statistics: Statistics) -> Seeds:
    rows = Rows(DIMENSION, statistics=statistics)
    batch = rows.topics()
    topics = Csr(batch.indptr, batch.indices, batch.values)
    asked = rows.queries(FREE_QUERIES)
    at = (np.arange(PROFILE) + 0.5) / PROFILE
    known = (np.arange(len(statistics.document_weights)) + 0.5) / len(statistics.document_weights)
    return Seeds(
        topics,
        _some(np.random.default_rng(7), Csr(asked.indptr, asked.indices, asked.values)),
        rows.background,
        np.interp(at, known, statistics.document_weights).astype(np.float32),
        statistics.document_terms,
        f"{len(topics):,} topics drawn from statistics",
    )


def _read(folder: Path, name: str, model: str, scale: int) -> list[Weights]:
    with gzip.open(folder / f"topics.{name}.{model}.tsv.gz", "rt", encoding="utf-8") as lines:
        parts = (line.rstrip("\n").split("\t") for line in lines)
        counted = [Counter(part[1].split()) for part in parts if len(part) > 1]
    return [{term: count / scale for term, count in row.items()} for row in counted]


def _passages(folder: Path) -> list[Weights]:
    with (folder / "seismic-toy" / "documents.jsonl").open(encoding="utf-8") as lines:
        return [vector for line in lines if (vector := json.loads(line)["vector"])]


def _csr(rows: Iterable[Weights], numbers: dict[str, int]) -> Csr:
    made = [sorted((numbers[term], each) for term, each in row.items() if term in numbers)
            for row in rows]  # fmt: skip
    starts = np.concatenate([[0], np.cumsum([len(row) for row in made])]).astype(np.int64)
    flat = np.array([pair for row in made for pair in row])
    return Csr(starts, flat[:, 0].astype(np.int32), flat[:, 1].astype(np.float32))


def _some(random: np.random.Generator, rows: Csr) -> Csr:
    """QUERIES of the rows, at random."""
    chosen = [rows.row(each) for each in random.permutation(len(rows))[:QUERIES].tolist()]
    starts = np.concatenate([[0], np.cumsum([len(row.terms) for row in chosen])])
    terms, weights = (np.concatenate(each) for each in zip(*chosen, strict=True))
    return Csr(starts.astype(np.int64), terms, weights)


def _frequencies(rows: Csr) -> NDArray[np.float64]:
    counted = np.bincount(rows.terms, minlength=DIMENSION)
    return counted / counted.sum()


def _background(
    random: np.random.Generator, documents: NDArray[np.float64], queries: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Half as in documents, a quarter as in queries, a quarter a flat tail over all terms."""
    tail = 1 / (np.arange(DIMENSION) + 200.0)
    tail = (tail / tail.sum())[random.permutation(DIMENSION)]
    return np.cumsum(0.5 * documents + 0.25 * queries + 0.25 * tail)


def _profile(rows: list[Weights]) -> NDArray[np.float32]:
    """The mean of the rows' weights, falling, each stretched to PROFILE points."""
    at = (np.arange(PROFILE) + 0.5) / PROFILE
    stretched = [
        np.interp(at, (np.arange(len(row)) + 0.5) / len(row), sorted(row.values(), reverse=True))
        for row in rows
    ]
    return np.mean(stretched, axis=0).astype(np.float32)
