"""Compiled kernels are kept from start to start, and nothing that is kept ends a start.

Runs in a package of a few small kernels, around copies of the files that keep them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import spladed
from spladed.index.kernels.cache import Kept

PACKAGE = Path(spladed.__file__).parent
COPIED = ("config.py", "errors.py", "settings.py", *(f"index/kernels/{name}.py" for name in
          ("__init__", "compiled", "cache")))  # fmt: skip
SHARED = """from spladed.index.kernels.compiled import inner
@inner
def twice(value) -> "int":
    return value + value
"""
KERNEL = """from spladed.index.kernels.compiled import compiled, types
from spladed.index.kernels.{uses} import {name}
@compiled(types.int64(types.int64), types.float64(types.float64))
def work(value):
    return {name}(value) + 1
"""
ALONE = """from spladed.index.kernels.compiled import compiled, types
@compiled(types.int64(types.int64))
def work(value):
    return value * 10
"""
RUN = """
import logging
logging.basicConfig(level="INFO", format="%(message)s")
from spladed.index.kernels import doubled, alone
assert (doubled.work(3), alone.work(3)) == (7, 30)
assert doubled.work(1.5) == 4.0
"""


class Small:
    """The package, run in processes of its own with a folder for what it keeps."""

    def __init__(self, folder: Path) -> None:
        self.package, self.cache = folder / "spladed", folder / "cache"
        self.kernels = self.package / "index" / "kernels"
        self.kernels.mkdir(parents=True)
        for path in (self.package, self.package / "index"):
            (path / "__init__.py").touch()
        for name in COPIED:
            shutil.copy(PACKAGE / name, self.package / name)
        (self.kernels / "shared.py").write_text(SHARED)
        (self.kernels / "doubled.py").write_text(KERNEL.format(uses="shared", name="twice"))
        (self.kernels / "alone.py").write_text(ALONE)

    def start(self, run: str = RUN, **environment: str) -> subprocess.Popen[str]:
        known = {"SPLADED_INDEX_KERNEL_CACHE": str(self.cache), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.Popen(
            [sys.executable, "-c", run], cwd=self.package.parent,
            env=os.environ | known | environment, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def said(self, run: str = RUN, **environment: str) -> list[str]:
        """What a run that does not fail has logged."""
        return said(self.start(run, **environment))

    def kept(self) -> set[Path]:
        return set(self.cache.iterdir())

    def kept_of(self, name: str) -> Path:
        (path,) = self.cache.glob(f"{name}-*.zip")
        return path


def said(process: subprocess.Popen[str]) -> list[str]:
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return errors.splitlines()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Small:
    small = Small(tmp_path_factory.mktemp("filled"))
    small.said()
    shutil.copytree(small.cache, small.cache.with_name("copy"))
    return small


@pytest.fixture
def small(filled: Small) -> Small:
    """Whose cache is filled; kept kernels are of a folder, so there is one for all tests."""
    shutil.rmtree(filled.cache)
    shutil.copytree(filled.cache.with_name("copy"), filled.cache)
    (filled.kernels / "shared.py").write_text(SHARED)
    return filled


def test_what_was_compiled_is_kept_beside_no_source_and_said_once(tmp_path: Path) -> None:
    small = Small(tmp_path)
    first, second = small.said(), small.said()
    assert len(first) == 2
    assert first[0].endswith("for this version and machine: alone, doubled")
    assert first[1].endswith(f"kept in {small.cache}")
    assert second == []
    assert {path.name.partition("-")[0] for path in small.kept()} == {"alone", "doubled"}
    assert not list(small.package.rglob("*.nb?"))
    assert small.cache.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in small.kept()} == {0o600}


def test_a_change_in_what_a_kernel_is_compiled_from_compiles_it_anew_and_no_other(
    small: Small,
) -> None:
    """numba alone would not see it: the file of the kernel is as it was."""
    changed = RUN.replace("(7, 30)", "(10, 30)").replace("4.0", "5.5")
    (small.kernels / "shared.py").write_text(SHARED.replace("value + value", "value * 3"))
    assert small.said(changed)[0].endswith(": doubled")
    assert small.said(changed) == []


def test_a_damaged_file_is_replaced(small: Small) -> None:
    path = small.kept_of("alone")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    first = small.said()
    assert first[0] == f"kept kernels are damaged, and are made anew: {path}"
    assert first[1].endswith(": alone")
    assert small.said() == []


def test_another_processor_has_files_of_its_own(small: Small) -> None:
    """As in one folder that two machines mount: neither runs the other's code."""
    before = small.kept()
    assert len(small.said(NUMBA_CPU_NAME="generic")) == 2
    assert before < small.kept()
    assert len(small.kept()) == 2 * len(before)
    assert small.said() == []
    elsewhere = "from llvmlite import binding; binding.get_host_cpu_features = None\n"
    assert small.said(elsewhere + RUN, NUMBA_CPU_NAME="generic") == []


def test_a_folder_that_is_filled_may_be_read_only(small: Small) -> None:
    for path in small.kept():
        path.chmod(0o400)
    small.cache.chmod(0o500)
    before = {path: path.stat().st_mtime_ns for path in [small.cache, *small.kept()]}
    assert small.said() == []
    assert {path: path.stat().st_mtime_ns for path in before} == before


