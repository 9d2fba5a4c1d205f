"""What was acknowledged survives kill -9; of the write in flight, all of it or nothing.

`make crash` does the same for 500 rounds.
"""

from __future__ import annotations

from pathlib import Path

from .kills import Kills

ROUNDS = 15


def test_kills(tmp_path: Path) -> None:
    kills = Kills(tmp_path, seed=1)
    kills.run(ROUNDS)
    figures = kills.figures
    assert figures.is_sound, figures
    assert figures.rounds == ROUNDS
    assert figures.acknowledged > 100
    assert figures.exchanges > 10
