"""Encoders side by side: made, opened, then timed in turns on one core.

Of every pass, every workload and every engine in turn: calls, one after another, while the other
processes wait to be asked. Between them the machine's products, by the same clock.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from child import Child, Failed
from encode_models import digest
from encode_texts import Workload
from encoders import ENGINES, NEEDED, Engine
from numpy.typing import NDArray

HERE = Path(__file__).parent
WORKER, MODELS, QUANTISE = (
    HERE / f"encode_{name}.py" for name in ("worker", "models", "quantise")
)  # fmt: skip
CALIBRATED = 100  # texts that OpenVINO's int8 is calibrated on
TOP = 64  # heaviest terms, whose overlap with torch's is told
COMPARED = "8 x 128"  # the workload that it is told of
Times = Mapping[tuple[str, str], NDArray[np.int64]]


@dataclass
class Bench:
    """pythons: the interpreter of each environment; core: for all; model: a name of SHAPES."""

    model: str
    cache: Path
    pythons: Mapping[str, Path]
    core: int
    about: dict[str, dict[str, Any]] = field(default_factory=dict)  # of each engine
    children: dict[str, Child] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.cache / "encode" / f"{self.model}-{digest()}"

    def make(self, passages: Sequence[str]) -> None:
        """What is not in the cache yet; raises CalledProcessError where ours cannot be made."""
        if not (self.folder / "about.json").exists():
            for old in (self.cache / "encode").glob(f"{self.model}-????????"):
                shutil.rmtree(old)
            self.folder.mkdir(parents=True)
            print(f"making {self.folder.name}", flush=True)
            self._run("export", MODELS, self.model, str(self.folder))
        if not (self.folder / "openvino-int8.xml").exists() and self.pythons["peers"].exists():
            texts = self.folder / "calibration.json"
            texts.write_text(json.dumps(list(passages[-CALIBRATED:])))
            self._run("peers", QUANTISE, str(self.folder), str(texts))

    def _run(self, environment: str, *command: str | Path) -> None:
        subprocess.run([self.pythons[environment], *command], check=True)

    def open(self, engines: Sequence[str], first: Workload) -> None:
        """Twice: caches are warm when the second process starts, whose figures count."""
        for name in engines:
            if not ENGINES[name].only or self.model in ENGINES[name].only:
                try:
                    self._opened(name, first).close()
                    self.children[name] = self._opened(name, first)
                except Failed as error:
                    self._drop(name, f"open: {error}")

    def _opened(self, name: str, first: Workload) -> Child:
        child = self._child(name, ENGINES[name])
        try:
            self.about[name] = child.call("open", text=first.calls[0][0], kind=first.kind)
        except Failed:
            child.close()
            raise
        return child

    def _child(self, name: str, engine: Engine) -> Child:
        python = self.pythons[engine.environment]
        if not python.exists():
            place = python.parent.parent.name
            raise Failed(f"there is no {place}: make {place}/ready")
        command = [str(python), str(WORKER), name, str(self.folder), str(self.core)]
        return Child(command, self.folder / f"{name.replace(' ', '-')}.log")

    def compare(self, workload: Workload) -> None:
        """How much of torch's heaviest terms each engine has among its own; terms of a text."""
        found = {}
        for name in list(self.children):
            try:
                found[name] = self.children[name].call(
                    "top", texts=workload.calls[0], kind=workload.kind, count=TOP
                )
            except Failed as error:
                self._drop(name, f"encode: {error}")
        truth = found["torch fp32"]["terms"]
        for name, each in found.items():
            shared = [len(set(a) & set(b)) / TOP for a, b in zip(truth, each["terms"], strict=True)]
            terms = float(np.mean(each["counts"]))
            self.about[name] |= {"overlap": float(np.mean(shared)), "terms": terms}

    def time(self, workloads: Sequence[Workload], passes: int, seconds: float) -> Times:
        """[calls, 2]: wall and processor nanoseconds, by engine and workload. Nobody is always
        the first one of a pass."""
        taken: dict[tuple[str, str], list[Any]] = defaultdict(list)
        gemm = Child([sys.executable, str(WORKER), "gemm", str(self.folder), str(self.core)],
                     self.folder / "gemm.log")  # fmt: skip
        for workload in workloads:  # shapes are met, and compiled for, before anything counts
            self._turn(workload, list(self.children), 0.0)
        for turn in range(passes):
            for workload in workloads:
                start = turn * len(self.children) // passes
                names = list(self.children)
                for name, times in self._turn(workload, names[start:] + names[:start], seconds):
                    taken[name, workload.name] += times
            for precision in ("fp32", "int8"):
                taken["gemm", precision] += gemm.call("time", precision=precision, seconds=seconds)
            print(f"{self.model}: pass {turn + 1} of {passes}", flush=True)
        gemm.close()
        failed = {name for name, about in self.about.items() if "failed" in about}
        return {key: np.array(times) for key, times in taken.items() if key[0] not in failed}

    def _turn(
        self, workload: Workload, names: Sequence[str], seconds: float
    ) -> list[tuple[str, Any]]:
        found = []
        for name in names:
            if "table" in name and workload.kind != "query":
                continue  # its documents are those of the int8 bundle
            try:
                given = {"calls": workload.calls, "kind": workload.kind, "seconds": seconds}
                found.append((name, self.children[name].call("time", **given)))
            except Failed as error:
                self._drop(name, f"{workload.name}: {error}")
        return found

    def _drop(self, name: str, why: str) -> None:
        if name in NEEDED:
            raise Failed(f"{name}: {why}")
        print(f"{name} fell out: {why}", flush=True)
        self.about[name] = {"failed": why}
        if name in self.children:
            self.children.pop(name).close()

    def finish(self) -> None:
        """The engines' memory, after all work; then their processes end."""
        for name, child in self.children.items():
            self.about[name]["memory"] = child.call("memory")
            child.close()
        self.children.clear()
