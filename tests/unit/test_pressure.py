"""The generator of load: a schedule that nothing moves, and waits that a stall cannot hide."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spladed.errors import Exhausted, InvalidInput
from spladed.pressure.drive import closed_loop, open_loop
from spladed.pressure.samples import Samples
from spladed.pressure.schedule import arrivals


@given(st.floats(1, 2_000), st.floats(1, 20), st.integers(0, 5))
def test_arrivals_rise_within_the_time_at_about_the_rate(
    rate: float, seconds: float, seed: int
) -> None:
    due = arrivals(rate, seconds, seed)
    assert (np.diff(due) >= 0).all()
    assert ((due >= 0) & (due < seconds)).all()
    expected = rate * seconds
    assert abs(len(due) - expected) <= 6 * np.sqrt(expected) + 1
    np.testing.assert_array_equal(due, arrivals(rate, seconds, seed))


@pytest.mark.parametrize(
    ("rate", "seconds"), [(0, 1), (-1, 1), (1, 0), (0.1, 1), (float("nan"), 1)]
)
def test_a_rate_without_a_request_is_refused(rate: float, seconds: float) -> None:
    with pytest.raises(InvalidInput, match="a request at least"):
        arrivals(rate, seconds)


def test_one_stall_is_waited_for_by_all_that_were_due_meanwhile() -> None:
    """One answer in 40 takes 0.4 s and holds up the others: half of them wait over 0.1 s for
    it, where a generator that waits for its answers would have seen one slow request."""
    stalled = asyncio.Lock()

    async def ask(number: int) -> bool:
        async with stalled:
            await asyncio.sleep(0.4 if number == 0 else 0)
        return True

    due = [number * 0.01 for number in range(40)]
    samples = asyncio.run(open_loop(ask, due))
    waited = samples.waited_ms()
    assert len(waited) == 40
    assert np.count_nonzero(waited > 100) >= 20
    assert samples.summary(0.4).milliseconds["p99"] > 300


def test_every_request_is_asked_once_and_its_ending_is_told() -> None:
    asked: list[int] = []

    async def ask(number: int) -> bool:
        asked.append(number)
        if number % 3 == 1:
            raise Exhausted("full", reason="QUEUE_FULL")
        return number % 3 == 0

    samples = asyncio.run(open_loop(ask, [0.0] * 9))
    assert sorted(asked) == list(range(9))
    summary = samples.summary(1.0)
    assert summary.endings == {"OK": 3, "QUEUE_FULL": 3, "WRONG_ANSWER": 3}
    assert (summary.requests, summary.failed, summary.offered) == (9, 6, 9.0)


def test_a_bug_of_the_generator_ends_the_run() -> None:
    async def ask(_: int) -> bool:
        raise ValueError("a bug")

    with pytest.raises(ExceptionGroup):
        asyncio.run(open_loop(ask, [0.0]))


def test_a_closed_loop_keeps_so_many_in_flight() -> None:
    running, most = 0, 0

    async def ask(_: int) -> bool:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.005)
        running -= 1
        return True

    samples = asyncio.run(closed_loop(ask, 7, 0.1))
    assert most == 7
    assert len(samples.due) >= 7
    assert samples.summary(0.1).endings == {"OK": len(samples.due)}


def test_a_run_without_a_good_answer_has_no_figures() -> None:
    samples = Samples()
    samples.add(0.0, 0.0, 1.0, "QUEUE_FULL")
    summary = samples.summary(1.0)
    assert np.isnan(summary.milliseconds["p99"])
    assert summary.answered == 0
