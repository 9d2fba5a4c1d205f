"""Whatever a power cut leaves, at any moment of a recorded day: what was acknowledged is there
and nothing else is; without any one fsync of the code that would not be so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .replay import Replay


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    replay = Replay()
    yield replay
    replay.close()


def test_every_power_cut_leaves_what_was_acknowledged(replay: Replay) -> None:
    assert replay.faults(torn=1) == []
    assert replay.opened > 300


def test_no_fsync_of_the_code_can_be_left_out(replay: Replay) -> None:
    assert len(replay.sites) > 5
    needless = [site for site, syncs in replay.sites.items() if not replay.is_needed(syncs)]
    assert needless == []
