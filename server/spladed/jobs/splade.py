"""A bundle's run over a dataset: encode both sides, search exactly.

Search goes through a temporary `Collection` on its default grid (steps of 1/4096), because
that is what users search; float32 weights would be a better machine than the one they get.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from spladed.encoder.encoder import Encoder
from spladed.index import Collection, CollectionSettings
from spladed.index import Document as Stored
from spladed.jobs.read import Text
from spladed.jobs.run import DEPTH, Run
from spladed.manifest import Kind
from spladed.sparse import SparseBatch

__all__ = ["Encoded", "Side", "Track", "encode", "search", "untracked"]

# (what is under way, batches, how many texts they hold) -> the same batches
Track = Callable[[str, Iterable[Sequence[Text]], int], Iterable[Sequence[Text]]]

# Texts are sorted by length within a chunk: 1,024 waste little on padding, and a progress
# bar still moves on a slow machine.
_CHUNK = 1_024
_UPSERT_ROWS = 16_384
_ENCODING = {"query": "encoding queries", "document": "encoding documents"}


@dataclass(frozen=True, slots=True)
class Side:
    """What encoding one side took.

    blank:        texts without a visible character; each is a row without terms
    truncated:    texts cut at the bundle's length
    tokens:       that entered the network, special tokens included, padding not
    terms:        mean number of weights a text
    wall_seconds, cpu_seconds: tokenization and network; CPU is that of all threads
    """

    texts: int
    blank: int
    truncated: int
    tokens: int
    terms: float
    wall_seconds: float
    cpu_seconds: float

    @property
    def tokens_per_second(self) -> float:
        """Tokens a second of wall time; 0 where nothing was encoded."""
        return self.tokens / self.wall_seconds if self.wall_seconds else 0.0


@dataclass(frozen=True, slots=True)
class Encoded:
    """Row i is that of text i; 8 bytes a weight, 1.5 GB a million texts of 180 terms."""

    rows: SparseBatch
    side: Side


def untracked(what: str, batches: Iterable[Sequence[Text]], total: int) -> Iterable[Sequence[Text]]:
    """The batches, and no progress bar."""
    del what, total
    return batches


def encode(
    encoder: Encoder, texts: Sequence[Text], kind: Kind, track: Track = untracked
) -> Encoded:
    """One row a text, in order; a blank text, which the encoder refuses, has no terms."""
    dimension = encoder.bundle.manifest.model.vocabulary_size
    parts, tokens, truncated = [SparseBatch.empty(dimension)], 0, 0
    wall = cpu = 0.0
    for chunk in track(_ENCODING[kind], _chunks(texts), len(texts)):
        visible = [text.text for text in chunk if not _blank(text)]
        started = time.perf_counter(), time.process_time()
        rows = encoder.encode(visible, kind=kind)
        wall += time.perf_counter() - started[0]
        cpu += time.process_time() - started[1]
        # Tokenized a second time to be counted, outside the clock: `encode` keeps no count.
        tokenized = encoder.tokenize(visible, kind=kind)
        tokens += sum(len(each.ids) for each in tokenized)
        truncated += sum(each.truncated for each in tokenized)
        parts.append(_with_blanks(rows, chunk))
    whole = SparseBatch.concatenate(dimension, parts)
    side = Side(
        texts=len(texts), blank=sum(map(_blank, texts)), truncated=truncated, tokens=tokens,
        terms=whole.nnz / len(texts), wall_seconds=wall, cpu_seconds=cpu,
    )  # fmt: skip
    return Encoded(whole, side)


def search(
    documents: tuple[Sequence[Text], SparseBatch],
    queries: tuple[Sequence[Text], SparseBatch],
    *,
    depth: int = DEPTH,
    track: Track = untracked,
) -> tuple[Run, float]:
    """The `depth` best documents of each query, none that scores 0; seconds of searching.

    Exact: score falling, ties in the order of the corpus. Raises InvalidInput WEIGHT_RANGE
    for a weight that the grid does not reach.
    """
    texts, rows = queries
    run: dict[str, dict[str, float]] = {}
    seconds = 0.0
    with tempfile.TemporaryDirectory(prefix="spladed-eval-") as folder:
        settings = CollectionSettings(rows.dimension, store_text=False)
        with Collection.create(Path(folder) / "corpus", settings) as collection:
            _fill(collection, documents[1])
            for chunk in track("searching", _chunks(texts), len(texts)):
                part = rows.slice(len(run), len(run) + len(chunk))
                started = time.perf_counter()
                hits, _ = collection.search(part, depth)
                seconds += time.perf_counter() - started
                for query, found in zip(chunk, hits, strict=True):
                    run[query.id] = {documents[0][int(hit.id)].id: hit.score for hit in found}
    return run, seconds


def _fill(collection: Collection, rows: SparseBatch) -> None:
    """Every row under its number, which stays below any limit on ids."""
    for start in range(0, len(rows), _UPSERT_ROWS):
        stop = min(start + _UPSERT_ROWS, len(rows))
        ids = [Stored(str(number)) for number in range(start, stop)]
        collection.upsert(ids, rows.slice(start, stop))


def _with_blanks(rows: SparseBatch, chunk: Sequence[Text]) -> SparseBatch:
    """A row for each text of the chunk, given those of the texts that are not blank."""
    lengths = np.zeros(len(chunk), np.int64)
    lengths[[not _blank(text) for text in chunk]] = np.diff(rows.indptr)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    return SparseBatch(rows.dimension, indptr, rows.indices, rows.values)


def _blank(text: Text) -> bool:
    return not text.text or text.text.isspace()


def _chunks(texts: Sequence[Text]) -> Iterator[list[Text]]:
    iterator = iter(texts)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk
