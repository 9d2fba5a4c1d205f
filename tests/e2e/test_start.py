"""A server is ready once every kernel is compiled, and finds them again the next time."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from spladed.client.client import Client
from spladed.client.values import Document
from spladed.index.kernels.compiled import kept
from tests.conftest import SPLADED, ServerProcess


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Filled from what the tests themselves have compiled."""
    folder = tmp_path / "cache"
    folder.mkdir(0o700)
    for each in kept():
        shutil.copy(each.path, folder)
    return folder


def test_a_server_compiles_what_is_missing_and_says_so(
    start_server: Callable[..., ServerProcess], cache: Path
) -> None:
    missing = next(cache.glob("bits-*.zip"))
    missing.unlink()
    server = start_server("--kernel-cache", str(cache))
    assert "compiling the index's kernels for this version and machine: bits\n" in server.log_text()
    assert f"kept in {cache}" in server.log_text()
    assert missing.exists()
    server.end(signal.SIGTERM)
    (server.folder / "log").unlink()
    server.start()
    assert "compil" not in server.log_text()


def test_the_process_that_builds_segments_reads_the_same_folder(
    start_server: Callable[..., ServerProcess], cache: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    server = start_server("--kernel-cache", str(cache))
    with Client(server.target) as client:
        client.create_collection("notes")
        client.upsert("notes", [Document("a", "A fox.")])
        client.flush("notes")
    told = {
        value.partition("=")[2]
        for child in Path(f"/proc/{server.process.pid}/task").glob("*/children")
        for pid in child.read_text().split()
        for value in Path(f"/proc/{pid}/environ").read_text().split("\0")
        if value.startswith("SPLADED_INDEX_KERNEL_CACHE=")
    }
    assert told == {str(cache)}
    assert {path: path.stat().st_mtime_ns for path in cache.iterdir()} == before


def test_an_image_build_fills_the_folder(cache: Path) -> None:
    def compile_kernels(folder: Path) -> subprocess.CompletedProcess[str]:
        command = [SPLADED, "index", "compile", "--kernel-cache", str(folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    missing = next(cache.glob("names-*.zip"))
    missing.unlink()
    done = compile_kernels(cache)
    assert (done.returncode, done.stdout) == (0, f"{cache}\n")
    assert missing.exists()
    assert compile_kernels(cache).stderr == ""
