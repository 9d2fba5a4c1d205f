"""Where a figure was measured, which every result file holds, and what it should be."""

from __future__ import annotations

import os
import platform
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

PACKAGES = ("spladed", "onnxruntime", "onnx", "torch", "transformers", "optimum-onnx", "numpy")


def machine() -> dict[str, object]:
    """CPU model, cores that this process may use, Python and package versions, commit."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "commit": _commit(),
    }


def target(bench: str, name: str) -> float:
    """What `bench` wants, from targets.toml."""
    file = Path(__file__).with_name("targets.toml")
    return float(tomllib.loads(file.read_text("utf-8"))[bench][name])


def _cpu() -> str:
    """The model's name; family and model too, since virtual machines hide the name."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    known = {key.strip(): value.strip() for key, value in fields.items()}
    return f"{known['model name']} (family {known['cpu family']}, model {known['model']})"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
