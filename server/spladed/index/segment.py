"""A segment as it is read: sections of a container, mapped from a file or in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.errors import Corrupt
from spladed.index import storage
from spladed.index.bounds import Bounds
from spladed.index.container import Container
from spladed.index.ids import Ids
from spladed.index.kernels import build as kernels
from spladed.index.kernels import ids as id_kernels
from spladed.index.packed import bytes_a_weight, unpack
from spladed.index.rows import Rows

__all__ = ["Segment"]

_Numbers = npt.NDArray[np.int64]

# What a kernel follows blindly, so that a wrong number would be read as an address: checked
# when a segment is opened. Rows, postings and ids are checked by `verify`, and when merged.
_FOLLOWED = ("meta", "seqs", "by_seq", "id_starts", "id_hashes", "id_rows")
_FOLLOWED_IN_WINDOW = (
    "row_starts", "terms", "starts", "frequent_slots", "member_starts", "rare_starts",
)  # fmt: skip
# What a search reads of few superblocks, each somewhere else; postings it reads in runs.
_HERE_AND_THERE = ("rows", "members")


class Segment:
    """Documents, their rows and postings; nothing in it changes.

    documents, weights: how many
    wide, floats:       32-bit terms; float32 stored weights (else 16-bit steps)
    directory:          int64 [windows, COLUMNS], see `kernels.build`
    bounds:             None where it has none
    """

    def __init__(self, container: Container, *, name: str = "") -> None:
        self.container = container
        self.name = name
        self._check()
        meta = json.loads(container["meta"].tobytes())
        self.dimension: int = meta["dimension"]
        self.weights: int = meta["weights"]
        self.wide: bool = self.dimension > 1 << 16
        self.floats: bool = meta["weight_format"] == "float32"
        self.seqs: _Numbers = container["seqs"]
        self.directory = _directory(container, meta["windows"])
        self.columns = _columns(container)
        self.bounds: Bounds | None = Bounds.of(container, len(self.seqs))
        self.has_postings: bool = "w0/terms" in container
        self.float_impacts: bool = self.has_postings and container["w0/impacts"].dtype == "<f4"

    @classmethod
    def open(cls, path: Path, *, for_searches: bool = False) -> Segment:
        """The segment in this file; raises Corrupt, Mismatch FORMAT_VERSION, Unavailable.

        for_searches: rows are read here and there, and not all of them in order
        """
        segment = cls(Container(storage.mapped(path), str(path)), name=path.name)
        if for_searches:
            segment._expect_searches()
        return segment

    @property
    def documents(self) -> int:
        """How many documents it has, dead ones too."""
        return len(self.seqs)

    @property
    def data(self) -> npt.NDArray[np.uint8]:
        """Every byte of it, which `directory` points into."""
        return self.container.data

    @property
    def fingerprint(self) -> str:
        """What tells it from every other file, 16 hexadecimal digits."""
        return f"{self.container.fingerprint:016x}"

    @property
    def first_seq(self) -> int:
        """The lowest seq."""
        return int(self.seqs[self.by_seq[0]])

    @property
    def last_seq(self) -> int:
        """The highest seq."""
        return int(self.seqs[self.by_seq[-1]])

    @property
    def by_seq(self) -> npt.NDArray[np.uint32]:
        """The rows by rising seq."""
        return self.container["by_seq"]

    @cached_property
    def seqs_rising(self) -> _Numbers:
        """The seqs, sorted."""
        return self.seqs[self.by_seq]

    @property
    def ids(self) -> Ids:
        """The ids by row; the hashes are put in order of rows with every call."""
        hashes = np.empty(self.documents, np.uint64)
        hashes[self.container["id_rows"]] = self.container["id_hashes"]
        return Ids(self.container["ids"], self.container["id_starts"], hashes)

    def id(self, row: int) -> str:
        """The id of the document in this row."""
        start, stop = self.container["id_starts"][row : row + 2].tolist()
        return self.container["ids"][start:stop].tobytes().decode()

    def rows_of(self, ids: Ids) -> _Numbers:
        """The row of each of these ids, -1 where it is not here."""
        part = self.container
        return id_kernels.probe(
            part["id_hashes"], part["id_rows"], part["ids"], part["id_starts"],
            ids.hashes, ids.blob, ids.starts,
        )  # fmt: skip

    def rows_of_ids(self, ids: list[str]) -> _Numbers:
        """As `rows_of`, for strings."""
        return self.rows_of(Ids.of(ids))

    def rows_of_seqs(self, seqs: _Numbers) -> _Numbers:
        """The row of each of these seqs, -1 where it is not here."""
        rising = self.seqs_rising
        places = np.minimum(np.searchsorted(rising, seqs), len(rising) - 1)
        return np.where(rising[places] == seqs, self.by_seq[places].astype(np.int64), -1)

    def sizes(self, rows: _Numbers) -> _Numbers:
        """How many bytes each of these rows has, packed."""
        return self._located(rows)[1]

    def lengths(self, rows: _Numbers) -> _Numbers:
        """How many terms each of these rows has."""
        return self.sizes(rows) // bytes_a_weight(self.wide, self.floats)

    def keys(self, rows: _Numbers) -> npt.NDArray[np.uint64]:
        """The sort key of each of these rows."""
        return kernels.sort_keys(self.data, *self._located(rows), self.wide, self.floats)

    def rows(self, rows: _Numbers) -> Rows:
        """These rows, in the order named."""
        return unpack(self.data, *self._located(rows), self.wide, self.floats)

    def copy(self, rows: _Numbers, into: npt.NDArray[np.uint8], places: _Numbers) -> None:
        """Write the bytes of these rows to those positions of `into`."""
        kernels.copy(self.data, *self._located(rows), places, into)

    def _located(self, rows: _Numbers) -> tuple[_Numbers, _Numbers]:
        return kernels.locate(self.data, self.directory, rows)

    def verify(self) -> None:
        """Raises Corrupt CHECKSUM, naming the file and the section, if any byte changed."""
        for name in self.container.names:
            self.container.verify(name)

    def _expect_searches(self) -> None:
        """What is read ahead of a row or a record drives postings out where memory is short."""
        container = self.container
        for name in container.names:
            if name.rpartition("/")[2] in _HERE_AND_THERE and name.startswith("w"):
                storage.read_here_and_there(
                    container.data, container.offset(name), container.size(name)
                )

    def _check(self) -> None:
        for name in (*_FOLLOWED, *self.container.names):
            last = name.rpartition("/")[2]
            if name in _FOLLOWED or last in _FOLLOWED_IN_WINDOW or name.startswith("fields/"):
                self.container.verify(name)


def _columns(container: Container) -> Mapping[str, npt.NDArray[Any]]:
    """The columns of declared fields, by their sections' names behind `fields/`."""
    names = [name for name in container.names if name.startswith("fields/")]
    return {name.removeprefix("fields/"): container[name] for name in names}


def _directory(container: Container, windows: list[int]) -> npt.NDArray[np.int64]:
    directory = np.zeros((len(windows), kernels.COLUMNS), np.int64)
    first = 0
    for number, documents in enumerate(windows):
        directory[number] = _window(container, f"w{number}", first, documents)
        first += documents
    if first != len(container["seqs"]):
        raise Corrupt(
            f"{container.where} has {len(container['seqs'])} documents, its windows {first}",
            reason="COUNTS",
        )
    return directory


def _window(container: Container, prefix: str, first: int, documents: int) -> list[int]:
    """One row of the directory; a batch has no postings."""
    places = [container.offset(f"{prefix}/{name}") for name in ("rows", "row_starts")]
    if f"{prefix}/terms" not in container:
        return [first, documents, *places, -1, 0, -1, -1, -1]
    terms, starts, docs, impacts = (
        container.offset(f"{prefix}/{name}") for name in ("terms", "starts", "docs", "impacts")
    )
    count = len(container[f"{prefix}/terms"])
    return [first, documents, *places, terms, count, starts, docs, impacts]
