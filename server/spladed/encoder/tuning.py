"""What `spladed tune` found to be fastest on a machine, and where that is kept.

A JSON file with the setup, what was measured, and the machine and the bundle that it holds
for; on another machine, or for another bundle, it is passed over. It lies

    in the folder that was named ([encoder] tuning), as BUNDLE_ID.json
    else in the bundle's folder, as tuning.json
    else in `spladed/tuning` in the user's cache folder, as BUNDLE_ID.json: for the built-in
    bundle, which lies among the program's files, and where the bundle's folder is read-only
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from spladed.bundle import Bundle
from spladed.config import user_cache
from spladed.encoder.batch import DEFAULT_BATCH_TOKENS
from spladed.errors import Mismatch
from spladed.ort import available_threads, onnxruntime_version

__all__ = ["Machine", "Measured", "Setup", "Tuning", "find_setup", "store"]

_LOG = logging.getLogger("spladed.encoder")
_FILE = "tuning.json"
_FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Setup:
    """How batches run.

    threads:          of onnxruntime, for all batches together
    parallel_batches: batches side by side, which share the threads
    max_batch_tokens: rows x padded length of a batch
    """

    threads: int
    parallel_batches: int
    max_batch_tokens: int

    def over(self, other: Setup) -> Setup:
        """This one, where it says 0 the other; not more batches asked for than threads."""
        threads = self.threads or other.threads
        return Setup(
            threads,
            self.parallel_batches or min(other.parallel_batches, threads),
            self.max_batch_tokens or other.max_batch_tokens,
        )


@dataclass(frozen=True, slots=True)
class Measured:
    """A setup's speed: documents a second, and one query alone, the median (0: not run)."""

    setup: Setup
    documents_per_second: float
    query_ms: float


@dataclass(frozen=True, slots=True)
class Machine:
    """What a setup was found on.

    cores: that the process may use
    """

    cpu: str
    cores: int
    onnxruntime: str

    @classmethod
    def here(cls) -> Self:
        """The machine this runs on."""
        return cls(_cpu(), available_threads(), onnxruntime_version())


@dataclass(frozen=True, slots=True)
class Tuning:
    """The file's content."""

    machine: Machine
    bundle_id: str
    setup: Setup
    measured: Sequence[Measured]

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps({"format_version": _FORMAT_VERSION, **asdict(self)}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The tuning of a file's text; raises ValueError, KeyError or TypeError for others."""
        raw = json.loads(text)
        if raw["format_version"] != _FORMAT_VERSION:
            raise ValueError(f"format_version is {raw['format_version']!r}")
        return cls(
            Machine(**raw["machine"]),
            raw["bundle_id"],
            _checked(Setup(**raw["setup"])),
            [Measured(**{**each, "setup": Setup(**each["setup"])}) for each in raw["measured"]],
        )


def find_setup(bundle: Bundle, folder: str, given: Setup) -> Setup:
    """`given`, where it says 0 what was tuned for this bundle here, else the defaults.

    folder: where `tune` was told to keep its files, or empty
    """
    defaults = Setup(available_threads(), 1, DEFAULT_BATCH_TOKENS)
    for path in _places(bundle, folder):
        tuning = _read(path)
        if tuning is None:
            continue
        if (tuning.machine, tuning.bundle_id) == (Machine.here(), bundle.manifest.bundle_id):
            setup = given.over(tuning.setup)
            _LOG.info("%s: %s tuned here, running with %s", bundle.manifest.name, path, setup)
            return setup
        _LOG.info("%s is passed over: it is of another machine or bundle", path)
    return given.over(defaults)


def store(bundle: Bundle, folder: str, tuning: Tuning) -> Path:
    """Writes the file to the first place that can be written; returns its path.

    Raises Mismatch TUNING_FOLDER if there is none.
    """
    failures: list[str] = []
    for path in _places(bundle, folder):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.making")
            temporary.write_text(tuning.to_json(), "utf-8")
            temporary.replace(path)
        except OSError as error:
            failures.append(f"{path}: {error.strerror}")
        else:
            return path
    raise Mismatch(
        f"the tuning cannot be written ({'; '.join(failures) or 'no home for a cache folder'}); "
        "name a folder with --tuning, and for the server as encoder.tuning",
        reason="TUNING_FOLDER",
        field="encoder.tuning",
    )


def _places(bundle: Bundle, folder: str) -> list[Path]:
    name = f"{bundle.manifest.bundle_id}.json"
    if folder:
        return [Path(folder) / name]
    cache = user_cache()
    places = [cache / "tuning" / name] if cache else []
    is_installed = bundle.path.resolve().is_relative_to(Path(__file__).resolve().parents[1])
    return places if is_installed else [bundle.path / _FILE, *places]


def _read(path: Path) -> Tuning | None:
    """The file's tuning; None where there is none. One that is broken keeps nobody from work."""
    try:
        return Tuning.from_json(path.read_text("utf-8"))
    except OSError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        _LOG.warning("%s is passed over, it is no tuning: %r", path, error)
        return None


def _checked(setup: Setup) -> Setup:
    values = asdict(setup).values()
    if not all(type(value) is int and value >= 1 for value in values):
        raise ValueError(f"{setup}: expected numbers of at least 1")
    return setup


def _cpu() -> str:
    """The processor's name, or empty where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")
