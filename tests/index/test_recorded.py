"""Whatever a power cut leaves, at any moment of a recorded day: what was acknowledged is there
and nothing else is; without any one fsync of the code that would not be so."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from spladed.index import storage

from .replay import Replay

_ASKS = re.compile(r"storage\.(sync_file|sync_folder|publish)\(")


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    replay = Replay()
    yield replay
    replay.close()


def test_every_power_cut_leaves_what_was_acknowledged(replay: Replay) -> None:
    assert replay.faults(torn=1) == []
    assert replay.opened > 300


def test_no_fsync_of_the_code_can_be_left_out(replay: Replay) -> None:
    assert {site.split(" < ")[-1] for site in replay.sites} == set(syncing())
    needless = [site for site, syncs in replay.sites.items() if not replay.is_needed(syncs)]
    assert needless == []


def syncing() -> Iterator[str]:
    """The functions of the room that ask for an fsync, as "module.function"."""
    for path in Path(storage.__file__).parent.glob("*.py"):
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef) and _ASKS.search(ast.unparse(function)):
                yield f"{path.stem}.{function.name}"
