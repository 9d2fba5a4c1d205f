"""The engine: everything submitted is answered exactly once, whatever fails."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import numpy as np
import pytest

from spladed.encoder.batch import BatchPolicy
from spladed.encoder.engine import Engine
from spladed.errors import Exhausted, Internal, Unavailable
from spladed.manifest import Kind
from spladed.sparse import SparseBatch

DIMENSION = 1000


def echo(kind: Kind, ids: np.ndarray, mask: np.ndarray) -> SparseBatch:
    """A row holds its text's distinct ids: a model whose answers can be foreseen."""
    rows = [np.unique(row[keep == 1]) for row, keep in zip(ids, mask, strict=True)]
    return SparseBatch.from_rows(DIMENSION, [(row, np.ones(len(row))) for row in rows])


def text(*ids: int) -> np.ndarray:
    return np.array(ids, np.int64)


def start(
    run: Callable[..., SparseBatch],
    *,
    max_batch_tokens: int = 64,
    max_waiting_tokens: int = 1000,
    parallel_batches: int = 1,
    clock: Callable[[], float] = time.monotonic,
) -> Engine:
    return Engine(
        run,
        BatchPolicy(max_batch_tokens=max_batch_tokens, length_step=4),
        notify=lambda answer: answer(),
        max_waiting_tokens=max_waiting_tokens,
        max_document_batch_ms=50,
        parallel_batches=parallel_batches,
        clock=clock,
    )


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = start(echo)
    yield engine
    engine.close()


class Gate:
    """A run that waits to be let through, so that a queue can be built behind it."""

    def __init__(self, run: Callable[..., SparseBatch] = echo) -> None:
        self.run = run
        self.entered = threading.Semaphore(0)
        self.opened = threading.Event()
        self.rows = 0

    def __call__(self, kind: Kind, ids: np.ndarray, mask: np.ndarray) -> SparseBatch:
        self.entered.release()
        assert self.opened.wait(10)
        self.rows += len(ids)
        return self.run(kind, ids, mask)


def submit(
    engine: Engine, *texts: np.ndarray, kind: Kind = "document", bulk: bool = False
) -> Future[SparseBatch]:
    answer: Future[SparseBatch] = Future()
    engine.submit(texts, kind, answer, bulk=bulk)
    return answer


def rows_of(answer: Future[SparseBatch]) -> list[list[int]]:
    return [indices.tolist() for indices, _ in answer.result(10).rows()]


def test_rows_come_back_in_the_order_of_the_texts(engine: Engine) -> None:
    lengths = [30, 2, 17, 2, 9, 30, 1, 16]  # several lanes, so several batches
    texts = [text(*range(number, number + length)) for number, length in enumerate(lengths)]
    assert rows_of(submit(engine, *texts)) == [each.tolist() for each in texts]


def test_many_callers_get_their_own_rows(engine: Engine) -> None:
    answers = [submit(engine, text(number), text(number + 500)) for number in range(200)]
    for number, answer in enumerate(answers):
        assert rows_of(answer) == [[number], [number + 500]]


def test_a_batch_that_fails_answers_its_callers_and_the_engine_goes_on() -> None:
    def sometimes(kind: Kind, ids: np.ndarray, mask: np.ndarray) -> SparseBatch:
        if 13 in ids:
            raise ValueError("secret detail")
        return echo(kind, ids, mask)

    engine = start(sometimes)
    failed = submit(engine, text(13))
    with pytest.raises(Internal) as caught:
        failed.result(10)
    assert caught.value.reason == "ENGINE_FAILED"
    assert "secret detail" not in caught.value.message
    assert rows_of(submit(engine, text(14))) == [[14]]
    engine.close()


def test_a_model_that_loses_rows_is_a_bug_that_its_callers_hear_of() -> None:
    engine = start(lambda kind, ids, mask: echo(kind, ids[1:], mask[1:]))
    with pytest.raises(Internal) as caught:
        submit(engine, text(1), text(2)).result(10)
    assert caught.value.reason == "ENGINE_FAILED"
    engine.close()


def test_what_nobody_waits_for_is_never_run() -> None:
    gate = Gate()
    engine = start(gate)
    first = submit(engine, text(1))
    assert gate.entered.acquire(timeout=10)
    waiting = [submit(engine, text(number)) for number in (2, 3)]
    assert waiting[0].cancel()
    gate.opened.set()
    assert rows_of(waiting[1]) == [[3]]
    assert first.done()
    assert gate.rows == 2
    engine.close()


def test_a_full_queue_refuses_at_once_and_names_its_limit() -> None:
    gate = Gate()
    engine = start(gate, max_waiting_tokens=10)
    running = submit(engine, text(1))
    assert gate.entered.acquire(timeout=10)
    waiting = submit(engine, *[text(2)] * 8)
    with pytest.raises(Exhausted, match="max_waiting_tokens 10") as caught:
        submit(engine, text(3, 4, 5))
    assert caught.value.retry_after_seconds
    gate.opened.set()
    assert len(rows_of(waiting)) == 8
    assert running.done()
    engine.close()


