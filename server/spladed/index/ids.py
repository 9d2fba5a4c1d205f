"""Ids of documents as arrays: their UTF-8 in one piece, and a hash of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from spladed.index.kernels import ids as kernels

__all__ = ["Ids"]


@dataclass(frozen=True, slots=True, eq=False)
class Ids:
    """Id i is `blob[starts[i]:starts[i+1]]`, its hash `hashes[i]`.

    blob:   uint8, UTF-8
    starts: int64 [n + 1]
    hashes: uint64 [n], xxh3_64 of the UTF-8
    """

    blob: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]

    @classmethod
    def of(cls, ids: Sequence[str]) -> Ids:
        """These ids, in order."""
        encoded = [id.encode() for id in ids]
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        hashes = np.fromiter(map(xxh3_64_intdigest, encoded), np.uint64, len(encoded))
        return cls(np.frombuffer(b"".join(encoded), np.uint8), _starts(lengths), hashes)

    @classmethod
    def concatenate(cls, parts: Sequence[Ids]) -> Ids:
        """The ids of all parts, in order."""
        lengths = [np.diff(part.starts) for part in parts]
        return cls(
            np.concatenate([part.blob for part in parts]),
            _starts(np.concatenate(lengths)),
            np.concatenate([part.hashes for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.hashes)

    def __getitem__(self, number: int) -> str:
        return self.blob[self.starts[number] : self.starts[number + 1]].tobytes().decode()

    def take(self, numbers: npt.NDArray[np.int64]) -> Ids:
        """The ids named, in the order named."""
        blob, starts = kernels.gather_bytes(self.blob, self.starts, numbers)
        return Ids(blob, starts, self.hashes[numbers])


def _starts(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts
