"""The dictionary of a keyword column: its distinct words, rising by their UTF-8 bytes.

A word's code is its place. Bytes order words as Python orders strings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spladed.index.kernels import words as kernels

__all__ = ["Words"]


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """`text` uint8, the words one after another; `starts` int64 [count + 1]."""

    text: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @classmethod
    def of(cls, words: Iterable[str]) -> Words:
        """These words, which rise and are distinct."""
        encoded = [word.encode() for word in words]
        starts = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(word) for word in encoded], out=starts[1:])
        return cls(np.frombuffer(b"".join(encoded), np.uint8), starts)

    def word(self, code: int) -> str:
        """The word of this code."""
        return self.text[self.starts[code] : self.starts[code + 1]].tobytes().decode()

    def first_at_least(self, words: Sequence[str]) -> npt.NDArray[np.int64]:
        """For each of these the code of the first word that is not before it; the count of
        words if there is none."""
        wanted = Words.of(words)
        return kernels.first_at_least(self.text, self.starts, wanted.text, wanted.starts)

    def take(self, codes: npt.NDArray[np.int64]) -> Words:
        """The words of these codes, in this order."""
        starts = np.zeros(len(codes) + 1, np.int64)
        np.cumsum(np.diff(self.starts)[codes], out=starts[1:])
        text = np.empty(int(starts[-1]), np.uint8)
        kernels.take_runs(self.text, self.starts, codes, starts, text)
        return Words(text, starts)

    @staticmethod
    def merge(parts: Sequence[Words]) -> tuple[Words, list[npt.NDArray[np.uint32]]]:
        """All words of these dictionaries, and for each the new codes of its words."""
        counts = np.cumsum([0, *map(len, parts)])
        sizes = np.cumsum([0, *(len(part.text) for part in parts)])
        starts = [part.starts[:-1] + size for part, size in zip(parts, sizes[:-1], strict=True)]
        every = Words(
            _joined([part.text for part in parts], np.uint8),
            _joined([*starts, sizes[-1:]], np.int64),
        )
        order = kernels.merged_order(every.text, every.starts, counts)
        new = kernels.same_as_before(every.text, every.starts, order) == 0
        codes = np.empty(len(order), np.uint32)
        codes[order] = np.cumsum(new) - 1
        return every.take(order[new]), np.split(codes, counts[1:-1])


def _joined(parts: Sequence[npt.NDArray[Any]], dtype: Any) -> npt.NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype)
