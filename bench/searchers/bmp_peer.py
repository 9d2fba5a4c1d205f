"""BMP: block-max pruning over 8-bit impacts, blocks of 16 documents; exact over those.

Documents' weights are scaled so that the greatest is 255; it takes weights of queries as they
are, and rounds them to steps of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bmp import Indexer, Searcher  # pyright: ignore[reportMissingImports]
from corpora import Corpus, Row

from searchers import Hits, Setting, as_hits

GREATEST = 255
BLOCK = 16


class Bmp:
    api = "Searcher.search: document ids and scores"
    numbers = "float32"

    @staticmethod
    def convert(corpus: Corpus) -> Corpus:
        return corpus

    @staticmethod
    def build(documents: Corpus, folder: Path) -> None:
        """It takes a dictionary a document: making those is part of it."""
        indexer = Indexer(str(folder / "documents.bmp"), bsize=BLOCK, compress_range=False)
        scale = GREATEST / float(np.max(documents.documents.weights))
        names = [str(term) for term in range(documents.dimension)]
        for start, part in documents.documents.slices(65_536):
            impacts = np.rint(part.weights * scale).astype(np.int64)
            for number in range(len(part)):
                places = slice(part.starts[number], part.starts[number + 1])
                terms, weights = part.terms[places].tolist(), impacts[places].tolist()
                pairs = zip(terms, weights, strict=True)
                row = {names[term]: weight for term, weight in pairs if weight}
                indexer.add_document(str(start + number), row)
        indexer.finish()

    @staticmethod
    def itemised(folder: Path) -> dict[str, int]:
        del folder
        return {}

    def __init__(self, folder: Path) -> None:
        self._searcher = Searcher(str(folder / "documents.bmp"))

    def settings(self) -> list[Setting]:
        return [Setting("alpha 1, beta 1")]

    def prepare(self, queries: Sequence[Row]) -> list[dict[str, float]]:
        return [
            dict(zip(map(str, row.terms.tolist()), row.weights.tolist(), strict=True))
            for row in queries
        ]

    def use(self, setting: Setting) -> None:
        del setting

    def search(self, query: dict[str, float], k: int) -> Any:
        return self._searcher.search(query, k, 1.0, 1.0)

    def hits(self, found: Any) -> Hits:
        names, scores = found
        return as_hits([int(name) for name in names], scores)