def test_bulk_waits_in_line_where_others_are_refused_and_keeps_its_order() -> None:
    gate = Gate()
    engine = start(gate, max_waiting_tokens=10)
    running = submit(engine, text(1))
    assert gate.entered.acquire(timeout=10)
    answers = [submit(engine, *[text(number)] * 4, bulk=True) for number in range(2, 8)]
    assert engine.waiting_tokens == 8, "more than half of the queue is full: bulk stops"
    single = submit(engine, text(99))
    assert engine.waiting_tokens == 9, "a single call still finds room"
    gate.opened.set()
    for number, answer in enumerate(answers, 2):
        assert rows_of(answer) == [[number]] * 4
    assert (rows_of(single), running.done()) == ([[99]], True)
    engine.close()


def test_bulk_that_nobody_waits_for_leaves_the_line() -> None:
    gate = Gate()
    engine = start(gate, max_waiting_tokens=10)
    submit(engine, text(1))
    assert gate.entered.acquire(timeout=10)
    gone = [submit(engine, *[text(2)] * 8, bulk=True) for _ in range(50)]
    assert all(each.cancel() for each in gone)
    last = submit(engine, text(3), bulk=True)
    assert len(engine._line) <= 1
    gate.opened.set()
    assert rows_of(last) == [[3]]
    assert gate.rows <= 1 + 8 + 1, "but for the first, which had entered, none was run"
    engine.close()


def test_closing_answers_whatever_still_waits() -> None:
    gate = Gate()
    engine = start(gate)
    running = submit(engine, text(1))
    assert gate.entered.acquire(timeout=10)
    waiting = submit(engine, text(2))
    in_line = [submit(engine, *[text(3)] * 600, bulk=True) for _ in range(2)]
    closing = threading.Thread(target=engine.close)
    closing.start()
    gate.opened.set()
    closing.join(10)
    assert rows_of(running) == [[1]]
    for each in (waiting, *in_line):
        with pytest.raises(Unavailable):
            each.result(10)
    with pytest.raises(Unavailable):
        submit(engine, text(3))


class Slow:
    """A model of 1,000 tokens a second by a clock of its own, that remembers its batches."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.gate = Gate(self._pass)
        self.batches: list[tuple[Kind, int]] = []

    def clock(self) -> float:
        return self.now

    def _pass(self, kind: Kind, ids: np.ndarray, mask: np.ndarray) -> SparseBatch:
        self.batches.append((kind, ids.size))
        self.now += ids.size / 1000
        return echo(kind, ids, mask)


def run_behind_a_gate(slow: Slow, engine: Engine, *, kind: Kind, documents: int) -> list[int]:
    """Padded tokens of each batch of documents that waits behind one of `kind`."""
    slow.gate.opened.clear()
    slow.gate.entered = threading.Semaphore(0)
    slow.batches.clear()
    first = submit(engine, text(1, 2, 3, 4), kind=kind)
    assert slow.gate.entered.acquire(timeout=10)
    waiting = submit(engine, *[text(1, 2, 3, 4)] * documents)
    slow.gate.opened.set()
    assert len(waiting.result(10)) == documents
    assert first.done()
    return [tokens for _, tokens in slow.batches[1:]]


def test_a_batch_of_documents_is_bounded_in_time_while_queries_flow() -> None:
    slow = Slow()
    engine = start(slow.gate, max_batch_tokens=400, clock=slow.clock)
    assert run_behind_a_gate(slow, engine, kind="document", documents=200) == [400, 400]
    bounded = run_behind_a_gate(slow, engine, kind="query", documents=30)
    assert bounded == [48, 48, 24], "50 ms hold 50 tokens: 12 rows of 4"
    slow.now += 9
    assert max(run_behind_a_gate(slow, engine, kind="document", documents=30)) <= 50
    slow.now += 11
    assert run_behind_a_gate(slow, engine, kind="document", documents=100) == [400]
    engine.close()


def test_before_anything_was_measured_a_single_document_measures_it() -> None:
    slow = Slow()
    engine = start(slow.gate, max_batch_tokens=400, clock=slow.clock)
    assert run_behind_a_gate(slow, engine, kind="query", documents=13) == [4, 48]
    engine.close()


def test_a_text_longer_than_the_bound_runs_alone() -> None:
    slow = Slow()
    engine = start(slow.gate, max_batch_tokens=400, clock=slow.clock)
    slow.gate.opened.set()
    submit(engine, text(1), kind="query").result(10)
    submit(engine, *[text(*range(200))] * 2).result(10)
    assert slow.batches[1:] == [("document", 200)] * 2
    engine.close()


class Small:
    """A model with memory for `tokens` in a batch."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.sizes: list[int] = []

    def __call__(self, kind: Kind, ids: np.ndarray, mask: np.ndarray) -> SparseBatch:
        self.sizes.append(len(ids))
        if ids.size > self.tokens:
            raise MemoryError("bad_alloc")
        return echo(kind, ids, mask)


