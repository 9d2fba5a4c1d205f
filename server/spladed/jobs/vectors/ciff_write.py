"""Rows -> a CIFF index: from document order to term order, in bounded memory.

Postings go once through a temporary file, in windows of 256 terms, as one 64-bit number
each: term in its window (8 bits), document (32), tf (24). DocRecords, which come last, lie
in another meanwhile.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from spladed.errors import InvalidInput
from spladed.jobs.vectors import ciff_wire as wire
from spladed.jobs.vectors.chunk import Chunk
from spladed.jobs.vectors.files import create, written
from spladed.jobs.vectors.spool import WindowSpool
from spladed.jobs.vectors.vocabulary import token_of
from spladed.sparse import SparseBatch

__all__ = ["write"]

_TERMS = 1 << 8  # of a window
_TF_LIMIT = 1 << 24


def write(
    path: Path, chunks: Iterable[Chunk], vocabulary: Sequence[str], *, scale: float = 100.0
) -> int:
    """Writes the index, tf being weight times `scale` rounded, zeros left out; lists by token.

    Returns the number of documents; raises InvalidInput TOKEN for a term that has no token.
    """
    with (
        written(path) as aside,
        tempfile.TemporaryFile(dir=path.parent) as records,
        WindowSpool(path.parent, "<u8") as spool,
    ):
        inverted = _Inverted(vocabulary, scale, spool, records)
        for chunk in chunks:
            inverted.add(chunk)
        with create(aside, packed=path.suffix == ".gz") as file:
            for message in inverted.messages():
                file.write(wire.varint(len(message)) + message)
            records.seek(0)
            shutil.copyfileobj(records, file, 1 << 20)
    return inverted.documents


class _Inverted:
    """Rows on their way to an index."""

    def __init__(
        self, vocabulary: Sequence[str], scale: float, spool: WindowSpool, records: IO[bytes]
    ) -> None:
        self.documents = 0
        self._vocabulary = vocabulary
        self._scale = scale
        self._spool = spool
        self._records = records
        # lists stand in the order of their tokens' bytes
        self._by_rank = sorted(range(len(vocabulary)), key=lambda term: vocabulary[term].encode())
        self._rank = np.empty(len(vocabulary), np.int64)
        self._rank[self._by_rank] = np.arange(len(vocabulary))
        self._df = np.zeros(len(vocabulary), np.int64)
        self._terms = 0

    def add(self, chunk: Chunk) -> None:
        """Spools the postings of the rows, and writes their DocRecords."""
        rows, ranks, tfs = self._postings(chunk.vectors)
        self._df += np.bincount(ranks, minlength=len(self._df))
        records = (ranks % _TERMS) << 56 | (rows + self.documents) << 24 | tfs
        self._spool.add(ranks // _TERMS, records.astype(np.uint64))
        lengths = np.bincount(rows, tfs, minlength=len(chunk.ids)).astype(np.int64)
        self._terms += int(lengths.sum())
        for number, (identity, length) in enumerate(
            zip(chunk.ids, lengths.tolist(), strict=True), self.documents
        ):
            record = wire.encode_record(number, identity, length)
            self._records.write(wire.varint(len(record)) + record)
        self.documents += len(chunk.ids)

    def messages(self) -> Iterator[bytes]:
        """The header and the lists."""
        lists = int(np.count_nonzero(self._df))
        yield wire.encode_header(lists, self.documents, self._terms, "exported by spladed")
        for first in range(0, len(self._df), _TERMS):
            records = self._spool.read(first // _TERMS)
            # documents rise already, since rows came in their order
            low = (records >> np.uint64(56)).astype(np.uint8)
            numbers = records[np.argsort(low, kind="stable")].astype(np.int64)
            starts = np.concatenate([[0], np.cumsum(np.bincount(low, minlength=_TERMS))])
            there = np.flatnonzero(np.diff(starts))
            yield from wire.encode_lists(
                [self._vocabulary[self._by_rank[first + each]] for each in there.tolist()],
                starts[np.append(there, _TERMS)],
                numbers >> 24 & (1 << 32) - 1,
                numbers & _TF_LIMIT - 1,
            )

    def _postings(
        self, batch: SparseBatch
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(row in the batch, rank of the term, tf) of each weight that is not 0 as tf."""
        tfs = np.rint(batch.values.astype(np.float64) * self._scale)
        if len(tfs) and tfs.max() >= _TF_LIMIT:
            raise InvalidInput(
                f"a weight of {batch.values.max()} times {self._scale} is above {_TF_LIMIT - 1}; "
                "give a smaller scale",
                reason="SCALE",
                field="scale",
            )
        kept = tfs > 0
        terms = batch.indices[kept]
        for term in np.flatnonzero(np.bincount(terms)).tolist():
            token_of(self._vocabulary, term)
        rows = np.repeat(np.arange(len(batch)), np.diff(batch.indptr))[kept]
        return rows, self._rank[terms], tfs[kept].astype(np.int64)
