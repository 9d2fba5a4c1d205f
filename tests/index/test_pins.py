"""Who reads what: held snapshots, and waiting for those who hold one now."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path

import numpy as np
import pytest

from spladed.index import Upkeep, upkeep
from spladed.index.pins import Pins
from spladed.index.snapshot import Snapshot

from .oracle import collection, documents, random_batch
from .test_upkeep import until

LONG, SHORT = 10.0, 0.01


def test_the_oldest_held_generation_is_what_readers_may_still_see() -> None:
    published = [Snapshot(1, ())]
    pins = Pins(lambda: published[0])
    assert pins.oldest() == 1
    with pins.hold() as first:
        published[0] = Snapshot(5, ())
        with pins.hold() as second:
            assert (first.generation, second.generation, pins.oldest()) == (1, 5, 1)
        assert pins.oldest() == 1
    assert pins.oldest() == 5


def test_whoever_waits_for_present_readers_waits_for_no_later_ones() -> None:
    pins = Pins(lambda: Snapshot(1, ()))
    assert pins.wait_for_present(0)
    early, late = pins.hold(), pins.hold()
    early.__enter__()
    assert not pins.wait_for_present(SHORT)
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.append(pins.wait_for_present(LONG)))
    waiting.start()
    waiting.join(SHORT)  # by now it waits: it has seen the early one, and not the late one
    late.__enter__()
    assert not answers
    early.__exit__(None, None, None)
    waiting.join(LONG)
    assert answers == [True]
    late.__exit__(None, None, None)
    assert pins.wait_for_present(0)


def test_a_merged_segment_goes_with_upkeep_and_not_with_its_last_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_LINGER_SECONDS", LONG)
    with collection(tmp_path, upkeep=Upkeep()) as made:
        for first in (0, 8):
            ids = [str(number) for number in range(first, first + 8)]
            made.upsert(documents(*ids), random_batch(np.random.default_rng(first), 100, 8, 4))
            made.flush()
        gone: list[str] = []
        reading = made.snapshot()
        segment = reading.__enter__().snapshot.parts[0].segment
        weakref.finalize(segment, lambda: gone.append(threading.current_thread().name))
        del segment
        compacting = threading.Thread(target=made.compact, name="compacting")
        compacting.start()
        until(lambda: len(made._writer.snapshot.parts) == 1)
        compacting.join(SHORT)
        assert compacting.is_alive() and not gone  # it waits for the reader
        reading.__exit__(None, None, None)
        del reading
        compacting.join(LONG)
        assert gone == ["compacting"]
