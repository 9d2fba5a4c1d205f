"""PISA: dynamic pruning over compressed 8-bit impacts; exact over those.

Its Python package imports text tools that nothing here needs: the compiled module under it is
called. Weights are scaled so that the greatest is 255, those of queries likewise to 32: a term
of a query is repeated as often as it weighs.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from corpora import Corpus, Csr, Row

from searchers import Hits, Setting, as_hits, bare

GREATEST, GREATEST_ASKED = 255, 32
ENCODING, ALGORITHM, SCORER = "block_simdbp", "maxscore", "quantized"


class Pisa:
    api = "_pisathon.retrieve, maxscore: document ids and scores"
    numbers = "float32"

    @staticmethod
    def convert(corpus: Corpus) -> Corpus:
        return corpus

    @staticmethod
    def build(documents: Corpus, folder: Path) -> None:
        """Its inverted files by numpy, as its indexer of tokens writes them; then its own work:
        lexicons, and compression at the first use."""
        pisathon = _pisathon()
        _write(documents.documents, documents.dimension, folder)
        for name, lexicon in (("fwd.terms", "fwd.termlex"), ("fwd.documents", "fwd.doclex")):
            pisathon.build_binlex(str(folder / name), str(folder / lexicon))
        _context(pisathon, folder)

    @staticmethod
    def itemised(folder: Path) -> dict[str, int]:
        del folder
        return {}

    def __init__(self, folder: Path) -> None:
        self._pisathon = _pisathon()
        self._context = _context(self._pisathon, folder)

    def settings(self) -> list[Setting]:
        return [Setting("maxscore")]

    def prepare(self, queries: Sequence[Row]) -> list[Any]:
        greatest = max(float(row.weights.max()) for row in queries)
        scale = GREATEST_ASKED / greatest
        return [
            [(0, {f"{term:05d}": float(round(weight * scale)) for term, weight in pairs})]
            for row in queries
            if (pairs := list(zip(row.terms.tolist(), row.weights.tolist(), strict=True)))
        ]

    def use(self, setting: Setting) -> None:
        del setting

    def search(self, query: Any, k: int) -> Any:
        numbers, names = np.empty(k, np.int32), np.empty(k, object)
        ranks, scores = np.empty(k, np.int32), np.empty(k, np.float32)
        size = self._pisathon.retrieve(
            self._context, ALGORITHM, query, k=k, threads=1, query_weighted=1, pretokenised=True,
            result_qidxs=numbers, result_docnos=names, result_ranks=ranks, result_scores=scores,
        )  # fmt: skip
        return names[:size], scores[:size]

    def hits(self, found: Any) -> Hits:
        names, scores = found
        return as_hits([int(name) for name in names], scores)


def _context(pisathon: Any, folder: Path) -> Any:
    context = pisathon.RetrievalContext()
    pisathon.prepare_index(context, str(folder), ENCODING, SCORER, "", quantize=0, stop_fname="")
    return context


def _write(rows: Csr, dimension: int, folder: Path) -> None:
    """A list a term: its length, then its documents, then, in another file, its impacts; the
    first list of documents holds how many there are."""
    from scipy.sparse import csr_matrix

    impacts = np.rint(np.asarray(rows.weights) * (GREATEST / float(np.max(rows.weights))))
    impacts = np.maximum(impacts, 1).astype(np.float32)
    shape = (len(rows), dimension)
    by_term = csr_matrix((impacts, np.asarray(rows.terms), rows.starts), shape=shape).tocsc()
    used = np.flatnonzero(np.diff(by_term.indptr))
    (folder / "fwd.terms").write_text("".join(f"{term:05d}\n" for term in used))
    (folder / "fwd.documents").write_text("".join(f"{row}\n" for row in range(len(rows))))
    lengths = np.diff(np.concatenate([[0], np.cumsum(impacts, dtype=np.int64)])[rows.starts])
    np.concatenate([[len(rows)], lengths]).astype(np.uint32).tofile(folder / "inv.sizes")
    with (folder / "inv.docs").open("wb") as docs, (folder / "inv.freqs").open("wb") as freqs:
        np.array([1, len(rows)], np.uint32).tofile(docs)
        for term in used:
            places = slice(by_term.indptr[term], by_term.indptr[term + 1])
            for file, array in ((docs, by_term.indices), (freqs, by_term.data)):
                part = array[places].astype(np.uint32)
                np.concatenate([[len(part)], part]).astype(np.uint32).tofile(file)


def _pisathon() -> Any:
    """The compiled module alone.

    It wants the threads' library of another package, which lies in this environment's lib.
    """
    threads = Path(sys.prefix) / "lib" / "libtbb.so.2"
    if threads.exists():
        ctypes.CDLL(str(threads), mode=ctypes.RTLD_GLOBAL)
    return bare("pyterrier_pisa", "_pisathon")
