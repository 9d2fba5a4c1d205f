"""What a bench leaves: a JSON file with its machine, and a table of targets."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from machine import machine

RESULTS = Path(__file__).parent / "results"
PEERS = ("numba", "qdrant-edge-py", "xxhash", "zstandard", "pyarrow")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A figure beside its target; `most` says whether more of it is worse."""

    name: str
    measured: float
    wanted: float
    unit: str
    most: bool = True

    @property
    def ok(self) -> bool:
        return self.measured <= self.wanted if self.most else self.measured >= self.wanted

    def line(self) -> str:
        wanted = f"{'<=' if self.most else '>='} {self.wanted:g} {self.unit}"
        measured = f"{self.measured:.3g} {self.unit}"
        return f"{self.name:<54} | {measured:>12} | {wanted:>12} | {'yes' if self.ok else 'NO'}"


def surroundings() -> dict[str, Any]:
    """The machine, with what else bears on a store: versions of the peers, load, memory."""
    found = machine()
    versions = dict(found["versions"])  # type: ignore[call-overload]
    versions |= {name: metadata.version(name) for name in PEERS}
    memory = Path("/proc/meminfo").read_text().split("\n", 1)[0].split()[1]
    return found | {
        "versions": versions | {"sqlite": sqlite3.sqlite_version},
        "load_average_at_start": os.getloadavg(),
        "memory_gb": round(int(memory) / 1e6, 1),
    }


def write(path: Path, content: dict[str, Any]) -> None:
    """As JSON, with figures short enough to read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_short(content), indent=1) + "\n")


def conclude(verdicts: list[Verdict]) -> int:
    """Prints the table; 1 if a target is missed."""
    print(f"\n{'target':<54} | {'measured':>12} | {'wanted':>12} | ok")
    for verdict in verdicts:
        print(verdict.line())
    return 0 if all(verdict.ok for verdict in verdicts) else 1


def _short(value: Any) -> Any:
    match value:
        case float():
            return float(f"{value:.5g}")
        case dict():
            return {key: _short(each) for key, each in value.items()}
        case list() | tuple():
            return [_short(each) for each in value]
    return value
