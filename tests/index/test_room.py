"""The room keeps to itself: one file for each heavy import, none of another room's."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
from pathlib import Path

import pytest
from numba.core.dispatcher import Dispatcher

import spladed.index

ROOM = Path(spladed.index.__file__).parent
FILES = sorted(ROOM.rglob("*.py"))
KERNELS = sorted(path.stem for path in (ROOM / "kernels").glob("*.py") if path.stem != "__init__")


def imports(path: Path) -> set[str]:
    """The top-level packages that a file imports, `spladed.x` by two names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {".".join(name.split(".")[: 2 if name.startswith("spladed") else 1]) for name in found}


@pytest.mark.parametrize(
    ("package", "files"),
    [
        ("sqlite3", ["catalog.py"]),
        ("numba", ["kernels/compiled.py"]),
        ("llvmlite", ["kernels/compiled.py"]),
        ("mmap", ["storage.py"]),
        ("subprocess", ["builder.py"]),
        ("fcntl", ["lock.py"]),
        ("zstandard", ["payload.py"]),
        ("xxhash", ["container.py", "ids.py", "sound.py"]),
    ],
)
def test_one_file_for_each_heavy_import(package: str, files: list[str]) -> None:
    found = [str(path.relative_to(ROOM)) for path in FILES if package in imports(path)]
    assert found == files


def test_the_room_knows_no_model_and_no_wire() -> None:
    ours = {name for path in FILES for name in imports(path) if name.startswith("spladed")}
    foundation = {"spladed", "spladed.declared", "spladed.errors", "spladed.sparse"}
    assert ours <= foundation | {"spladed.config", "spladed.index"}
    assert [path.name for path in FILES if "spladed.config" in imports(path)] == ["compiled.py"]


def test_the_face() -> None:
    assert spladed.index.__all__ == [
        "Collection", "CollectionSettings", "Collections", "Compacted", "Contribution", "Document",
        "Explanation", "Field", "Found", "Hit", "Scoring", "Stats", "Upkeep", "WeightFormat",
    ]  # fmt: skip
    assert spladed.Collection is spladed.index.Collection


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOM)))
def test_what_is_public_is_listed(path: Path) -> None:
    if path.name == "__init__.py" and path.parent != ROOM:
        return
    parts = path.relative_to(ROOM).with_suffix("").parts
    name = ".".join(["spladed.index", *(part for part in parts if part != "__init__")])
    module = importlib.import_module(name)
    assert all(hasattr(module, public) for public in module.__all__)
    assert module.__doc__


def test_the_examples_of_the_library_give_what_they_show(request: pytest.FixtureRequest) -> None:
    module = importlib.import_module("spladed.index.collection")
    result = doctest.testmod(module, extraglobs={"getfixture": request.getfixturevalue})
    assert result.attempted > 10
    assert result.failed == 0


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_are_compiled_at_import_and_hold_no_gil(name: str) -> None:
    """A query never waits for the compiler, nor a thread for another's query."""
    module = importlib.import_module(f"spladed.index.kernels.{name}")
    for each in vars(module).values():
        if isinstance(each, Dispatcher):
            assert each.targetoptions["nogil"]
            is_inner = each._can_compile  # pyright: ignore[reportAttributeAccessIssue]
            assert is_inner or each.signatures


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_import_of_ours_only_kernels_in_one_form(name: str) -> None:
    """By which `compiled` knows what a kernel's machine code depends on."""
    source = (ROOM / "kernels" / f"{name}.py").read_text()
    known = re.findall(r"^from spladed\.index\.kernels\.\w+ import", source, re.MULTILINE)
    ours = re.findall(r"^\s*(?:from|import) spladed", source, re.MULTILINE)
    assert len(known) == len(ours) or name == "compiled"
