"""Seismic: lists cut to the heaviest documents, in blocks with summaries; approximate.

A query is cut to its heaviest terms (query_cut), and a block is left out where its summary
promises less than the k-th score over heap_factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from corpora import Corpus, Row
from seismic import SeismicDataset, SeismicIndex, get_seismic_string  # pyright: ignore[reportMissingImports]

from searchers import Hits, Setting, as_hits

CUTS = {10: (2, 3, 4, 6, 8, 12), 100: (4, 6, 8, 12, 16, 24), 1000: (12, 16, 24, 32, 48)}
FACTORS = (0.7, 0.8, 0.9, 1.0)


class Seismic:
    api = "SeismicIndex.search: (query id, score, document id) of each hit"
    numbers = "float32"

    @staticmethod
    def convert(corpus: Corpus) -> SeismicDataset:
        dataset, rows = SeismicDataset(), corpus.documents
        for start, part in rows.slices(65_536):
            names = [str(number) for number in range(start, start + len(part))]
            terms = part.terms.astype(np.int64)
            dataset.add_documents_by_id(names, terms, part.weights, part.starts)
        return dataset

    @staticmethod
    def build(documents: SeismicDataset, folder: Path) -> None:
        """With its defaults, but for the threads. Lists of 1,500 documents, not 3,500, reach no
        recall of 0.98 at k=1000 in the settings above, of a million documents."""
        index = SeismicIndex.build_from_dataset(documents, num_threads=1)
        index.save(str(folder / "documents"))

    @staticmethod
    def itemised(folder: Path) -> dict[str, int]:
        del folder
        return {}

    def __init__(self, folder: Path) -> None:
        self._index = SeismicIndex.load(str(folder / "documents.index.seismic"))
        self._how: tuple[int, float] = (0, 0.0)

    def settings(self) -> list[Setting]:
        return [
            Setting(
                f"cut {cut}, factor {factor:g}",
                "approximate",
                {"query_cut": cut, "heap_factor": factor},
                (k,),
            )
            for k, cuts in CUTS.items()
            for cut in cuts
            for factor in FACTORS
        ]

    def prepare(self, queries: Sequence[Row]) -> list[Any]:
        kind = get_seismic_string()
        return [(row.terms.astype(str).astype(kind), np.asarray(row.weights)) for row in queries]

    def use(self, setting: Setting) -> None:
        self._how = (setting.parameters["query_cut"], setting.parameters["heap_factor"])

    def search(self, query: Any, k: int) -> Any:
        return self._index.search("", *query, k, *self._how)

    def hits(self, found: Any) -> Hits:
        return as_hits([int(each[2]) for each in found], [each[1] for each in found])
