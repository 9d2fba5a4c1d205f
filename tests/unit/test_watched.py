from __future__ import annotations

import logging
from pathlib import Path

import pytest

from spladed.errors import InvalidInput
from spladed.rpc.watched import Watched


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("one")
    return tmp_path / "file"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watched(file: Path, clock: Clock) -> Watched[str]:
    def load() -> str:
        text = file.read_text() if file.exists() else "bad"
        if text.startswith("bad"):
            raise InvalidInput(f"{text} is bad", reason="BAD")
        return text

    return Watched([str(file), ""], load, clock=clock)


def test_a_change_is_seen_within_a_second(watched: Watched[str], file: Path, clock: Clock) -> None:
    before = watched.current()
    file.write_text("two, longer")
    assert watched.current() is before
    clock.now = 1.0
    assert watched.current() == "two, longer"
    assert watched.current() is watched.current()


def test_a_file_put_in_its_place_is_seen(
    watched: Watched[str], file: Path, clock: Clock, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_text("ein")
    other.replace(file)
    clock.now = 1.0
    assert watched.current() == "ein"


def test_what_was_read_holds_while_what_stands_there_is_bad(
    watched: Watched[str], file: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        file.write_text("bad now")
        for clock.now in (1.0, 2.0, 3.0):
            assert watched.current() == "one"
        assert len(caplog.records) == 1, "once a change"
        assert "bad now is bad" in caplog.text
        file.unlink()
        clock.now = 4.0
        assert watched.current() == "one"
        assert len(caplog.records) == 2
    file.write_text("three")
    clock.now = 5.0
    assert watched.current() == "three"


def test_the_first_must_be_good(file: Path, clock: Clock) -> None:
    def load() -> str:
        raise InvalidInput("bad", reason="BAD")

    with pytest.raises(InvalidInput):
        Watched([str(file)], load, clock=clock)
