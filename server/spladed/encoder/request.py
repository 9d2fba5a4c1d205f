"""What one caller waits for, and how it is answered: once, whatever fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from spladed.encoder.batch import WaitingRow
from spladed.encoder.run import TokenIds, as_error
from spladed.errors import SpladedError
from spladed.manifest import Kind
from spladed.sparse import SparseBatch

__all__ = ["Answer", "Request", "Slot", "by_request", "is_wanted", "set_answers"]


class Answer(Protocol):
    """What asyncio's and concurrent.futures' futures have in common."""

    def done(self) -> bool:
        """Whether nobody waits any more."""
        ...

    def set_result(self, result: SparseBatch, /) -> None:
        """The rows, in the order of the texts."""
        ...

    def set_exception(self, exception: BaseException, /) -> None:
        """Why there are none."""
        ...


@dataclass(slots=True)
class Request:
    """The rows one caller waits for; they may come from several batches, from several threads."""

    texts: Sequence[TokenIds]
    kind: Kind
    answer: Answer
    parts: list[tuple[list[int], SparseBatch]] = field(default_factory=list)
    missing: int = 0
    claimed: bool = False

    def put(self, positions: list[int], rows: SparseBatch) -> bool:
        """Stores rows for these positions; true when none is missing any more."""
        self.parts.append((positions, rows))
        self.missing -= len(positions)
        return self.missing == 0

    def claim(self) -> bool:
        """True for the first who asks: it is the one who answers. Under the engine's lock."""
        first, self.claimed = not self.claimed, True
        return first

    def is_wanted(self) -> bool:
        """Whether somebody waits for what is missing."""
        return not self.claimed and not self.answer.done()

    def rows(self) -> SparseBatch | SpladedError:
        """All rows, in the order of the texts; or why they cannot be put together."""
        dimension = self.parts[0][1].dimension
        try:
            whole = SparseBatch.concatenate(dimension, [rows for _, rows in self.parts])
            positions = np.concatenate([positions for positions, _ in self.parts])
            return whole.take(np.argsort(positions))
        except Exception as error:
            return as_error(error)


Slot = tuple[Request, int]  # a request, and the position of the text in it


def by_request(
    batch: Sequence[WaitingRow[Slot]],
) -> list[tuple[Request, list[int], list[int]]]:
    """Each request of the batch: positions among its texts, and row numbers in the batch."""
    found: dict[int, tuple[Request, list[int], list[int]]] = {}
    for number, row in enumerate(batch):
        request, position = row.owner
        _, positions, numbers = found.setdefault(id(request), (request, [], []))
        positions.append(position)
        numbers.append(number)
    return list(found.values())


def is_wanted(slot: Slot) -> bool:
    """Whether somebody waits for this row."""
    return slot[0].is_wanted()


def set_answers(answers: Sequence[tuple[Answer, SparseBatch | SpladedError]]) -> None:
    """Sets what each caller waits for, unless nobody waits any more."""
    for answer, found in answers:
        if answer.done():
            continue
        if isinstance(found, SpladedError):
            answer.set_exception(found)
        else:
            answer.set_result(found)
