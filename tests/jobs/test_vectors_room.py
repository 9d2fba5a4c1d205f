"""The room of vector files keeps to itself: one file for pyarrow, every file in its docstring."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import spladed.jobs.vectors
from tests.jobs.test_room import MAY, imports

ROOM = Path(spladed.jobs.vectors.__file__).parent


def test_one_file_imports_pyarrow_and_none_another_reader() -> None:
    found = {path.name: imports(path) for path in ROOM.glob("*.py")}
    assert [name for name, those in found.items() if "pyarrow" in those] == ["parquet.py"]
    for those in found.values():
        assert those.isdisjoint({"scipy", "pandas", "google", "zstandard", "numba", "tokenizers"})
        assert {name for name in those if "spladed" in name} <= {f"spladed.{each}" for each in MAY}


def test_the_command_and_the_room_load_no_pyarrow_unasked() -> None:
    for module, unwanted in (
        ("spladed.jobs.vectors", ("pyarrow", "tokenizers", "grpc", "google", "typer")),
        ("spladed.cli.loading", ("pyarrow", "numba", "spladed.jobs", "spladed.index")),
    ):
        code = f"import sys, {module}; print([n for n in {unwanted!r} if n in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_its_files_are_all_in_its_docstring() -> None:
    named = {path.stem for path in ROOM.glob("*.py")} - {"__init__"}
    doc = spladed.jobs.vectors.__doc__ or ""
    assert {line.split()[0] for line in doc.splitlines() if line.startswith("    ")} >= named
