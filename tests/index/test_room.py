"""The room keeps to itself: one file for each heavy import, none of another room's."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import spladed.index

ROOM = Path(spladed.index.__file__).parent


def imports(path: Path) -> set[str]:
    """The top-level packages that a file imports, `spladed.x` by two names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {".".join(name.split(".")[: 2 if name.startswith("spladed") else 1]) for name in found}


@pytest.mark.parametrize(("package", "file"), [("sqlite3", "catalog.py"), ("numba", "kernels.py")])
def test_one_file_for_each_heavy_import(package: str, file: str) -> None:
    assert [path.name for path in ROOM.glob("*.py") if package in imports(path)] == [file]


def test_the_room_knows_no_model_and_no_wire() -> None:
    ours = {name for path in ROOM.glob("*.py") for name in imports(path) if "spladed" in name}
    assert ours == {"spladed.errors", "spladed.index", "spladed.sparse"}


def test_the_face() -> None:
    assert spladed.index.__all__ == [
        "Collection", "CollectionSettings", "Collections", "Contribution", "Document",
        "Explanation", "Found", "Hit", "Stats", "WeightFormat",
    ]  # fmt: skip


@pytest.mark.parametrize("cache", ["named", "none"])
def test_kernels_compile_wherever_a_cache_can_or_cannot_be(tmp_path: Path, cache: str) -> None:
    """A copy of the file in a folder that is a file's child: no cache beside it."""
    named = tmp_path / "cache"
    copy = tmp_path / "kernels.py"
    shutil.copy(ROOM / "kernels.py", copy)
    (tmp_path / "__pycache__").write_text("in the way of a folder")
    (tmp_path / "home").write_text("in the way of a folder")
    environment = os.environ | {"HOME": str(tmp_path / "home"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"XDG_CACHE_HOME": str(tmp_path / "home" / "cache")}
    environment.pop("NUMBA_CACHE_DIR", None)
    if cache == "named":
        environment["NUMBA_CACHE_DIR"] = str(named)
    run = "import kernels; kernels.warm_up()"
    subprocess.run([sys.executable, "-c", run], cwd=tmp_path, env=environment, check=True)
    assert bool(list(named.rglob("kernels.score-*.nbi"))) == (cache == "named")
