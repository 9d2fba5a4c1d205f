"""Whether and when a failed call is made again: a pure decision.

Only what is safe is repeated: the contract says which calls are idempotent. Only what
waiting can mend is repeated: a server that is away, a queue that is full. RetryInfo, where
the server sends it, is the least wait; else waits double, and each is drawn between half
and all of its length, so that a crowd of clients does not come back at once (the precedent
is gRPC's own retry policy, proposal A6).
"""

from __future__ import annotations

from dataclasses import dataclass

from spladed.errors import Exhausted, InvalidInput, SpladedError, Unavailable

__all__ = ["Retry", "is_passing"]


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, and with which waits, a call is repeated.

    attempts:         calls in all; 1 never repeats
    first_seconds:    the wait after the first failure, doubled after each further one
    longest_seconds:  of one wait
    patience_seconds: how long bulk work goes on without a single answer
    """

    attempts: int = 4
    first_seconds: float = 0.1
    longest_seconds: float = 5.0
    patience_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or min(self.first_seconds, self.longest_seconds) <= 0:
            raise InvalidInput(
                f"retry is {self}; expected at least 1 attempt and waits above 0",
                reason="CONFIG",
                field="retry",
            )

    def wait_seconds(self, failures: int, error: SpladedError, draw: float) -> float:
        """The wait after this many failures in a row; `draw` is uniform in [0, 1)."""
        longest = min(self.longest_seconds, self.first_seconds * 2 ** (failures - 1))
        return max(error.retry_after_seconds or 0.0, longest * (1 + draw) / 2)

    def repeats(self, failures: int, error: SpladedError, *, idempotent: bool) -> bool:
        """Whether a call that has failed this often is made again."""
        return idempotent and failures < self.attempts and is_passing(error)


def is_passing(error: SpladedError) -> bool:
    """Whether the same request can succeed later: the server is away, or says when."""
    if isinstance(error, Unavailable):
        return error.reason != "GENERATION_NOT_REACHED"
    return isinstance(error, Exhausted) and error.retry_after_seconds is not None
