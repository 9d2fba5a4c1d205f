"""Texts are padded to a batch and run; where the memory does not suffice, in halves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from spladed.encoder.batch import BatchPolicy, WaitingRows
from spladed.errors import Exhausted, Internal, SpladedError
from spladed.manifest import Kind
from spladed.sparse import SparseBatch

__all__ = ["Ran", "Runs", "TokenIds", "as_error", "run_all", "run_in_parts", "run_rows"]

_LOG = logging.getLogger("spladed.encoder")

TokenIds = npt.NDArray[np.int64]
Runs = Callable[[Kind, TokenIds, TokenIds], SparseBatch]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ran:
    """A batch that ran. tokens: of its rows; padded: with their padding; budget: allowed."""

    kind: Kind
    rows: int
    tokens: int
    padded: int
    budget: int
    seconds: float


def run_rows(run: Runs, kind: Kind, texts: Sequence[TokenIds], policy: BatchPolicy) -> SparseBatch:
    """Pads the texts, all of one kind, into one batch [B, S] and runs it."""
    length = policy.padded(max(len(ids) for ids in texts))
    tokens = np.zeros((len(texts), length), np.int64)
    mask = np.zeros((len(texts), length), np.int64)
    for row, ids in enumerate(texts):
        tokens[row, : len(ids)] = ids
        mask[row, : len(ids)] = 1
    return run(kind, tokens, mask)


def run_in_parts(
    rows: Sequence[T], run: Callable[[Sequence[T]], SparseBatch]
) -> Iterator[tuple[Sequence[T], SparseBatch | SpladedError]]:
    """Runs the rows as one batch; where the memory does not suffice, in halves, and so on.

    Yields the parts in the order of the rows, each with what it made: sparse rows, or Exhausted
    OUT_OF_MEMORY for a single row. Raises what `run` raises, but for MemoryError.
    """
    parts = [rows]
    while parts:
        part = parts.pop()
        try:
            made = run(part)
        except MemoryError as error:
            if len(part) > 1:
                _LOG.warning("a batch of %d rows is halved: %s", len(part), error)
                parts += [part[len(part) // 2 :], part[: len(part) // 2]]
                continue
            made = as_error(error)
        yield part, made


def run_all(
    run: Runs, kind: Kind, texts: Sequence[TokenIds], policy: BatchPolicy, *, parallel_batches: int
) -> Iterator[tuple[list[int], SparseBatch]]:
    """(positions, their rows) of parts of the texts, each position once, as they are computed.

    Raises Exhausted OUT_OF_MEMORY if a text alone is too large.
    """
    waiting: WaitingRows[int] = WaitingRows(policy)
    for number, ids in enumerate(texts):
        waiting.add(len(ids), kind, number)
    batches = [[row.owner for row in batch] for batch in iter(waiting.take, [])]

    def run_one(numbers: Sequence[int]) -> SparseBatch:
        return run_rows(run, kind, [texts[number] for number in numbers], policy)

    def run_batch(batch: list[int]) -> list[tuple[list[int], SparseBatch]]:
        return [(list(part), _raised(made)) for part, made in run_in_parts(batch, run_one)]

    if min(parallel_batches, len(batches)) <= 1:
        for batch in batches:
            yield from run_batch(batch)
        return
    with ThreadPoolExecutor(parallel_batches, thread_name_prefix="spladed-batch") as pool:
        for parts in pool.map(run_batch, batches):
            yield from parts


def _raised(made: SparseBatch | SpladedError) -> SparseBatch:
    if isinstance(made, SpladedError):
        raise made
    return made


def as_error(error: Exception) -> SpladedError:
    """What the callers of a batch hear of what stopped it; the log gets the rest."""
    if isinstance(error, SpladedError):
        return error
    if isinstance(error, MemoryError):
        _LOG.error("a text needs more memory than there is: %s", error)
        return Exhausted(
            "the encoder has not enough memory for one text of this request; send a shorter one, "
            "or set a smaller max_length",
            reason="OUT_OF_MEMORY",
        )
    # The cause may quote a caller's text or a path: it is for the log, not for the wire.
    _LOG.error("this is a bug: a batch failed", exc_info=error)
    return Internal(
        "this is a bug in spladed: a batch failed; the server's log has the cause",
        reason="ENGINE_FAILED",
    )
