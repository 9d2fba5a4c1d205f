"""Small random checkpoints, made once; texts; and the shared folder, where there is one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from spladed_export.texts import labelled_pages
from spladed_export.tiny import random_checkpoint

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The random checkpoint of a family, made when it is asked for first."""

    @cache
    def made(family: str) -> Path:
        return random_checkpoint(family, tmp_path_factory.mktemp("source") / f"tiny-{family}")

    return made


@pytest.fixture(scope="session")
def bert(checkpoint: Callable[[str], Path]) -> Path:
    return checkpoint("bert")


@pytest.fixture
def copy(bert: Path, tmp_path: Path) -> Path:
    """A copy of the random BERT that a test may damage."""
    return Path(shutil.copytree(bert, tmp_path / "copy"))


@pytest.fixture(scope="session")
def tiny_en() -> Path:
    return REPOSITORY / "models" / "spladed-tiny-en"


@pytest.fixture(scope="session")
def ragged_texts() -> list[str]:
    """500 texts: 250 questions of a few tokens, 250 passages of up to 120."""
    pages = labelled_pages()[:250]
    return [page.query for page in pages] + [page.passage for page in pages]


@pytest.fixture(scope="session")
def shared() -> Path:
    folder = os.environ.get("SPLADED_SHARED")
    if not folder:
        pytest.skip("SPLADED_SHARED names no folder with models and data")
    return Path(folder)
