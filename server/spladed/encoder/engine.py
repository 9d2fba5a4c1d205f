"""One thread that drives a session: it takes the next batch, runs it, answers it.

Whoever submits gets exactly one answer: rows, or the error that stopped their batch. A
request whose future is done (cancelled, expired) is dropped before it costs anything.

Bulk requests are never refused: they stand in a line before the queue and enter it, in
order, as it empties. How long the line gets is up to those who submit to it: a stream has
a few chunks in flight, and stops reading.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from spladed.encoder.batch import BatchPolicy, WaitingRow, WaitingRows
from spladed.errors import Exhausted, Internal, SpladedError, Unavailable
from spladed.manifest import Kind
from spladed.sparse import SparseBatch

__all__ = ["Answer", "Engine", "run_rows"]

# What bulk requests may fill of the queue: enough batches to sort rows by length, few
# enough for single documents behind them to come soon. Never more than half of it, so that
# bulk alone gets nobody refused.
_BULK_BATCHES = 8

_LOG = logging.getLogger("spladed.encoder")

TokenIds = npt.NDArray[np.int64]
Runs = Callable[[Kind, TokenIds, TokenIds], SparseBatch]


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
class _Request:
    """The rows one caller waits for; they may come from several batches."""

    texts: Sequence[TokenIds]
    kind: Kind
    answer: Answer
    parts: list[tuple[list[int], SparseBatch]] = field(default_factory=list)
    missing: int = 0

    def put(self, positions: list[int], rows: SparseBatch) -> bool:
        """Stores rows for these positions; true when none is missing any more."""
        self.parts.append((positions, rows))
        self.missing -= len(positions)
        return self.missing == 0

    def rows(self) -> SparseBatch:
        """All rows, in the order of the texts."""
        whole = SparseBatch.concatenate(
            self.parts[0][1].dimension, [rows for _, rows in self.parts]
        )
        positions = np.concatenate([positions for positions, _ in self.parts])
        return whole.take(np.argsort(positions))


_Slot = tuple[_Request, int]  # a request, and the position of the text in it


class Engine:
    """A queue of rows and the thread that empties it through `run`.

    run:      kind, token ids and mask [B, S] int64 -> rows; called from the engine's thread only
    notify:   where answers are set, e.g. `loop.call_soon_threadsafe`; called once a batch
    max_waiting_tokens: what may wait; `submit` raises Exhausted beyond it
    """

    def __init__(
        self,
        run: Runs,
        policy: BatchPolicy,
        *,
        notify: Callable[[Callable[[], None]], object],
        max_waiting_tokens: int,
    ) -> None:
        self._run = run
        self._notify = notify
        self._waiting: WaitingRows[_Slot] = WaitingRows(policy)
        self._max_waiting_tokens = max_waiting_tokens
        self._line: deque[_Request] = deque()
        self._bulk_tokens = min(_BULK_BATCHES * policy.max_batch_tokens, max_waiting_tokens // 2)
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name="spladed-engine", daemon=True)
        self._thread.start()

    @property
    def waiting_tokens(self) -> int:
        """Tokens in the queue."""
        return self._waiting.tokens

    def submit(
        self, texts: Sequence[TokenIds], kind: Kind, answer: Answer, *, bulk: bool = False
    ) -> None:
        """Queues the texts (at least one); `answer` gets their rows, in order, or an error.

        bulk: wait for room in line instead of being refused

        Raises Exhausted when the queue is full, Unavailable after `close`.
        """
        request = _Request(texts, kind, answer, missing=len(texts))
        with self._changed:
            if self._closed:
                raise Unavailable("the encoder is shutting down", reason="SHUTTING_DOWN")
            if bulk:
                self._stand_in_line(request)
            else:
                self._check_room(sum(len(ids) for ids in texts))
                self._enter(request)
            self._changed.notify()

    def close(self) -> None:
        """Stops after the batch in hand; whatever still waits is answered Unavailable."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _stand_in_line(self, request: _Request) -> None:
        # Callers come and go while a batch runs; who has gone must not stay in memory.
        self._line = deque(each for each in self._line if not each.answer.done())
        self._line.append(request)
        self._admit_line()

    def _admit_line(self) -> None:
        """Lets the line in while the queue is short; after this it is empty, or the queue
        is not."""
        while self._line and self._waiting.tokens <= self._bulk_tokens:
            request = self._line.popleft()
            if not request.answer.done():
                self._enter(request)

    def _enter(self, request: _Request) -> None:
        for position, ids in enumerate(request.texts):
            self._waiting.add(len(ids), request.kind, (request, position))

    def _check_room(self, tokens: int) -> None:
        waiting = self._waiting.tokens
        # An idle engine takes any request that passed the limits, however large.
        if waiting and waiting + tokens > self._max_waiting_tokens:
            raise Exhausted(
                f"the encoder's queue holds {waiting} tokens; {tokens} more would exceed "
                f"max_waiting_tokens {self._max_waiting_tokens}; try again later",
                reason="QUEUE_FULL",
                retry_after_seconds=1.0,
            )

    def _loop(self) -> None:
        while (batch := self._next()) is not None:
            live = [row for row in batch if not row.owner[0].answer.done()]
            if live:
                self._answer(live)
        self._refuse_waiting()

    def _next(self) -> list[WaitingRow[_Slot]] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._waiting) > 0)
            if self._closed:
                return None
            batch = self._waiting.take()
            self._admit_line()
            return batch

    def _answer(self, batch: list[WaitingRow[_Slot]]) -> None:
        try:
            texts = [row.owner[0].texts[row.owner[1]] for row in batch]
            rows = run_rows(self._run, batch[0].kind, texts, self._waiting.policy)
        except Exception as error:  # whatever it is, the callers must hear of it
            failure = _as_error(error)
            failed = {id(row.owner[0]): row.owner[0] for row in batch}
            self._notify(lambda: _fail(list(failed.values()), failure))
            return
        finished = _deliver(batch, rows)
        if finished:
            self._notify(lambda: _finish(finished))

    def _refuse_waiting(self) -> None:
        with self._changed:
            rows, line = self._waiting.drain(), list(self._line)
            self._line.clear()
        requests = [*{id(row.owner[0]): row.owner[0] for row in rows}.values(), *line]
        error = Unavailable("the encoder is shutting down", reason="SHUTTING_DOWN")
        if requests:
            self._notify(lambda: _fail(requests, error))


