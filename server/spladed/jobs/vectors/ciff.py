"""The Common Index File Format: an inverted index as delimited protobuf messages.

    Header, then num_postings_lists PostingsLists, then num_docs DocRecords, each behind its
    length as a varint. Terms are tokens, tf the quantised impact, docids gaps within a list.

The index is by term and rows are by document. Postings go once through a temporary file, in
windows of 16,384 documents, as one 64-bit number each: document in its window (16 bits),
term (24), tf (24). A sorted window is its rows. In memory: one list, one window, and
`indptr` of neither. `.ciff`, `.ciff.gz`.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from spladed.errors import InvalidInput, Mismatch
from spladed.jobs.compressed import readable
from spladed.jobs.vectors import ciff_wire as wire
from spladed.jobs.vectors.checked import checked, cuts
from spladed.jobs.vectors.chunk import Chunk, Options, Skipped, VectorFile, decide_dimension
from spladed.jobs.vectors.ciff_write import write
from spladed.jobs.vectors.document import identity_of
from spladed.jobs.vectors.files import foreign
from spladed.jobs.vectors.spool import WindowSpool
from spladed.jobs.vectors.vocabulary import (
    numbers_of,
    unknown_token,
    vocabulary_of,
)

__all__ = ["read", "write"]

_SHAPE = "a CIFF index (Header, PostingsLists, DocRecords, each behind its length)"
_VERSION = 1
_WINDOW = 1 << 14
_TF_LIMIT = 1 << 24
_SPOOLED = 1 << 20  # postings gathered before they are sorted into windows


@dataclass(frozen=True, slots=True)
class _Header:
    """What the first message says."""

    lists: int
    documents: int


def read(path: Path, options: Options) -> VectorFile:
    """The documents of the index, tokens numbered by `options.vocabulary`.

    The first chunk comes after all postings were read. Raises NotFound FILE, Mismatch
    CIFF_VERSION, InvalidInput FILE_FORMAT, COMPRESSION, TOKEN, VOCABULARY or ID, and what
    `decide_dimension` and `checked` raise.
    """
    with _opened(path) as messages:
        header = messages.header()
    tokens = vocabulary_of(path, options)
    dimension = decide_dimension(path, len(tokens), options.dimension)
    skipped = Skipped()
    index = _Index(path, header, numbers_of(tokens, options.vocabulary), options, skipped)
    chunks = index.chunks(dimension)
    return VectorFile(path, "ciff", dimension, header.documents, chunks, skipped=skipped)


@dataclass(slots=True)
class _Messages:
    """The messages of a file, one after the other."""

    path: Path
    file: IO[bytes]

    def header(self) -> _Header:
        """The first; raises InvalidInput FILE_FORMAT, Mismatch CIFF_VERSION."""
        try:
            version, lists, documents = wire.decode_header(self._take("its header"))
        except wire.WireError as error:
            raise foreign(
                self.path, f"has no Header as its first message ({error})", _SHAPE
            ) from error
        if version > _VERSION:
            raise Mismatch(
                f"{self.path} is CIFF of version {version}; this version of spladed reads "
                f"{_VERSION}: export the index with an older exporter",
                reason="CIFF_VERSION",
                field=str(self.path),
            )
        return _Header(lists, documents)

    def postings(self, number: int) -> tuple[str, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """(term, document numbers rising, tfs) of the next message, the list of this number."""
        where = f"postings list {number}"
        data = self._take(where)
        try:
            term, df, gaps, tfs = wire.decode_list(data)
        except wire.WireError as error:
            raise foreign(self.path, f"has no postings in {where} ({error})", _SHAPE) from error
        if len(gaps) != df:
            found = f"has {len(gaps)} postings in {where} ({term!r}), whose df is {df}"
            raise foreign(self.path, found, _SHAPE)
        if len(gaps) > 1 and gaps[1:].min() == 0:
            found = f"repeats a docid in {where} ({term!r})"
            raise foreign(self.path, found, "gaps of at least 1 between docids")
        return term, np.cumsum(gaps), tfs

    def record(self, number: int) -> str:
        """The id of the next message, the DocRecord of this number."""
        where = f"document record {number}"
        data = self._take(where)
        try:
            found, name = wire.decode_record(data, number)
            identity = name.decode()
        except (wire.WireError, UnicodeDecodeError) as error:
            raise foreign(self.path, f"has no id in {where} ({error})", _SHAPE) from error
        if found != number:
            raise foreign(
                self.path, f"has docid {found} in {where}", "DocRecords in order, docids from 0"
            )
        return identity or identity_of(identity, f"{self.path}: {where}")

    def end(self) -> None:
        """Raises InvalidInput FILE_FORMAT if anything follows."""
        if self.file.read(1):
            raise foreign(self.path, "goes on after its last document record", _SHAPE)

    def _take(self, where: str) -> bytes:
        """The bytes of the next message."""
        size = shift = 0
        while byte := self.file.read(1):
            size |= (byte[0] & 0x7F) << shift
            shift += 7
            if byte[0] < 0x80 or shift > 31:
                break
        # A length of garbage must not become an allocation: files are read, not trusted.
        data = self.file.read(size) if byte and size < 1 << 31 else b""
        if not byte or len(data) != size:
            raise foreign(self.path, f"ends inside {where}", _SHAPE)
        return data


@dataclass(frozen=True, slots=True)
class _Index:
    """An index whose header was read, on its way to rows."""

    path: Path
    header: _Header
    numbers: dict[str, int]
    options: Options
    skipped: Skipped

    def chunks(self, dimension: int) -> Iterator[Chunk]:
        with (
            _opened(self.path) as messages,
            WindowSpool(self.options.scratch, "<u8") as spool,
        ):
            messages.header()
            for documents, records in self._gathered(messages):
                spool.add(documents >> 14, records)
            for first in range(0, self.header.documents, _WINDOW):
                last = min(first + _WINDOW, self.header.documents)
                ids = [messages.record(number) for number in range(first, last)]
                yield from self._window(ids, spool.read(first // _WINDOW), first, dimension)
            messages.end()

    def _gathered(
        self, messages: _Messages
    ) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]]:
        """(document numbers, records) of many lists at a time."""
        parts: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]] = []
        held = 0
        for number in range(self.header.lists):
            documents, records = self._records(messages, number)
            parts.append((documents, records))
            held += len(documents)
            if held >= _SPOOLED or number == self.header.lists - 1:
                yield (
                    np.concatenate([each for each, _ in parts]),
                    np.concatenate([each for _, each in parts]),
                )
                parts, held = [], 0

    def _records(
        self, messages: _Messages, number: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
        name, documents, tfs = messages.postings(number)
        where = f"{self.path}: postings list {number}"
        if len(documents) and documents[-1] >= self.header.documents:
            found = f"has docid {documents[-1]} in postings list {number} ({name!r})"
            raise foreign(self.path, found, f"docids below {self.header.documents}, by gaps")
        if len(tfs) and tfs.max() >= _TF_LIMIT:
            raise InvalidInput(
                f"{where} ({name!r}) has tf {tfs.max()}; expected at most {_TF_LIMIT - 1}",
                reason="VECTOR_WEIGHT",
                field=where,
            )
        term = self.numbers.get(name)
        if term is None:
            if not self.options.skip_unknown:
                raise unknown_token(where, name, len(self.numbers))
            self.skipped.take(name, len(documents))
            return documents[:0], np.empty(0, np.uint64)
        records = (documents & _WINDOW - 1) << 48 | term << 24 | tfs
        return documents, records.astype(np.uint64)

    def _window(
        self, ids: list[str], records: npt.NDArray[np.uint64], first: int, dimension: int
    ) -> Iterator[Chunk]:
        records = _by_document(records, dimension)
        indptr = np.zeros(len(ids) + 1, np.int64)
        rows = (records >> np.uint64(48)).astype(np.int64)
        np.cumsum(np.bincount(rows, minlength=len(ids)), out=indptr[1:])
        for start, stop in cuts(indptr):
            low, high = int(indptr[start]), int(indptr[stop])
            part = records[low:high].astype(np.int64)
            vectors = checked(
                dimension, indptr[start : stop + 1] - low,
                (part >> 24 & _TF_LIMIT - 1).astype(np.int32), part & _TF_LIMIT - 1,
                place=lambda row, at=first + start: f"{self.path}: document record {at + row}",
                scale=self.options.scale,
            )  # fmt: skip
            yield Chunk(ids[start:stop], vectors, first=first + start)


def _by_document(records: npt.NDArray[np.uint64], dimension: int) -> npt.NDArray[np.uint64]:
    """The records of a window, by document, then term."""
    if dimension > 1 << 16:
        return np.sort(records)
    # numpy sorts 16 bits by radix: twice take half the time of sorting the whole numbers
    terms = (records >> np.uint64(24)).astype(np.uint16)
    records = records[np.argsort(terms, kind="stable")]
    documents = (records >> np.uint64(48)).astype(np.uint16)
    return records[np.argsort(documents, kind="stable")]


@contextmanager
def _opened(path: Path) -> Iterator[_Messages]:
    with readable(path), ExitStack() as stack:
        file: Any = stack.enter_context(path.open("rb", 1 << 20))
        if path.suffix == ".gz":
            file = stack.enter_context(gzip.open(file))
        yield _Messages(path, file)
