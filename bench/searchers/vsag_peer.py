"""vsag's SINDI: term at a time in windows, with SIMD; nothing pruned, so exact over float32."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from corpora import Corpus, Row
from pyvsag import Index  # pyright: ignore[reportMissingImports]

from searchers import Hits, Setting, as_hits

WINDOW = 60_000
NOTHING = {"query_prune_ratio": 0.0, "term_prune_ratio": 0.0}


class Sindi:
    api = "Index.knn_search: document ids and distances"
    numbers = "float32"

    @staticmethod
    def convert(corpus: Corpus) -> tuple[Any, ...]:
        rows = corpus.documents
        return (
            corpus.dimension,
            rows.starts.astype(np.uint32),
            np.asarray(rows.terms).astype(np.uint32),
            np.asarray(rows.weights),
            np.arange(len(rows), dtype=np.int64),
        )

    @staticmethod
    def build(documents: tuple[Any, ...], folder: Path) -> None:
        dimension, *arrays = documents
        (folder / "dimension").write_text(str(dimension))
        index = _index(dimension)
        index.build(*arrays)
        index.save(str(folder / "documents.sindi"))

    @staticmethod
    def itemised(folder: Path) -> dict[str, int]:
        del folder
        return {}

    def __init__(self, folder: Path) -> None:
        self._index = _index(int((folder / "dimension").read_text()))
        self._index.load(str(folder / "documents.sindi"))
        self._how: dict[int, str] = {}

    def settings(self) -> list[Setting]:
        return [Setting("nothing pruned")]

    def prepare(self, queries: Sequence[Row]) -> list[Any]:
        return [
            (
                np.array([0, len(row.terms)], np.uint32),
                row.terms.astype(np.uint32),
                np.asarray(row.weights),
            )
            for row in queries
        ]

    def use(self, setting: Setting) -> None:
        del setting
        self._how = {k: json.dumps({"sindi": {**NOTHING, "n_candidate": k}})
                     for k in (10, 100, 1_000)}  # fmt: skip

    def search(self, query: Any, k: int) -> Any:
        return self._index.knn_search(*query, k, self._how[k])

    def hits(self, found: Any) -> Hits:
        documents, distances = found
        return as_hits(np.ravel(documents), 1 - np.ravel(distances))


def _index(dimension: int) -> Index:
    parameters = {
        "dtype": "sparse",
        "metric_type": "ip",
        "dim": dimension,
        "index_param": {
            "doc_prune_ratio": 0.0,
            "window_size": WINDOW,
            "term_id_limit": dimension,
            "use_reorder": False,
        },
    }
    return Index("sindi", json.dumps(parameters))
