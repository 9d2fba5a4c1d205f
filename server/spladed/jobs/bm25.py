"""BM25 with an English stemmer: the bar. The only importer of bm25s and Stemmer.

method "lucene" (the accurate idf that never falls below 0, as Lucene has it), k1 = 1.2,
b = 0.75 (Lucene's defaults), the Snowball English stemmer, no stop words: Kamphuis et al.,
"Which BM25 do you mean?" (ECIR 2020) finds the variants within noise of each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import bm25s
import numpy as np
import Stemmer

from spladed.jobs.dataset import Dataset
from spladed.jobs.read import Text
from spladed.jobs.run import DEPTH, Run

__all__ = ["bm25"]


def bm25(dataset: Dataset, depth: int = DEPTH) -> Run:
    """The `depth` best documents of each query, none that scores 0."""
    stemmer = Stemmer.Stemmer("english")
    corpus = _words(dataset.documents, stemmer)
    if not corpus.vocab:  # bm25s cannot index a corpus of no words
        return {query.id: {} for query in dataset.queries}
    index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    index.index(corpus, show_progress=False)
    found, scores = index.retrieve(
        _words(dataset.queries, stemmer),
        k=min(depth, len(dataset.documents)),
        show_progress=False,
    )
    return {
        query.id: _hits(dataset.documents, *row)
        for query, *row in zip(dataset.queries, found, scores, strict=True)
    }


def _words(texts: Sequence[Text], stemmer: Stemmer.Stemmer) -> bm25s.tokenization.Tokenized:
    tokenized = bm25s.tokenize(
        [text.text for text in texts], stopwords=[], stemmer=stemmer, show_progress=False
    )
    assert isinstance(tokenized, bm25s.tokenization.Tokenized)  # as return_ids is left True
    return tokenized


def _hits(documents: Sequence[Text], numbers: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    return {
        documents[number].id: float(score)
        for number, score in zip(numbers, scores, strict=True)
        if score > 0
    }
