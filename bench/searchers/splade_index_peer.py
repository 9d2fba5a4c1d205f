"""splade-index: scores accumulated in float32 over a matrix by columns, by numba.

Its package imports torch and a text encoder, which nothing here needs: the index is filled with
the vectors, as its `index` would fill it, and the function that its `retrieve` calls is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from corpora import Corpus, Row

from searchers import Hits, Setting, as_hits, bare

NAMES = ("data", "indices", "indptr")


class SpladeIndex:
    api = "_retrieve_numba_functional: numbers of documents and scores"
    numbers = "float32"

    @staticmethod
    def convert(corpus: Corpus) -> Any:
        from scipy.sparse import csr_matrix

        rows = corpus.documents
        arrays = (np.asarray(rows.weights), np.asarray(rows.terms), rows.starts)
        return csr_matrix(arrays, shape=(len(rows), corpus.dimension))

    @staticmethod
    def build(documents: Any, folder: Path) -> None:
        """The arrays that it maps; its `save` packs the same with zip."""
        by_term = documents.tocsc()
        arrays = (by_term.data, by_term.indices.astype(np.int32), by_term.indptr.astype(np.int32))
        for name, array in zip(NAMES, arrays, strict=True):
            np.save(folder / f"{name}.npy", array)
        (folder / "num_docs").write_text(str(documents.shape[0]))

    @staticmethod
    def itemised(folder: Path) -> dict[str, int]:
        return {name: (folder / f"{name}.npy").stat().st_size for name in NAMES}

    def __init__(self, folder: Path) -> None:
        """In memory, as it loads unless told otherwise."""
        self._retrieve = bare("splade_index", "numba.retrieve_utils")._retrieve_numba_functional
        self._scores = {name: np.load(folder / f"{name}.npy") for name in NAMES}
        self._scores["num_docs"] = int((folder / "num_docs").read_text())

    def settings(self) -> list[Setting]:
        return [Setting("exact")]

    def prepare(self, queries: Sequence[Row]) -> list[Any]:
        return [([row.terms], [row.weights]) for row in queries]

    def use(self, setting: Setting) -> None:
        del setting

    def search(self, query: Any, k: int) -> Any:
        return self._retrieve(
            *query, self._scores, k=k, return_as="tuple", show_progress=False, n_threads=1,
            backend_selection="numba",
        )  # fmt: skip

    def hits(self, found: Any) -> Hits:
        documents, scores = found
        return as_hits(documents[0], scores[0])