def test_a_batch_that_runs_out_of_memory_is_halved() -> None:
    small = Small(12)
    engine = start(small)
    texts = [text(number) for number in range(10)]
    assert rows_of(submit(engine, *texts)) == [[number] for number in range(10)]
    assert small.sizes == [10, 5, 2, 3, 5, 2, 3]
    engine.close()


def test_a_text_too_large_for_the_memory_is_refused_alone() -> None:
    gate = Gate(Small(12))
    engine = start(gate)
    running = submit(engine, text(1))
    assert gate.entered.acquire(timeout=10)
    fits = submit(engine, text(2), text(3))
    mixed = submit(engine, text(4), text(*range(16)))
    also = submit(engine, text(*range(100, 112)))
    gate.opened.set()
    with pytest.raises(Exhausted) as caught:
        mixed.result(10)
    assert caught.value.reason == "OUT_OF_MEMORY"
    assert rows_of(fits) == [[2], [3]]
    assert rows_of(also) == [list(range(100, 112))]
    assert running.done()
    engine.close()


def test_callers_who_have_gone_make_room_for_others() -> None:
    gate = Gate()
    engine = start(gate, max_waiting_tokens=10)
    running = submit(engine, text(1))
    assert gate.entered.acquire(timeout=10)
    gone = submit(engine, *[text(2)] * 9)
    assert gone.cancel()
    here = submit(engine, *[text(3)] * 9)
    gate.opened.set()
    assert rows_of(here) == [[3]] * 9
    assert running.done()
    assert gate.rows == 10
    engine.close()


def test_batches_run_side_by_side() -> None:
    together = threading.Barrier(3, timeout=10)

    def meet(kind: Kind, ids: np.ndarray, mask: np.ndarray) -> SparseBatch:
        together.wait()
        return echo(kind, ids, mask)

    engine = start(meet, parallel_batches=3, max_batch_tokens=4)
    texts = [text(number) for number in range(3)]
    assert rows_of(submit(engine, *texts)) == [[0], [1], [2]], "one request, three threads"
    engine.close()


@pytest.mark.parametrize("parallel_batches", [1, 4])
def test_whatever_happens_everyone_is_answered_exactly_once(parallel_batches: int) -> None:
    chance = random.Random(7)
    answered: Counter[int] = Counter()

    def unreliable(kind: Kind, ids: np.ndarray, mask: np.ndarray) -> SparseBatch:
        luck = (int(ids.sum()) * 2654435761) % 97
        if luck < 5:
            raise ValueError("broken")
        if luck < 25 and len(ids) > 1:
            raise MemoryError("bad_alloc")
        time.sleep(luck * 1e-5)
        return echo(kind, ids, mask)

    async def one(engine: Engine, number: int) -> str:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[SparseBatch] = loop.create_future()
        answer.add_done_callback(lambda _: answered.update([number]))
        texts = [text(*range(number % 900, number % 900 + chance.randint(1, 40)))
                 for _ in range(chance.randint(1, 6))]  # fmt: skip
        kind: Kind = chance.choice(["query", "document"])
        try:
            engine.submit(texts, kind, answer, bulk=chance.random() < 0.3)
        except Exhausted as error:
            answer.cancel()
            return error.reason
        if chance.random() < 0.1:
            loop.call_later(chance.random() * 0.01, answer.cancel)
        try:
            rows = await asyncio.wait_for(answer, 30)
        except asyncio.CancelledError:
            return "CANCELLED"
        except (Internal, Unavailable) as error:
            return error.reason
        assert [indices.tolist() for indices, _ in rows.rows()] == [each.tolist() for each in texts]
        return "ROWS"

    async def everyone() -> list[str]:
        loop = asyncio.get_running_loop()
        engine = Engine(
            unreliable,
            BatchPolicy(max_batch_tokens=256, length_step=8),
            notify=loop.call_soon_threadsafe,
            max_waiting_tokens=3000,
            max_document_batch_ms=1,
            parallel_batches=parallel_batches,
        )
        callers = [asyncio.create_task(one(engine, number)) for number in range(600)]
        await asyncio.wait(callers[:300], return_when=asyncio.FIRST_EXCEPTION)
        late = [asyncio.create_task(one(engine, number)) for number in range(600, 700)]
        await asyncio.sleep(0)
        await asyncio.to_thread(engine.close)
        return await asyncio.gather(*callers, *late)

    said = Counter(asyncio.run(everyone()))
    assert set(said) >= {"ROWS", "ENGINE_FAILED", "SHUTTING_DOWN", "CANCELLED", "QUEUE_FULL"}
    assert sum(said.values()) == 700
    assert answered == Counter(range(700))
