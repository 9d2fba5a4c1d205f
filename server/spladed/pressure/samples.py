"""What each request waited, and how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

__all__ = ["GOOD", "WRONG", "Samples", "Summary"]

GOOD = "OK"
WRONG = "WRONG_ANSWER"
_PERCENTILES = (50.0, 90.0, 99.0, 99.9)


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of a run.

    offered, answered: requests a second that were due, and that were answered well
    milliseconds: of the good answers, from when they were due: p50, p90, p99, p99.9, max
    late_ms:      99th percentile of what the generator itself was behind
    endings:      requests by how they ended: GOOD, WRONG, or an error's reason
    """

    requests: int
    seconds: float
    offered: float
    answered: float
    milliseconds: Mapping[str, float]
    late_ms: float
    endings: Mapping[str, int]

    @property
    def failed(self) -> int:
        """Requests that were not answered well."""
        return self.requests - self.endings.get(GOOD, 0)


@dataclass(slots=True)
class Samples:
    """Seconds from the start when each request was due, sent and ended, and its ending."""

    due: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)

    def add(self, due: float, sent: float, ended: float, ending: str) -> None:
        """One request that is over."""
        self.due.append(due)
        self.sent.append(sent)
        self.ended.append(ended)
        self.endings.append(ending)

    def waited_ms(self, ending: str = GOOD) -> npt.NDArray[np.float64]:
        """Milliseconds from due to end of the requests that ended so, in the order of ends."""
        chosen = np.array([each == ending for each in self.endings], bool)
        return ((np.array(self.ended) - np.array(self.due)) * 1e3)[chosen]

    def summary(self, seconds: float) -> Summary:
        """Figures of all requests; `seconds` is how long they were due."""
        waited = self.waited_ms()
        figures = dict.fromkeys((*(f"p{each:g}" for each in _PERCENTILES), "max"), float("nan"))
        if len(waited):
            found = np.percentile(waited, _PERCENTILES)
            figures = {
                f"p{each:g}": float(value) for each, value in zip(_PERCENTILES, found, strict=True)
            }
            figures["max"] = float(waited.max())
        late = np.array(self.sent) - np.array(self.due)
        took = max(self.ended, default=seconds)
        return Summary(
            requests=len(self.due),
            seconds=took,
            offered=len(self.due) / seconds,
            answered=len(waited) / max(took, seconds),
            milliseconds=figures,
            late_ms=float(np.percentile(late, 99) * 1e3) if len(late) else 0.0,
            endings=dict(Counter(self.endings)),
        )
