"""Does memory grow while texts are encoded? The built-in model over texts of random lengths.

    python bench/resident.py [--texts N] [--only library|server] [--results DIR]

`library` is Encoder.encode in a process of its own, in calls of 1 to 64 texts; `server` is
`spladed serve` while a client encodes all texts over one stream. Lengths are lognormal, a median
of 10 words and at most 400. After every hundredth of the texts the process's anonymous memory is
read. Growth is the median of the last tenth of these over that of the sixth tenth, where the second
half begins. Writes JSON, a table and a plot; exits 1 if a target of targets.toml is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from machine import target
from report import RESULTS, Verdict, conclude, surroundings, write
from usage import anonymous_bytes, descendants

from spladed.bundle import BUILTIN
from spladed.cli.reach import local_server
from spladed.client.client import Client
from spladed.encoder.encoder import Encoder

SAMPLES = 100
MEDIAN_WORDS, SPREAD, MOST_WORDS = 10, 1.0, 400
LARGEST_CALL = 64
Samples = list[tuple[int, int]]  # texts so far, bytes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--only", choices=SCENARIOS)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(encoded(arguments.texts)))
        return 0
    found: dict[str, Any] = {
        "machine": surroundings(), "texts": arguments.texts,
        "words": {"median": MEDIAN_WORDS, "spread": SPREAD, "most": MOST_WORDS}, "scenarios": {},
    }  # fmt: skip
    for name in [arguments.only] if arguments.only else SCENARIOS:
        started = time.perf_counter()
        samples = SCENARIOS[name](arguments.texts)
        found["scenarios"][name] = described(samples, time.perf_counter() - started)
        write(arguments.results / "resident.json", found)
        print(f"{name}: {found['scenarios'][name]['growth_mb']:.1f} MB", flush=True)
    plot(found, arguments.results / "resident.png")
    return conclude(verdicts(found))


def texts(count: int) -> Iterator[str]:
    """The same for every run; words of the built-in vocabulary, each a token or two."""
    vocabulary = [
        token for token in Encoder.load(BUILTIN, threads=1).tokenizer.vocabulary()
        if token.isalpha() and token.isascii()
    ]  # fmt: skip
    random = np.random.default_rng(0)
    for _ in range(count):
        words = int(np.clip(random.lognormal(np.log(MEDIAN_WORDS), SPREAD), 1, MOST_WORDS))
        yield " ".join(vocabulary[each] for each in random.integers(len(vocabulary), size=words))


def library(count: int) -> Samples:
    command = [sys.executable, __file__, "--child", "--texts", str(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return [tuple(each) for each in json.loads(done.stdout)]


def encoded(count: int) -> Samples:
    """All texts, in this process."""
    encoder, sizes = Encoder.load(BUILTIN, threads=1), np.random.default_rng(1)
    left, samples, done = texts(count), Sampled(os.getpid(), count), 0
    while done < count:
        size = int(sizes.integers(1, LARGEST_CALL + 1))
        call = list(islice(left, size))
        encoder.encode(call, kind="document")
        done += len(call)
        samples.at(done)
    return samples.taken


def server(count: int) -> Samples:
    with tempfile.TemporaryDirectory() as data, local_server(data) as address:
        (pid,) = descendants(os.getpid())
        samples, done = Sampled(pid, count), 0
        with Client(address) as client:
            for part in client.encode_many(texts(count), kind="document"):
                done += len(part.encoded.vectors)
                samples.at(done)
    return samples.taken


class Sampled:
    """A process's anonymous memory, read after every hundredth of its texts."""

    def __init__(self, pid: int, count: int) -> None:
        self._pid, self._step = pid, max(1, count // SAMPLES)
        self.taken: Samples = []

    def at(self, done: int) -> None:
        if done >= self._step * (len(self.taken) + 1):
            self.taken.append((done, anonymous_bytes(self._pid)))


SCENARIOS = {"library": library, "server": server}


def described(samples: Samples, seconds: float) -> dict[str, Any]:
    memory = np.array([each for _, each in samples]) / 1e6
    return {
        "seconds": seconds,
        "texts": [each for each, _ in samples],
        "anonymous_mb": memory.tolist(),
        "most_mb": float(memory.max()),
        "growth_mb": growth(memory.tolist()),
    }


def growth(memory: list[float]) -> float:
    """The median of the last tenth less that of the sixth tenth."""
    tenth = max(1, len(memory) // 10)
    middle = memory[len(memory) // 2 : len(memory) // 2 + tenth]
    return float(np.median(memory[-tenth:]) - np.median(middle))


def verdicts(found: dict[str, Any]) -> list[Verdict]:
    wanted = target("resident", "growth_mb")
    return [
        Verdict(f"{name}, {found['texts']:,} texts, growth", each["growth_mb"], wanted, "MB")
        for name, each in found["scenarios"].items()
    ]


def plot(found: dict[str, Any], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
    for name, each in found["scenarios"].items():
        axes.plot(each["texts"], each["anonymous_mb"], label=name)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("texts encoded")
    axes.set_ylabel("anonymous memory (MB)")
    axes.legend()
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