LENDING = (
    RUN
    + f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", '''{RUN}'''], check=True)
"""
)


def test_without_a_place_each_start_compiles_and_lends_to_its_children(tmp_path: Path) -> None:
    small = Small(tmp_path)
    small.cache.write_text("in the way of a folder")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    for _ in range(2):
        compiling, warning = small.said(LENDING, TMPDIR=str(temporary))
        assert compiling.startswith("compiling")
        assert "as each start will: they cannot be kept in" in warning
        assert "SPLADED_INDEX_KERNEL_CACHE" in warning
    assert not list(temporary.iterdir())


def test_code_that_others_could_have_put_there_is_not_run(small: Small) -> None:
    small.cache.chmod(0o777)
    compiling, warning = small.said()
    assert compiling.endswith(": alone, doubled")
    assert "its mode 777 lets others put code there; chmod go-w it" in warning


def test_processes_that_start_at_once_on_an_empty_cache_all_work(small: Small) -> None:
    shutil.rmtree(small.cache)
    for process in [small.start() for _ in range(3)]:
        said(process)
    assert small.said() == []
    assert len(small.kept()) == 2


FULL = """
import errno
from numba.core.caching import IndexDataCacheFile
def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")
IndexDataCacheFile._save_data = full
"""


def test_a_disk_that_is_full_ends_no_start(small: Small) -> None:
    shutil.rmtree(small.cache)
    small.said(FULL + RUN)
    small.said()
    assert small.said() == []


def test_one_that_runs_threads_does_not_fork(small: Small) -> None:
    shutil.rmtree(small.cache)
    threads = """
import os, threading
os.fork = None
waiting = threading.Event()
threading.Thread(target=waiting.wait, daemon=True).start()
"""
    assert len(small.said(threads + RUN)) == 2


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """Something kept, in a folder that is there."""
    source = tmp_path / "source" / "kernels_0123"
    source.mkdir(parents=True)
    (source / "bits.clear-18.py311.nbi").write_bytes(b"index" * 100)
    (source / "bits.clear-18.py311.1.nbc").write_bytes(b"code" * 1000)
    (source / "build.pack-71.py311.nbi").write_bytes(b"of another module")
    kept = Kept(tmp_path / "kept", "bits", "0123456789abcdef")
    kept.pack(tmp_path / "source")
    return kept


def unpacked(kept: Kept, target: Path) -> list[str]:
    """The names of the files that were unpacked."""
    assert kept.unpack(target) == target.exists()
    return sorted(path.name for path in target.rglob("*.nb?"))


def test_the_files_of_a_module_come_back(kept: Kept, tmp_path: Path) -> None:
    names = ["bits.clear-18.py311.1.nbc", "bits.clear-18.py311.nbi"]
    assert unpacked(kept, tmp_path / "target") == names
    assert not replace(kept, key="another").unpack(tmp_path)
    assert not replace(kept, folder=None).unpack(tmp_path)
    with pytest.raises(FileNotFoundError):
        replace(kept, folder=None).pack(tmp_path / "source")


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut in the checksum": lambda data: data[:20],
    "cut in a file": lambda data: data[: len(data) // 2],
    "one byte short": lambda data: data[:-1],
    "one bit of a file": lambda data: _flipped(data, len(data) // 2),
    "one bit of the checksum": lambda data: _flipped(data, 3),
    "something else": lambda data: b"\x00" * len(data),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_nothing_comes_back_from_a_damaged_file(kept: Kept, tmp_path: Path, damage: str) -> None:
    kept.path.write_bytes(DAMAGE[damage](kept.path.read_bytes()))
    assert unpacked(kept, tmp_path / "target") == []
    kept.pack(tmp_path / "source")
    assert unpacked(kept, tmp_path / "target")


def test_a_file_that_others_could_have_written_is_not_read_but_replaced(
    kept: Kept, tmp_path: Path
) -> None:
    kept.path.chmod(0o620)
    assert unpacked(kept, tmp_path / "target") == []
    kept.pack(tmp_path / "source")
    assert unpacked(kept, tmp_path / "target")


@pytest.mark.parametrize("mode", [0o720, 0o702])
def test_a_folder_that_others_may_write_to_is_not_used(
    kept: Kept, tmp_path: Path, mode: int
) -> None:
    kept.path.parent.chmod(mode)
    assert unpacked(kept, tmp_path / "target") == []
    with pytest.raises(PermissionError, match=f"its mode {mode:o} lets others put code there"):
        kept.pack(tmp_path / "source")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_another_users_folder_is_not_used(kept: Kept, tmp_path: Path) -> None:
    os.chown(kept.path.parent, 12345, 12345)
    assert unpacked(kept, tmp_path / "target") == []
    with pytest.raises(PermissionError, match="it belongs to user 12345"):
        kept.pack(tmp_path / "source")


def test_only_the_newest_files_of_a_module_stay(kept: Kept, tmp_path: Path) -> None:
    folder = kept.path.parent
    for name in ("bits", "build"):
        for number in range(20):
            path = folder / f"{name}-{number}.zip"
            path.touch()
            os.utime(path, (number, number))
    kept.pack(tmp_path / "source")
    left = {path.name for path in folder.glob("bits-*.zip")}
    assert left == {kept.path.name, *(f"bits-{number}.zip" for number in range(5, 20))}
    assert len(list(folder.glob("build-*.zip"))) == 20
    assert not list(folder.glob(".making-*"))
