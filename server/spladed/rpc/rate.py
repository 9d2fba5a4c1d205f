"""How fast may something go? A token bucket, as a pure decision; the clock is passed in."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Bucket", "take"]


@dataclass(frozen=True, slots=True)
class Bucket:
    """What may be taken at once, as of a time in seconds; below 0 it is debt."""

    level: float
    at: float


def take(bucket: Bucket, *, rate: float, amount: float, now: float) -> tuple[Bucket, float]:
    """The bucket after taking, and 0; or the bucket as it is, and the seconds to wait.

    rate: a second; what a second gives is also all that the bucket holds
    amount: goes into debt when more than there is, so that a large one is not refused for
        ever; what is taken over a long time is still the rate
    """
    level = min(max(rate, 1.0), bucket.level + max(now - bucket.at, 0.0) * rate)
    if amount and level <= 0:
        return Bucket(level, now), max(-level / rate, 1e-3)
    return Bucket(level - amount, now), 0.0
