"""Rows -> a CIFF index: from document order to term order, in bounded memory.

Postings go once through a temporary file, in windows of 256 terms; DocRecords, which come
last, lie in another meanwhile.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

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
_POSTING = np.dtype([("term", "<u4"), ("document", "<u4"), ("tf", "<u4")])


def write(
    path: Path, chunks: Iterable[Chunk], vocabulary: Sequence[str], *, scale: float = 100.0
) -> int:
    """Writes the index, tf being weight times `scale` rounded, zeros left out; lists by token.

    Returns the number of documents; raises InvalidInput TOKEN for a term that has no token.
    """
    with (
        written(path) as aside,
        tempfile.TemporaryFile(dir=path.parent) as records,
        WindowSpool(path.parent, _POSTING) as spool,
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
        self._rank = np.empty(len(vocabulary), np.uint32)
        self._rank[self._by_rank] = np.arange(len(vocabulary))
        self._df = np.zeros(len(vocabulary), np.int64)
        self._terms = 0

    def add(self, chunk: Chunk) -> None:
        """Spools the postings of the rows, and writes their DocRecords."""
        postings = self._postings(chunk.vectors)
        self._df += np.bincount(postings["term"], minlength=len(self._df))
        self._spool.add(postings["term"] // _TERMS, postings)
        tfs = postings["tf"].astype(np.int64)
        rows = postings["document"].astype(np.int64) - self.documents
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
        for window in range(-(-len(self._df) // _TERMS)):
            postings = self._spool.read(window)
            # documents rise already, since rows came in their order
            postings = postings[np.argsort(postings["term"] % _TERMS, kind="stable")]
            starts = np.flatnonzero(np.diff(postings["term"], prepend=np.uint32(1 << 31)))
            for part in np.split(postings, starts[1:]) if len(postings) else ():
                yield wire.encode_list(
                    self._vocabulary[self._by_rank[int(part["term"][0])]],
                    part["document"].astype(np.int64),
                    part["tf"].astype(np.int64),
                )

    def _postings(self, rows: SparseBatch) -> npt.NDArray[Any]:
        tfs = np.rint(rows.values.astype(np.float64) * self._scale)
        if len(tfs) and tfs.max() >= 1 << 31:
            raise InvalidInput(
                f"a weight of {rows.values.max()} times {self._scale} is above 2^31; give a "
                "smaller scale",
                reason="SCALE",
                field="scale",
            )
        kept = tfs > 0
        for term in np.unique(rows.indices[kept]).tolist():
            token_of(self._vocabulary, term)
        postings = np.empty(int(kept.sum()), _POSTING)
        numbers = np.arange(self.documents, self.documents + len(rows))
        postings["document"] = np.repeat(numbers, np.diff(rows.indptr))[kept]
        postings["term"] = self._rank[rows.indices[kept]]
        postings["tf"] = tfs[kept]
        return postings
