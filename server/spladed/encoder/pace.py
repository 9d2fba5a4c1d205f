"""How many tokens fit into some milliseconds? Learned from batches that ran; no clock here."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Pace"]

# Tokens after which a batch counts half: four full batches of the default budget, so that
# one batch that the machine held up does not set the next one's size alone.
_HALF_LIFE = 16_384


@dataclass(slots=True)
class Pace:
    """Padded tokens a second over recent batches, each weighted by its tokens.

    Small batches, whose fixed costs make them slow, so hardly count beside large ones.
    """

    _tokens: float = 0.0
    _seconds: float = 0.0

    def add(self, tokens: int, seconds: float) -> None:
        """A batch of so many padded tokens took so long."""
        fading = 0.5 ** (tokens / _HALF_LIFE)
        self._tokens = self._tokens * fading + tokens
        self._seconds = self._seconds * fading + seconds

    def tokens_in(self, milliseconds: float) -> int:
        """Tokens that run in this time, at least 1.

        Before anything was measured it is 1, so that a single row measures it.
        """
        if not self._seconds:
            return 1
        return max(1, int(self._tokens / self._seconds * milliseconds / 1000))
