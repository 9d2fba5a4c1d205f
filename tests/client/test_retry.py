from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spladed import errors
from spladed.client.retry import Retry, is_passing

FULL = errors.Exhausted("full", reason="QUEUE_FULL", retry_after_seconds=2.0)
AWAY = errors.Unavailable("away", reason="GRPC_UNAVAILABLE")


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (AWAY, True),
        (FULL, True),
        (errors.Exhausted("too large", reason="REPLY_TOO_LARGE"), False),
        (errors.Unavailable("future", reason="GENERATION_NOT_REACHED"), False),
        (errors.InvalidInput("bad", reason="X"), False),
        (errors.DeadlineExceeded("late", reason="X"), False),
        (errors.Internal("bug", reason="X"), False),
    ],
)
def test_only_what_waiting_mends_is_repeated(error: errors.SpladedError, passing: bool) -> None:
    assert is_passing(error) == passing
    assert Retry().repeats(1, error, idempotent=True) == passing
    assert not Retry().repeats(1, error, idempotent=False)
    assert not Retry(attempts=1).repeats(1, error, idempotent=True)


@given(st.integers(1, 40), st.floats(0, 0.999))
def test_waits_double_up_to_the_longest_and_keep_to_retry_info(failures: int, draw: float) -> None:
    retry = Retry(first_seconds=0.1, longest_seconds=5.0)
    longest = min(5.0, 0.1 * 2 ** (failures - 1))
    assert longest / 2 <= retry.wait_seconds(failures, AWAY, draw) <= longest
    assert retry.wait_seconds(failures, FULL, draw) >= 2.0


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(errors.InvalidInput):
        Retry(attempts=0)
    with pytest.raises(errors.InvalidInput):
        Retry(first_seconds=0)
