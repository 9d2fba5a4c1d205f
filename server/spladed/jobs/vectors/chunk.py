"""What readers give and writers take: rows with their ids, a chunk at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from spladed.errors import InvalidInput, Mismatch
from spladed.index.values import MAX_DIMENSION, Document, Field
from spladed.sparse import SparseBatch

__all__ = [
    "CHUNK_ROWS",
    "CHUNK_WEIGHTS",
    "Chunk",
    "Format",
    "Options",
    "Skipped",
    "VectorFile",
    "decide_dimension",
]

Format = Literal["parquet", "npz", "jsonl", "anserini", "csr", "ciff"]

# 2^21 weights are 16 MiB of rows: large enough for arrays to outweigh Python, small enough
# for a row of a whole vocabulary to be one chunk among others.
CHUNK_ROWS = 16_384
CHUNK_WEIGHTS = 1 << 21


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Row i of `vectors` is that of `ids[i]` and of `documents[i]`, where there are any.

    first: how many records of the file stand before this chunk
    """

    ids: Sequence[str]
    vectors: SparseBatch
    documents: Sequence[Document] | None = None
    first: int = 0


@dataclass(frozen=True, slots=True)
class Options:
    """What a file does not say of itself; raises InvalidInput SCALE.

    dimension:    the number of terms wanted; 0 takes the file's
    vocabulary:   vocab.txt, tokenizer.json or a bundle, where terms are tokens
    scale:        weights are divided by it
    ids:          a file of one id a line, where rows have numbers only
    fields:       declared fields, by whose names columns are read
    skip_unknown: tokens outside the vocabulary are counted and left out, no error
    scratch:      the folder of temporary files; None takes the system's
    """

    dimension: int = 0
    vocabulary: str = ""
    scale: float = 1.0
    ids: Path | None = None
    fields: tuple[Field, ...] = ()
    skip_unknown: bool = False
    scratch: Path | None = None

    def __post_init__(self) -> None:
        if not 0 < self.scale < float("inf"):
            raise InvalidInput(
                f"scale is {self.scale}; expected a number above 0 that weights are divided by",
                reason="SCALE",
                field="scale",
            )


@dataclass(slots=True)
class Skipped:
    """Weights of tokens outside the vocabulary: how many, and the first few tokens."""

    weights: int = 0
    tokens: list[str] = field(default_factory=list)

    def take(self, token: str, weights: int) -> None:
        """Counts them."""
        self.weights += weights
        if len(self.tokens) < 5 and token not in self.tokens:
            self.tokens.append(token)


@dataclass(frozen=True, slots=True, eq=False)
class VectorFile:
    """A file that was opened and found to be what it should; its rows come once.

    total:    records in the file, None where only reading tells
    space_id, bundle_id: what made the vectors, where the file says so
    skipped:  fills while chunks are taken
    """

    path: Path
    format: Format
    dimension: int
    total: int | None
    chunks: Iterator[Chunk]
    space_id: str = ""
    bundle_id: str = ""
    skipped: Skipped = field(default_factory=Skipped)


def decide_dimension(path: Path, found: int, wanted: int) -> int:
    """The number of terms of the rows: what is wanted, else what the file says; 0 is unset.

    Raises Mismatch DIMENSION for a file of more terms than wanted, InvalidInput DIMENSION
    where neither says a number or the file's cannot be.
    """
    if wanted and found > wanted:
        raise Mismatch(
            f"{path} has vectors of {found} terms, more than the {wanted} of the collection or "
            "of --dimension; load it into a collection of the model that made it",
            reason="DIMENSION",
            field="dimension",
        )
    if not wanted and not 1 <= found <= MAX_DIMENSION:
        message = (
            f"{path} says it has {found} terms; expected 1 to {MAX_DIMENSION}"
            if found
            else f"{path} does not say how many terms its vectors have; give --dimension"
        )
        raise InvalidInput(message, reason="DIMENSION", field="dimension")
    return wanted or found
