"""What breaks the invariants of the catalog's tables, but for what its blobs hold."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from spladed.errors import SpladedError
from spladed.index import payload
from spladed.index.catalog import Reading
from spladed.index.commit import decode_seqs

__all__ = ["apart", "bundles", "deletes", "payloads"]

_Seqs = npt.NDArray[np.int64]


def apart(ranges: Sequence[tuple[int, int, str]], next_seq: int) -> Iterator[str]:
    """Segments and batches, (first seq, last, name), whose seqs are not theirs alone."""
    for first, last, where in ranges:
        if not 0 <= first <= last < next_seq:
            yield f"{where} has seqs {first} to {last}; the next one to be given is {next_seq}"
    for (_, last, where), (first, _, other) in pairwise(sorted(ranges)):
        if first <= last:
            yield f"{where} has seqs to {last}, {other} from {first}: they overlap"


def deletes(reading: Reading) -> tuple[_Seqs, _Seqs, list[str]]:
    """(all dead seqs, those whose payloads may still be there, what is wrong)."""
    dead, unpurged = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    marks, problems = reading.unpurged(), list[str]()
    for generation, data in reading.deletes():
        try:
            seqs = decode_seqs(data)
        except SpladedError as error:
            problems.append(f"generation {generation}: {error.message}")
            continue
        if trouble := _trouble(seqs, generation, reading):
            problems.append(f"generation {generation}: {trouble}")
        dead.append(seqs)
        unpurged += [seqs] if generation in marks else []
    return np.concatenate(dead), np.concatenate(unpurged), problems


def _trouble(seqs: _Seqs, generation: int, reading: Reading) -> str:
    if generation > reading.generation:
        return f"is of a write to come, after {reading.generation}"
    if np.any(seqs[1:] <= seqs[:-1]):
        return "its seqs do not rise"
    if len(seqs) and (seqs[0] < 0 or seqs[-1] >= reading.next_seq):
        return f"has seqs {seqs[0]} to {seqs[-1]}; the next one to be given is {reading.next_seq}"
    return ""


def payloads(reading: Reading, expected: _Seqs | None, *, store_text: bool) -> Iterator[str]:
    """Texts that do not decode, and those of documents that are not `expected`."""
    seqs = array("q")
    for seq, data in reading.documents():
        seqs.append(seq)
        try:
            text, _ = payload.decode(data, f"document {seq}")
        except SpladedError as error:
            yield error.message
            continue
        if text and not store_text:
            yield f"document {seq} has a text, in a collection that stores none"
    if expected is not None:
        for seq in np.setdiff1d(np.frombuffer(seqs, np.int64), expected).tolist():
            yield f"document {seq} is in no segment, batch or set of deletes"


def bundles(reading: Reading) -> Iterator[str]:
    """Entries that change nothing, or stand at a seq that was never given."""
    before = ""
    for seq, bundle_id in reading.bundles():
        if bundle_id == before or not 0 <= seq < reading.next_seq:
            yield f"{bundle_id!r} from seq {seq} on, after {before!r}: no change, or no such seq"
        before = bundle_id
