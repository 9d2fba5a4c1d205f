"""An encoder's process: loads it, and answers the bench, pinned to a core.

    python bench/encode_worker.py ENGINE FOLDER CORE SPAWNED

FOLDER: what `encode_models` made; SPAWNED, calls and answers: see `child`. Needs numpy alone,
besides what the engine needs. The engine "gemm" multiplies: the processor's peak as onnxruntime
reaches it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from child import Marks, answers, serve

Times = list[tuple[int, int]]  # wall and processor nanoseconds


class Worker:
    """A method a call."""

    def __init__(self, engine: str, folder: Path, marks: Marks) -> None:
        from encoders import ENGINES

        self._engine, self._folder, self._marks = ENGINES[engine], folder, marks

    def open(self, *, text: str, kind: Literal["query", "document"]) -> dict[str, Any]:
        """Loads; what it took from the start of the process to the rows of a first text."""
        marks = self._marks
        adapter = self._engine.adapter()
        marks.mark("import")
        self._encoder = adapter(self._folder, **self._engine.arguments)
        marks.mark("load")
        self._encoder.encode([text], kind)
        marks.mark("first text")
        return {"api": adapter.api, "cold": marks.taken, "loaded_bytes": status_bytes("VmRSS")}

    def time(
        self, *, calls: Sequence[Sequence[str]], kind: Literal["query", "document"], seconds: float
    ) -> Times:
        """Of all calls together, again until so many seconds are over, once at least."""
        encode = self._encoder.encode

        def run() -> None:
            for texts in calls:
                encode(texts, kind)

        return timed(run, seconds)

    def top(
        self, *, texts: Sequence[str], kind: Literal["query", "document"], count: int
    ) -> dict[str, Any]:
        """The heaviest terms of each text, and how many terms it has."""
        import numpy as np

        rows = self._encoder.dense(self._encoder.encode(texts, kind))
        heaviest = np.argsort(-rows, axis=1, kind="stable")[:, :count]
        return {"terms": heaviest.tolist(), "counts": np.count_nonzero(rows, axis=1).tolist()}

    def memory(self) -> dict[str, int]:
        return {"peak_bytes": status_bytes("VmHWM"), "resident_bytes": status_bytes("VmRSS")}


class Gemm:
    """Products [rows, inner] x [inner, columns] of fp32, and of uint8 by int8."""

    def __init__(self, folder: Path) -> None:
        import numpy as np
        import onnxruntime
        from encode_models import GEMM

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        states = np.random.default_rng(1).integers(0, 255, GEMM[:2])
        self._given = {"fp32": states.astype(np.float32), "int8": states.astype(np.uint8)}
        self._sessions = {
            name: onnxruntime.InferenceSession(str(folder / f"gemm-{name}.onnx"), options)
            for name in self._given
        }

    def time(self, *, precision: str, seconds: float) -> Times:
        session, given = self._sessions[precision], {"x": self._given[precision]}
        return timed(lambda: session.run(None, given), seconds)


def timed(run: Callable[[], Any], seconds: float) -> Times:
    taken, until = [], time.perf_counter() + seconds
    while not taken or time.perf_counter() < until:
        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        run()
        taken.append((time.perf_counter_ns() - wall, time.process_time_ns() - cpu))
    return taken


def status_bytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{field}:")).split()[1]) * 1024


def main() -> None:
    engine, folder, core, spawned = sys.argv[1:]
    os.sched_setaffinity(0, {int(core)})
    out = answers()
    if engine == "gemm":
        serve(Gemm(Path(folder)), out)
    else:
        serve(Worker(engine, Path(folder), Marks(float(spawned))), out)


if __name__ == "__main__":
    main()
