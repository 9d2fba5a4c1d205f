"""Which waiting rows run next: a pure decision, without clock, thread or I/O.

The engine asks whenever it is free; there is no delay timer (measured: a window never
raised throughput by more than 2.5 %, and cost 24-65 % of it at low concurrency).
Rows wait in lanes, one for each (kind, padded length). A batch starts with the oldest row
of the kind that is due, takes its lane in order of arrival, then shorter lanes as long as
padding stays cheap. Queries go before documents, but after `max_query_batches` in a row a
waiting document is due. Rows that nobody wants any more are dropped on the way.
"""

from __future__ import annotations

import sys
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from spladed.errors import InvalidInput
from spladed.manifest import Kind

__all__ = ["DEFAULT_BATCH_TOKENS", "BatchPolicy", "WaitingRow", "WaitingRows"]

# Where the GEMMs of a two-layer model stop gaining on one core, and 32 passages of 128.
DEFAULT_BATCH_TOKENS = 4_096

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """Limits of one batch.

    max_batch_tokens:  rows x padded length
    length_step:       rows are padded to a multiple of this, so that shapes recur; with 16 a
                       question of 9 tokens would cost nearly twice its own
    max_padding_share: of a batch's tokens, how many may be padding to shorter lanes
    max_query_batches: batches of queries in a row while a document waits
    longest:           tokens that every graph takes; nothing is padded beyond
    """

    max_batch_tokens: int = DEFAULT_BATCH_TOKENS
    length_step: int = 4
    max_padding_share: float = 0.125
    max_query_batches: int = 8
    longest: int = sys.maxsize

    def __post_init__(self) -> None:
        for name in ("max_batch_tokens", "length_step", "max_query_batches", "longest"):
            if getattr(self, name) < 1:
                raise InvalidInput(
                    f"encoder.{name} is {getattr(self, name)}; expected at least 1",
                    reason="CONFIG",
                    field=f"encoder.{name}",
                )
        if not 0 <= self.max_padding_share < 1:
            raise InvalidInput(
                f"encoder.max_padding_share is {self.max_padding_share}; expected 0 to below 1",
                reason="CONFIG",
                field="encoder.max_padding_share",
            )

    def padded(self, length: int) -> int:
        """`length` rounded up to the step, as far as the model goes."""
        rounded = -(-length // self.length_step) * self.length_step
        return max(length, min(rounded, self.longest))


@dataclass(frozen=True, slots=True)
class WaitingRow(Generic[T]):
    """One text in the queue: `length` tokens, and whatever its owner wants back."""

    length: int
    kind: Kind
    owner: T
    number: int = 0  # order of arrival, given by WaitingRows


@dataclass(slots=True)
class WaitingRows(Generic[T]):
    """The queue. `take` gives the next batch, and an empty list when nothing waits."""

    policy: BatchPolicy
    _lanes: dict[tuple[Kind, int], deque[WaitingRow[T]]] = field(
        default_factory=lambda: defaultdict(deque)
    )
    _arrived: int = 0
    _tokens: int = 0
    _query_batches: int = 0

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes.values())

    @property
    def tokens(self) -> int:
        """Tokens that wait, padding not counted."""
        return self._tokens

    def add(self, length: int, kind: Kind, owner: T) -> None:
        """Puts a row at the end of its lane."""
        row = WaitingRow(length, kind, owner, self._arrived)
        self._arrived += 1
        self._tokens += length
        self._lanes[kind, self.policy.padded(length)].append(row)

    def take(
        self, *, document_tokens: int | None = None, wanted: Callable[[T], bool] = lambda _: True
    ) -> list[WaitingRow[T]]:
        """Removes and returns the next batch: rows of one kind, within the policy's limits.

        A row longer than the whole budget runs alone; an empty list says that nothing waits.

        document_tokens: a tighter limit for a batch of documents
        wanted:          whether an owner still wants a row; others are dropped
        """
        while kind := self._due():
            budget = self.policy.max_batch_tokens
            if kind == "document" and document_tokens is not None:
                budget = min(budget, document_tokens)
            batch = self._fill(kind, budget, wanted)
            if batch:
                self._query_batches = self._query_batches + 1 if kind == "query" else 0
                return batch
        return []

    def drop(self, wanted: Callable[[T], bool]) -> None:
        """Removes every row whose owner does not want it any more."""
        for key, lane in list(self._lanes.items()):
            kept = deque(row for row in lane if wanted(row.owner))
            self._tokens -= sum(row.length for row in lane) - sum(row.length for row in kept)
            self._lanes[key] = kept
            if not kept:
                del self._lanes[key]

    def drain(self) -> list[WaitingRow[T]]:
        """Removes and returns everything that waits."""
        rows = [row for lane in self._lanes.values() for row in lane]
        self._lanes.clear()
        self._tokens = 0
        return rows

    def _due(self) -> Kind | None:
        waiting = {kind for kind, _ in self._lanes}
        if "document" in waiting and (
            "query" not in waiting or self._query_batches >= self.policy.max_query_batches
        ):
            return "document"
        return "query" if "query" in waiting else None

    def _oldest_lane(self, kind: Kind) -> int:
        return min(
            (lane[0].number, length) for (each, length), lane in self._lanes.items() if each == kind
        )[1]

    def _fill(self, kind: Kind, budget: int, wanted: Callable[[T], bool]) -> list[WaitingRow[T]]:
        """Rows for one batch as long as its oldest row: that lane first, then ever shorter ones.

        Empty where nobody wanted the rows it came by.
        """
        longest = self._oldest_lane(kind)
        room = max(1, budget // longest)
        spare = 0.0  # padding tokens that the rows taken so far allow
        batch: list[WaitingRow[T]] = []
        lanes = sorted((length for each, length in self._lanes if each == kind), reverse=True)
        for length in (length for length in lanes if length <= longest):
            lane = self._lanes[kind, length]
            while lane and len(batch) < room and (length == longest or spare >= longest - length):
                row = lane.popleft()
                self._tokens -= row.length
                if wanted(row.owner):
                    spare += longest * self.policy.max_padding_share - (longest - length)
                    batch.append(row)
            if not lane:
                del self._lanes[kind, length]
        return batch
