"""The room keeps to itself: one file for each heavy import, no wire, nothing heavy unasked."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import spladed.jobs

ROOM = Path(spladed.jobs.__file__).parent
MAY = {"encoder", "index", "sparse", "errors", "bundle", "manifest", "jobs"}


def imports(path: Path) -> set[str]:
    """The packages that a file imports: top-level, and two levels of spladed."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {".".join(name.split(".")[: 2 if name.startswith("spladed") else 1]) for name in found}


@pytest.mark.parametrize(
    ("package", "file"),
    [
        ("ir_measures", "measures.py"),
        ("zstandard", "compressed.py"),
        ("bm25s", "bm25.py"),
        ("Stemmer", "bm25.py"),
    ],
)
def test_one_file_for_each_heavy_import(package: str, file: str) -> None:
    assert [path.name for path in ROOM.glob("*.py") if package in imports(path)] == [file]


def test_the_room_knows_the_encoder_the_index_and_the_foundation() -> None:
    ours = {name for path in ROOM.glob("*.py") for name in imports(path) if "spladed" in name}
    assert ours <= {f"spladed.{name}" for name in MAY}


def test_the_room_loads_no_grpc_and_the_command_loads_no_jobs() -> None:
    for module, unwanted in (
        ("spladed.jobs.evaluate", ("grpc", "google", "typer", "torch")),
        ("spladed.cli.evaluate", ("ir_measures", "bm25s", "zstandard", "onnxruntime")),
    ):
        code = f"import sys, {module}; print([n for n in {unwanted!r} if n in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_its_files_are_all_in_its_docstring() -> None:
    named = {path.stem for path in ROOM.glob("*.py")} - {"__init__"}
    doc = spladed.jobs.__doc__ or ""
    assert {line.split()[0] for line in doc.splitlines() if line.startswith("    ")} >= named
