"""Queries spread over threads give what one thread gives, each once, and end together."""

from __future__ import annotations

import gc
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spladed.errors import InvalidInput
from spladed.index import Collection, Upkeep
from spladed.index.answers import Answers
from spladed.index.filter import Ids
from spladed.index.search import Search
from spladed.sparse import SparseBatch

from .oracle import batch, collection, documents, random_batch

TERMS = 60


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    """A collection of several parts, with dead rows and ids that are no ASCII."""
    folder = tmp_path_factory.mktemp("answers")
    with collection(folder, TERMS, upkeep=Upkeep(flush_documents=150, background=False)) as made:
        for first in range(0, 600, 50):
            ids = [f"{'dé'[number % 2]}{number}" for number in range(first, first + 50)]
            rows = random_batch(np.random.default_rng(first), TERMS, 50, 8)
            made.upsert(documents(*ids), rows)
        made.delete([f"d{number}" for number in range(0, 600, 20)])
        yield made


queries = st.lists(
    st.dictionaries(st.integers(0, TERMS - 1), st.floats(0.125, 8, width=32), max_size=6),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(queries, st.integers(1, 700), st.integers(2, 5), st.booleans(), st.booleans())
def test_threads_give_what_one_gives(
    parts: Collection, asked: list[dict[int, float]], k: int, threads: int, filtered: bool,
    with_documents: bool,
) -> None:  # fmt: skip
    keep = Ids([f"é{number}" for number in range(1, 300, 2)]) if filtered else None
    rows, one_by_one = batch(TERMS, *asked), []
    for number in range(len(rows)):
        query = rows.slice(number, number + 1)
        found, _ = parts.search(query, k, keep=keep, with_documents=with_documents)
        one_by_one += found
    expected = one_by_one, parts.generation
    for count in (1, threads):
        found = parts.search(rows, k, keep=keep, threads=count, with_documents=with_documents)
        assert found == expected


def test_an_id_may_hold_a_nul(tmp_path: Path) -> None:
    with collection(tmp_path) as made:
        made.upsert(documents("a\0b", "\0", "c"), batch(100, {1: 3}, {1: 2}, {1: 1}))
        assert [hit.id for hit in made.search(batch(100, {1: 1}), 3)[0][0]] == ["a\0b", "\0", "c"]


def test_no_more_threads_than_asked_for(parts: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: Counter[str] = Counter()
    best = Search.best

    def noted(self: Search, number: int) -> Any:
        seen[threading.current_thread().name] += 1
        return best(self, number)

    monkeypatch.setattr(Search, "best", noted)
    rows = SparseBatch.concatenate(TERMS, [batch(TERMS, {1: 1.0})] * 200)
    for threads in (1, 2, 3):
        seen.clear()
        parts.search(rows, 5, threads=threads)
        assert seen.total() == 200
        assert len(seen) <= threads


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"threads": 0}, "THREADS"), ({"effort": 1.5}, "EFFORT"), ({"effort": -0.5}, "EFFORT"),
     ({"effort": float("nan")}, "EFFORT"), ({"k": 0}, "K")],
)  # fmt: skip
@pytest.mark.parametrize("threads", [1, 2])
def test_what_is_refused_is_refused_over_any_threads(
    parts: Collection, options: dict[str, Any], reason: str, threads: int
) -> None:
    arguments: dict[str, Any] = {"k": 3, "threads": threads} | options
    with pytest.raises(InvalidInput) as caught:
        parts.search(batch(TERMS, {1: 1.0}, {2: 1.0}), **arguments)
    assert (caught.value.reason, caught.value.field) == (reason, reason.lower())
    assert not parts._pins._held


class Fake:
    """Stands for a view and its prepared queries; query number 3 fails if told so."""

    generation = 7

    def __init__(self, fails: bool = False) -> None:
        self.open, self.opened, self.fails = 0, 0, fails

    @contextmanager
    def view(self) -> Iterator[Any]:
        self.open, self.opened = self.open + 1, self.opened + 1
        yield self
        self.open -= 1

    def ranked(self, number: int) -> Any:
        assert self.open
        if self.fails and number == 3:
            raise KeyError(number)
        return SimpleNamespace(number=number)


def answers_of(fake: Fake, count: int) -> Answers[int]:
    return Answers(
        count, fake.view(), lambda view: cast(Any, view), lambda hits: cast(Any, hits).number
    )


def test_the_view_is_opened_once_and_closed_when_all_are_done() -> None:
    fake = Fake()
    answers = answers_of(fake, 1000)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(answers.work)
    assert answers.answers == list(range(1000))
    assert (answers.generation, answers.left, fake.open, fake.opened) == (7, 0, 0, 1)


def test_a_slice_ends_when_its_time_is_over_and_answers_one_at_least() -> None:
    fake = Fake()
    answers = answers_of(fake, 3)
    for left in (2, 1):
        answers.work(0)
        assert (answers.left, fake.open) == (left, 1)
    answers.work(0)
    assert (answers.answers, fake.open) == ([0, 1, 2], 0)


def test_no_queries_still_have_a_generation() -> None:
    answers = answers_of(Fake(), 0)
    answers.work(0)
    assert (answers.answers, answers.generation) == ([], 7)


def test_what_fails_ends_the_work_of_all() -> None:
    fake = Fake(fails=True)
    answers = answers_of(fake, 1000)
    with pytest.raises(KeyError):
        answers.finish(3)
    assert (answers.left, fake.open) == (0, 0)


def test_nothing_is_kept_of_the_view(parts: Collection) -> None:
    """Else whoever reads the answers would unmap segments that were replaced meanwhile."""
    rows = batch(TERMS, {1: 1.0}, {2: 1.0})
    answers = parts.answers(
        rows, 3, keep=None, effort=1.0, with_documents=True, made=lambda ranked: ranked.hits()
    )
    gc.collect()  # of tests before, whose garbage may hold the same snapshot
    with parts.snapshot() as view:
        before = sys.getrefcount(view.snapshot)
        answers.work()
        after = sys.getrefcount(view.snapshot)
    assert after == before
    assert answers.answers == parts.search(rows, 3, with_documents=True)[0]


def test_a_stopped_call_lets_the_view_go() -> None:
    fake = Fake()
    answers = answers_of(fake, 10)
    answers.work(0)
    assert fake.open
    answers.stop()
    assert (answers.left, fake.open) == (0, 0)
    answers.work()
    assert (fake.open, fake.opened) == (0, 1)


def test_what_was_stopped_before_it_began_opens_nothing() -> None:
    fake = Fake()
    answers = answers_of(fake, 10)
    answers.stop()
    answers.work()
    assert fake.opened == 0
