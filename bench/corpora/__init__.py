"""Collections to search: documents and queries as arrays on disk, made once and kept.

A collection is a folder: the documents and the queries as CSR arrays in files of plain numbers,
which numpy maps, and `corpus.json`, which is written last. Read by engines in environments of
their own, so that this file needs numpy alone; what makes collections is beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

ABOUT = "corpus.json"
DTYPES = {"lengths": np.int64, "terms": np.int32, "weights": np.float32}


class Row(NamedTuple):
    """Terms, rising, int32, and their weights, float32."""

    terms: NDArray[np.int32]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class Csr:
    """Row i is `[starts[i], starts[i + 1])` of terms (int32) and weights (float32)."""

    starts: NDArray[np.int64]
    terms: NDArray[np.int32]
    weights: NDArray[np.float32]

    @classmethod
    def open(cls, folder: Path) -> Csr:
        """Mapped, but for the starts."""
        lengths = np.fromfile(folder / "lengths", DTYPES["lengths"])
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return cls(starts, _mapped(folder, "terms"), _mapped(folder, "weights"))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def row(self, number: int) -> Row:
        part = slice(self.starts[number], self.starts[number + 1])
        return Row(self.terms[part], self.weights[part])

    def slice(self, start: int, stop: int) -> Csr:
        part = slice(self.starts[start], self.starts[stop])
        starts = self.starts[start : stop + 1] - self.starts[start]
        return Csr(starts, np.asarray(self.terms[part]), np.asarray(self.weights[part]))

    def slices(self, size: int) -> Iterable[tuple[int, Csr]]:
        """All rows in parts of this size, with the number of each part's first row."""
        for start in range(0, len(self), size):
            yield start, self.slice(start, min(start + size, len(self)))


@dataclass(frozen=True)
class Corpus:
    """dimension: the number of terms; about: what corpus.json says."""

    folder: Path
    dimension: int
    documents: Csr
    queries: Csr
    about: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> Corpus:
        about = json.loads((folder / ABOUT).read_text())
        documents, queries = (Csr.open(folder / side) for side in ("documents", "queries"))
        return cls(folder, about["dimension"], documents, queries, about)


def keep(folder: Path, parts: Iterable[Csr]) -> None:
    """The rows of all parts as files; one part is in memory at a time."""
    folder.mkdir(parents=True)
    files = {name: (folder / name).open("wb") for name in DTYPES}
    try:
        for part in parts:
            arrays = {
                "lengths": np.diff(part.starts), "terms": part.terms, "weights": part.weights
            }  # fmt: skip
            for name, array in arrays.items():
                np.ascontiguousarray(array, DTYPES[name]).tofile(files[name])
    finally:
        for file in files.values():
            file.close()


def finish(folder: Path, about: dict[str, Any]) -> None:
    """From now on it can be opened."""
    (folder / ABOUT).write_text(json.dumps(about, indent=1) + "\n")


def _mapped(folder: Path, name: str) -> NDArray[Any]:
    path = folder / name
    if not path.stat().st_size:
        return np.empty(0, DTYPES[name])
    return np.memmap(path, DTYPES[name], mode="r")
