"""The encoder as a library: any number of texts, in order, and how far they have come."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest

import spladed
from spladed.encoder import encoder as module
from spladed.encoder.ahead import ahead, in_windows
from spladed.encoder.run import run_all
from spladed.encoder.tokenize import windows
from spladed.errors import Exhausted, InvalidInput, Mismatch
from spladed.sparse import SparseBatch

WORDS = ["dog", "train", "index", "copy", "query", "search", "network", "graph", "sparse", "text"]


@pytest.fixture(scope="module")
def encoder() -> spladed.Encoder:
    return spladed.Encoder.load("builtin", threads=1)


def texts(count: int) -> list[str]:
    random = np.random.default_rng(3)
    return [" ".join(random.choice(WORDS, size)) for size in random.integers(1, 60, count)]


def same(left: SparseBatch, right: SparseBatch) -> bool:
    mine, theirs = list(left.rows()), list(right.rows())
    return len(mine) == len(theirs) and all(
        np.array_equal(a[0], b[0]) and np.allclose(a[1], b[1], atol=1e-4)
        for a, b in zip(mine, theirs, strict=True)
    )


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "in_windows", lambda items: in_windows(items, 16))
    monkeypatch.setattr(module, "WINDOW", 16)


@pytest.mark.usefixtures("small_windows")
def test_many_texts_give_the_rows_of_each(encoder: spladed.Encoder) -> None:
    given = texts(50)
    alone = [encoder.encode([each], kind="document") for each in given]
    parts = list(encoder.encode_many(iter(given), kind="document"))
    assert [len(part) for part in parts] == [16, 16, 16, 2]
    assert same(
        SparseBatch.concatenate(encoder.dimension, parts),
        SparseBatch.concatenate(encoder.dimension, alone),
    )


def test_batches_side_by_side_give_the_same_rows(encoder: spladed.Encoder) -> None:
    side_by_side = spladed.Encoder.load(
        "builtin", threads=2, parallel_batches=2, max_batch_tokens=256
    )
    given = texts(80)
    assert same(side_by_side.encode(given, kind="document"), encoder.encode(given, kind="document"))


def test_no_text_gives_no_row(encoder: spladed.Encoder) -> None:
    assert len(encoder.encode([], kind="query")) == 0
    assert list(encoder.encode_many([], kind="query")) == []


@pytest.mark.usefixtures("small_windows")
def test_a_source_without_end_is_read_one_window_ahead(encoder: spladed.Encoder) -> None:
    read = 0

    def source() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield "a text"

    rows = encoder.encode_many(source(), kind="query")
    for number in (1, 2, 3):
        next(rows)
        assert read == 16 * (number + 1)
    rows.close()


@pytest.mark.usefixtures("small_windows")
def test_an_error_names_the_text_of_the_whole_source(encoder: spladed.Encoder) -> None:
    given = [*texts(20), "", "more"]
    with pytest.raises(InvalidInput, match=r"texts\[20\] is empty"):
        list(encoder.encode_many(iter(given), kind="document"))
    with pytest.raises(InvalidInput, match=r"texts\[20\] is empty"):
        encoder.encode(given, kind="document")
    long = [*["short"] * 20, "long " * 600]
    with pytest.raises(InvalidInput, match=r"texts\[20\] has 602 tokens"):
        encoder.encode(long, kind="document", long_text="refuse")


@pytest.mark.usefixtures("small_windows")
def test_progress_counts_texts_up_to_all(encoder: spladed.Encoder) -> None:
    told: list[int] = []
    given = ["word " * 700, *texts(40)]
    encoder.encode(given, kind="document", long_text="chunk_max", progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 41


def test_a_bar_is_drawn_on_stderr(
    encoder: spladed.Encoder, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder.encode(texts(5), kind="document", progress=True)
    said = capsys.readouterr()
    assert "5/5" in said.err
    assert said.out == ""


def test_a_bar_without_rich_says_what_to_install(
    encoder: spladed.Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with pytest.raises(Mismatch, match="pip install rich") as caught:
        encoder.encode(["a text"], kind="document", progress=True)
    assert caught.value.reason == "EXTRA_MISSING"


def test_the_next_is_worked_on_while_the_caller_has_one() -> None:
    entered = threading.Event()

    def work(number: int) -> int:
        if number == 1:
            entered.set()
        return number * 10

    results = ahead(work, [0, 1, 2])
    assert next(results) == 0
    assert entered.wait(10), "before it is asked for"
    assert list(results) == [10, 20]


def test_what_fails_ahead_is_raised_where_it_is_asked_for() -> None:
    def work(number: int) -> int:
        if number == 1:
            raise ValueError(number)
        return number

    results = ahead(work, range(5))
    assert next(results) == 0
    with pytest.raises(ValueError, match="1"):
        next(results)


def test_a_batch_that_runs_out_of_memory_is_halved(encoder: spladed.Encoder) -> None:
    sizes: list[int] = []

    def small(kind: str, ids: np.ndarray, mask: np.ndarray) -> SparseBatch:
        sizes.append(len(ids))
        if len(ids) > 3:
            raise MemoryError("bad_alloc")
        return encoder.run("document", ids, mask)

    ids = windows(encoder.tokenize(["a text"] * 10, kind="document"))
    parts = list(run_all(small, "document", ids, encoder.policy, parallel_batches=1))
    assert [number for numbers, _ in parts for number in numbers] == list(range(10))
    assert max(len(rows) for _, rows in parts) == 3
    assert sizes[0] == 10

    def none(kind: str, ids: np.ndarray, mask: np.ndarray) -> SparseBatch:
        raise MemoryError("bad_alloc")

    with pytest.raises(Exhausted) as caught:
        list(run_all(none, "document", ids, encoder.policy, parallel_batches=2))
    assert caught.value.reason == "OUT_OF_MEMORY"