def run_rows(run: Runs, kind: Kind, texts: Sequence[TokenIds], policy: BatchPolicy) -> SparseBatch:
    """Pads the texts, all of one kind, into one batch [B, S] and runs it."""
    length = policy.padded(max(len(ids) for ids in texts))
    tokens = np.zeros((len(texts), length), np.int64)
    mask = np.zeros((len(texts), length), np.int64)
    for row, ids in enumerate(texts):
        tokens[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
    return run(kind, tokens, mask)


def _deliver(batch: list[WaitingRow[_Slot]], rows: SparseBatch) -> list[_Request]:
    """Hands each request its rows; returns those that now have all of them."""
    by_request: dict[int, tuple[_Request, list[int], list[int]]] = {}
    for number, row in enumerate(batch):
        request, position = row.owner
        _, positions, numbers = by_request.setdefault(id(request), (request, [], []))
        positions.append(position)
        numbers.append(number)
    return [
        request
        for request, positions, numbers in by_request.values()
        if request.put(positions, rows.take(numbers))
    ]


def _finish(requests: Sequence[_Request]) -> None:
    for request in requests:
        if not request.answer.done():
            request.answer.set_result(request.rows())


def _fail(requests: Sequence[_Request], error: SpladedError) -> None:
    for request in requests:
        if not request.answer.done():
            request.answer.set_exception(error)


def _as_error(error: Exception) -> SpladedError:
    if isinstance(error, SpladedError):
        return error
    # The cause may quote a caller's text or a path: it is for the log, not for the wire.
    _LOG.error("this is a bug: a batch failed", exc_info=error)
    return Internal(
        "this is a bug in spladed: a batch failed; the server's log has the cause",
        reason="ENGINE_FAILED",
    )
