"""Which setup is fastest on this machine? Candidates and choice are pure; measuring is not.

Measured is what onnxruntime does: token ids in, rows out. Tokenization and gRPC need their
share of the cores too, which is why spinning is measured but never part of a choice.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Self

import numpy as np

from spladed.bundle import Bundle
from spladed.encoder.batch import DEFAULT_BATCH_TOKENS, BatchPolicy, WaitingRows
from spladed.encoder.encoder import Encoder
from spladed.encoder.run import TokenIds, run_rows
from spladed.encoder.tokenize import windows
from spladed.encoder.tuning import Measured, Setup

__all__ = ["Sample", "Spun", "budgets", "choose", "measure_spinning", "splits", "tune"]

# A setup within this share of the fastest is as fast: what repetitions differed by.
_AS_FAST = 0.05
_BUDGETS = (1_024, 2_048, 4_096, 8_192, 16_384)
_MADE_DOCUMENTS = 1_000
_LEAST_QUERIES = 20


@dataclass(frozen=True, slots=True)
class Sample:
    """Token ids of texts to measure on; queries are empty where no graph encodes them."""

    documents: Sequence[TokenIds]
    queries: Sequence[TokenIds]

    @classmethod
    def of(cls, bundle: Bundle, texts: Sequence[str] = ()) -> Self:
        """The texts as documents, or made ones, and the bundle's golden queries.

        Made documents are cut from the golden ones, 100 tokens in the median, as passages are.
        """
        encoder = Encoder.load(bundle)
        golden = bundle.manifest.golden
        given = texts or [each.text for each in golden if each.kind == "document"]
        documents = windows(encoder.tokenize(given, kind="document"))
        queries = [each.text for each in golden if each.kind == "query"]
        return cls(
            documents if texts else _cut(documents, bundle.manifest.side("document").max_length),
            [] if encoder.table else windows(encoder.tokenize(queries, kind="query")),
        )


@dataclass(frozen=True, slots=True)
class Spun:
    """A query alone, the median, and the CPU time of the whole process meanwhile."""

    spinning: bool
    query_ms: float
    cpu_ms: float


def splits(cores: int) -> list[Setup]:
    """All cores, half of them or one, as 1, 2, 4, ... batches side by side.

    Half, because what the system calls cores are often two threads of one.
    """
    return [
        Setup(threads, parallel, DEFAULT_BATCH_TOKENS)
        for threads in sorted({1, max(1, cores // 2), cores})
        for parallel in (1 << power for power in range(threads.bit_length()))
    ]


def budgets(split: Setup) -> list[Setup]:
    """That way to use the cores, with each token budget."""
    return [replace(split, max_batch_tokens=tokens) for tokens in _BUDGETS]


def choose(measured: Sequence[Measured]) -> Setup:
    """Of the setups that encode documents as fast as the fastest, the one whose lone query waits
    least; of equals, that with the smallest batches, then the fewest threads."""
    fastest = max(each.documents_per_second for each in measured)
    fast = [each for each in measured if each.documents_per_second >= fastest * (1 - _AS_FAST)]
    soonest = min(each.query_ms for each in fast)
    soon = [each.setup for each in fast if each.query_ms <= soonest * (1 + _AS_FAST)]
    return min(soon, key=lambda setup: (setup.max_batch_tokens, setup.threads))


def tune(
    bundle: Bundle,
    sample: Sample,
    *,
    cores: int,
    seconds: float,
    tell: Callable[[Measured], object],
) -> tuple[Setup, list[Measured]]:
    """The choice, and all that was measured: each way to use the cores, then, for the best of
    them, each token budget.

    seconds: for each measurement
    tell:    called with each measurement
    """
    encoders: dict[Setup, Encoder] = {}
    measured: list[Measured] = []

    def note(each: Measured) -> None:
        measured.append(each)
        tell(each)

    for split in splits(cores):
        encoder = encoders[split] = _load(bundle, split)
        rate = _documents_per_second(encoder, encoder.policy, sample.documents, seconds)
        note(Measured(split, rate, _lone_queries(encoder, sample.queries, seconds)[0]))
    best = choose(measured)
    (of_best,) = (each for each in measured if each.setup == best)
    for setup in budgets(best):
        if setup != best:
            policy = replace(encoders[best].policy, max_batch_tokens=setup.max_batch_tokens)
            rate = _documents_per_second(encoders[best], policy, sample.documents, seconds)
            note(Measured(setup, rate, of_best.query_ms))
    of_budgets = [each for each in measured if each.setup in budgets(best)]
    return choose(of_budgets), measured


def measure_spinning(bundle: Bundle, sample: Sample, setup: Setup, seconds: float) -> list[Spun]:
    """A lone query without and with spinning; empty where the setup has no thread to spin."""
    if setup.threads <= setup.parallel_batches or not sample.queries:
        return []
    return [
        Spun(spinning, *_lone_queries(_load(bundle, setup, spinning), sample.queries, seconds))
        for spinning in (False, True)
    ]


def _load(bundle: Bundle, setup: Setup, spinning: bool = False) -> Encoder:
    return Encoder.load(
        bundle,
        threads=setup.threads,
        parallel_batches=setup.parallel_batches,
        max_batch_tokens=setup.max_batch_tokens,
        spinning=spinning,
    )


def _cut(documents: Sequence[TokenIds], longest: int) -> list[TokenIds]:
    tokens = np.concatenate(documents)
    random = np.random.default_rng(0)
    lengths = np.clip(random.lognormal(np.log(100), 0.6, _MADE_DOCUMENTS), 8, longest)
    starts = random.integers(0, len(tokens), _MADE_DOCUMENTS)
    return [
        np.resize(np.roll(tokens, -start), length)
        for start, length in zip(starts, lengths.astype(int), strict=True)
    ]


def _documents_per_second(
    encoder: Encoder, policy: BatchPolicy, texts: Sequence[TokenIds], seconds: float
) -> float:
    """By the tokens of the batches that ran, since a slow model runs few of the sample's."""
    batches, lock = cycle(_batches(policy, texts)), threading.Lock()
    rates: list[float] = []

    def run_batches() -> None:
        tokens, started = 0, time.perf_counter()
        while time.perf_counter() - started < seconds:
            with lock:
                batch = next(batches)
            run_rows(encoder.run, "document", batch, policy)
            tokens += sum(len(ids) for ids in batch)
        rates.append(tokens / (time.perf_counter() - started))

    threads = [threading.Thread(target=run_batches) for _ in range(encoder.setup.parallel_batches)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(rates) * len(texts) / sum(len(ids) for ids in texts)


def _batches(policy: BatchPolicy, texts: Sequence[TokenIds]) -> list[list[TokenIds]]:
    waiting: WaitingRows[TokenIds] = WaitingRows(policy)
    for ids in texts:
        waiting.add(len(ids), "document", ids)
    return [[row.owner for row in batch] for batch in iter(waiting.take, [])]


def _lone_queries(
    encoder: Encoder, texts: Sequence[TokenIds], seconds: float
) -> tuple[float, float]:
    """Median milliseconds of a query alone, and the process's CPU milliseconds for one."""
    if not texts:
        return 0.0, 0.0
    took: list[float] = []
    queries, started, cpu = cycle(texts), time.perf_counter(), time.process_time()
    while time.perf_counter() - started < seconds or len(took) < _LEAST_QUERIES:
        began = time.perf_counter()
        run_rows(encoder.run, "query", list(islice(queries, 1)), encoder.policy)
        took.append(time.perf_counter() - began)
    cpu = time.process_time() - cpu
    return statistics.median(took) * 1000, cpu / len(took) * 1000
