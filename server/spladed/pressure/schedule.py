"""When are requests due? Seconds from the start, decided before the first is sent."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spladed.errors import InvalidInput

__all__ = ["arrivals"]


def arrivals(rate: float, seconds: float, seed: int = 0) -> npt.NDArray[np.float64]:
    """Times in [0, seconds), rising, of a Poisson process: independent callers, `rate` a second
    together.

    Raises InvalidInput unless both are above 0 and one request at least is to be expected.
    """
    if not (rate > 0 and seconds > 0 and rate * seconds >= 1):
        raise InvalidInput(
            f"a rate of {rate:g}/s for {seconds:g} s; expected a request at least, both above 0",
            reason="USAGE",
            field="rate",
        )
    draw = np.random.default_rng(seed)
    count = int(rate * seconds + 6 * np.sqrt(rate * seconds) + 1)
    due = np.cumsum(draw.exponential(1 / rate, count))
    return due[due < seconds]
