"""The engine: everything submitted is answered exactly once, whatever fails."""

from __future__ import annotations

import threading
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


def start(run: Callable[..., SparseBatch], **options: int) -> Engine:
    policy = BatchPolicy(max_batch_tokens=options.get("max_batch_tokens", 64), length_step=4)
    return Engine(
        run,
        policy,
        notify=lambda answer: answer(),
        max_waiting_tokens=options.get("max_waiting_tokens", 1000),
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


def submit(engine: Engine, *texts: np.ndarray, bulk: bool = False) -> Future[SparseBatch]:
    answer: Future[SparseBatch] = Future()
    engine.submit(texts, "document", answer, bulk=bulk)
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
