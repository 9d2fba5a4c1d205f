"""Threads that drive a session: each takes the next batch, runs it, answers it.

Whoever submits gets exactly one answer: rows, or the error that stopped their batch. A
request whose future is done (cancelled, expired) is dropped before it costs anything.

Bulk requests are never refused: they stand in a line before the queue and enter it, in
order, as it empties. How long the line gets is up to those who submit to it: a stream has
a few chunks in flight, and stops reading.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from spladed.encoder.batch import BatchPolicy, WaitingRow, WaitingRows
from spladed.encoder.pace import Pace
from spladed.encoder.request import Answer, Request, Slot, by_request, is_wanted, set_answers
from spladed.encoder.run import Ran, Runs, TokenIds, as_error, run_in_parts, run_rows
from spladed.errors import Exhausted, SpladedError, Unavailable
from spladed.manifest import Kind
from spladed.sparse import SparseBatch

__all__ = ["Engine"]

# What bulk requests may fill of the queue: enough batches to sort rows by length, few
# enough for single documents behind them to come soon. Never more than half of it, so that
# bulk alone gets nobody refused.
_BULK_BATCHES = 8

# Queries flow until so long after the last one. In seconds, not in batches: where a batch of
# documents takes three of them, a person who asks once a second would find each of them full.
_FLOW_SECONDS = 10.0


class Engine:
    """A queue of rows and the threads that empty it through `run`.

    run:      kind, token ids and mask [B, S] int64 -> rows; called from the engine's threads only
    notify:   where answers are set, e.g. `loop.call_soon_threadsafe`; called at most once a batch
    max_waiting_tokens:    what may wait; `submit` raises Exhausted beyond it
    max_document_batch_ms: what a batch of documents may take while queries flow, as far as past
                           batches tell; a single row may take longer
    parallel_batches:      batches that run side by side, each in a thread of its own
    clock:    seconds
    observe:  is told of every batch that ran, by the thread that ran it
    """

    def __init__(
        self,
        run: Runs,
        policy: BatchPolicy,
        *,
        notify: Callable[[Callable[[], None]], object],
        max_waiting_tokens: int,
        max_document_batch_ms: float,
        parallel_batches: int = 1,
        clock: Callable[[], float] = time.monotonic,
        observe: Callable[[Ran], object] = lambda _: None,
    ) -> None:
        self._run = run
        self._notify = notify
        self._clock = clock
        self._observe = observe
        self._running: dict[int, tuple[float, Sequence[WaitingRow[Slot]]]] = {}
        self._waiting: WaitingRows[Slot] = WaitingRows(policy)
        self._max_waiting_tokens = max_waiting_tokens
        self._line: deque[Request] = deque()
        self._bulk_tokens = min(_BULK_BATCHES * policy.max_batch_tokens, max_waiting_tokens // 2)
        self._max_document_batch_ms = max_document_batch_ms
        self._document_pace = Pace()
        self._last_query = -math.inf
        self._swept = False
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._loop, name=f"spladed-engine-{number}", daemon=True)
            for number in range(parallel_batches)
        ]
        for thread in self._threads:
            thread.start()

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
        request = Request(texts, kind, answer, missing=len(texts))
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
        """Stops after the batches in hand; whatever still waits is answered Unavailable."""
        error = Unavailable("the encoder is shutting down", reason="SHUTTING_DOWN")
        with self._changed:
            self._closed = True
            requests = [row.owner[0] for row in self._waiting.drain()] + list(self._line)
            self._line.clear()
            self._changed.notify_all()
        self._fail(requests, error)
        for thread in self._threads:
            thread.join()

    def _stand_in_line(self, request: Request) -> None:
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

    def _enter(self, request: Request) -> None:
        for position, ids in enumerate(request.texts):
            self._waiting.add(len(ids), request.kind, (request, position))

    def _check_room(self, tokens: int) -> None:
        if self._is_full(tokens) and not self._swept:
            # Rows of callers who have gone refuse nobody. At most one sweep a batch: it reads
            # the whole queue, on the event loop.
            self._waiting.drop(is_wanted)
            self._swept = True
        if self._is_full(tokens):
            raise Exhausted(
                f"the encoder's queue holds {self._waiting.tokens} tokens; {tokens} more would "
                f"exceed max_waiting_tokens {self._max_waiting_tokens}; try again later",
                reason="QUEUE_FULL",
                retry_after_seconds=1.0,
            )

    def _is_full(self, tokens: int) -> bool:
        waiting = self._waiting.tokens
        # An idle engine takes any request that passed the limits, however large.
        return waiting > 0 and waiting + tokens > self._max_waiting_tokens

    def _loop(self) -> None:
        while batch := self._next():
            self._answer(batch)

    def _next(self) -> list[WaitingRow[Slot]]:
        """The next batch, when there is one; empty once the engine is closed."""
        with self._changed:
            while not self._closed:
                if batch := self._take():
                    return batch
                self._changed.wait_for(lambda: self._closed or len(self._waiting) > 0)
            return []

    def _take(self) -> list[WaitingRow[Slot]]:
        batch = self._waiting.take(document_tokens=self._document_tokens(), wanted=is_wanted)
        self._swept = False
        self._admit_line()
        if batch and batch[0].kind == "query":
            self._last_query = self._clock()
        if len(self._waiting) > 0:
            self._changed.notify()  # `submit` woke one thread; there is work for another
        return batch

    def _document_tokens(self) -> int | None:
        """The budget of a batch of documents; None where no query would wait behind it."""
        if self._clock() - self._last_query > _FLOW_SECONDS:
            return None
        return self._document_pace.tokens_in(self._max_document_batch_ms)

    def _answer(self, batch: list[WaitingRow[Slot]]) -> None:
        left = batch
        try:
            for part, made in run_in_parts(batch, self._rows):
                if isinstance(made, SpladedError):
                    self._fail([row.owner[0] for row in part], made)
                else:
                    self._deliver(part, made)
                left = left[len(part) :]
        except Exception as error:  # whatever it is, the callers must hear of it
            self._fail([row.owner[0] for row in left], as_error(error))

    def _rows(self, batch: Sequence[WaitingRow[Slot]]) -> SparseBatch:
        kind, policy = batch[0].kind, self._waiting.policy
        texts = [row.owner[0].texts[row.owner[1]] for row in batch]
        started, thread = self._clock(), threading.get_ident()
        self._running[thread] = started, batch
        try:
            rows = run_rows(self._run, kind, texts, policy)
        finally:
            del self._running[thread]
        tokens = sum(row.length for row in batch)
        padded = len(batch) * policy.padded(max(row.length for row in batch))
        ran = Ran(
            kind, len(batch), tokens, padded, policy.max_batch_tokens, self._clock() - started
        )
        if kind == "document":
            with self._changed:
                self._document_pace.add(ran.padded, ran.seconds)
        self._observe(ran)
        return rows

    def stuck_seconds(self) -> float:
        """For how long the oldest batch in hand has been running; 0 if there is none."""
        started = [each for each, _ in list(self._running.values())]
        return self._clock() - min(started) if started else 0.0

    def give_up(self, error: SpladedError) -> None:
        """Answers whoever waits, for a batch in hand too, and takes nothing more: for threads
        that will not come back."""
        with self._changed:
            self._closed = True
            requests = [row.owner[0] for row in self._waiting.drain()] + list(self._line)
            requests += [row.owner[0] for _, batch in self._running.values() for row in batch]
            self._line.clear()
            self._changed.notify_all()
        self._fail(requests, error)

    def _deliver(self, batch: Sequence[WaitingRow[Slot]], rows: SparseBatch) -> None:
        """Hands each request its rows, and answers those that now have all of them."""
        parts = [
            (request, positions, rows.take(numbers))
            for request, positions, numbers in by_request(batch)
        ]
        with self._changed:
            whole = [
                request
                for request, positions, taken in parts
                if request.put(positions, taken) and request.claim()
            ]
        answers = [(request.answer, request.rows()) for request in whole]
        if answers:
            self._notify(lambda: set_answers(answers))

    def _fail(self, requests: Sequence[Request], error: SpladedError) -> None:
        """Answers each of them with the error, unless it was answered."""
        with self._changed:
            answers = [(request.answer, error) for request in requests if request.claim()]
        if answers:
            self._notify(lambda: set_answers(answers))
