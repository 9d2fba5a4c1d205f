from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spladed.rpc.rate import Bucket, take

FULL = Bucket(float("inf"), 0.0)


def test_a_seconds_worth_may_come_at_once_and_then_it_waits() -> None:
    bucket, wait = take(FULL, rate=10, amount=10, now=0.0)
    assert (bucket.level, wait) == (0, 0)
    bucket, wait = take(bucket, rate=10, amount=1, now=0.0)
    assert 0 < wait <= 0.001
    assert take(bucket, rate=10, amount=1, now=wait)[1] == 0


def test_what_is_larger_than_the_bucket_is_taken_as_debt() -> None:
    bucket, wait = take(FULL, rate=10, amount=50, now=0.0)
    assert (bucket.level, wait) == (-40, 0)
    bucket, wait = take(bucket, rate=10, amount=1, now=1.0)
    assert (bucket.level, wait) == (-30, 3.0), "nothing is taken"
    assert take(bucket, rate=10, amount=1, now=4.001)[1] == 0


def test_nothing_costs_nothing_even_in_debt() -> None:
    assert take(Bucket(-5, 0.0), rate=1, amount=0, now=0.0)[1] == 0


def test_a_rate_below_one_still_lets_one_through() -> None:
    bucket, wait = take(FULL, rate=0.1, amount=1, now=0.0)
    assert wait == 0
    assert bucket.level == 0
    assert take(bucket, rate=0.1, amount=1, now=5.0) == (Bucket(-0.5, 5.0), 0)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    assert take(Bucket(-1, 10.0), rate=1, amount=1, now=5.0) == (Bucket(-1, 5.0), 1.0)


STEPS = st.lists(st.tuples(st.floats(0, 2), st.integers(1, 100)), min_size=1, max_size=60)


@given(STEPS, st.floats(0.5, 1000))
def test_over_any_time_no_more_is_taken_than_the_rate_a_bucket_and_one_request(
    steps: list[tuple[float, int]], rate: float
) -> None:
    bucket, now, taken = FULL, 0.0, 0
    for seconds, amount in steps:
        now += seconds
        bucket, wait = take(bucket, rate=rate, amount=amount, now=now)
        taken += 0 if wait else amount
        assert taken <= max(rate, 1.0) + rate * now + 100 + 1e-6


@given(st.floats(-1000, 0), st.floats(0.01, 1000))
def test_after_the_wait_that_it_says_it_lets_through(level: float, rate: float) -> None:
    bucket, wait = take(Bucket(level, 0.0), rate=rate, amount=1, now=0.0)
    assert wait > 0
    assert take(bucket, rate=rate, amount=1, now=wait + 1e-6 * (1 + wait))[1] < 2e-3
