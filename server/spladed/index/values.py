"""What goes into a collection and comes out of it, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from spladed.declared import Field, FieldType, Formula, Scoring, Value
from spladed.errors import InvalidInput
from spladed.sparse import SparseBatch

__all__ = [
    "MAX_DIMENSION",
    "CollectionSettings",
    "Compacted",
    "Contribution",
    "Document",
    "Explanation",
    "Field",
    "FieldType",
    "Formula",
    "Found",
    "Hit",
    "Scoring",
    "Stats",
    "Value",
    "WeightFormat",
]

WeightFormat = Literal["fixed16", "float32"]

# Inverting a segment counts with one int64 a term: 128 MiB at this bound. The largest
# vocabulary in use (XLM-R) has 250,002 terms.
MAX_DIMENSION = 1 << 24


@dataclass(frozen=True, slots=True)
class CollectionSettings:
    """What a collection is, fixed when it is made; raises InvalidInput if it cannot be.

    dimension:     the number of terms, V
    space_id:      what makes its vectors comparable; empty for bare vectors
    bundle:        the name of the bundle whose encoder serves texts; opaque here
    weight_format: fixed16 is steps of 1/4096 to just under 16; float32 keeps weights whole
    store_text:    whether `Document.text` is kept
    scoring:       how a score is made of weights
    fields:        what filters may use, by name
    """

    dimension: int
    space_id: str = ""
    bundle: str = ""
    weight_format: WeightFormat = "fixed16"
    store_text: bool = True
    scoring: Scoring = field(default_factory=Scoring)
    fields: tuple[Field, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.dimension <= MAX_DIMENSION:
            raise InvalidInput(
                f"settings.dimension is {self.dimension}; expected 1 to {MAX_DIMENSION}",
                reason="DIMENSION",
                field="settings.dimension",
            )
        if self.weight_format not in get_args(WeightFormat):
            raise InvalidInput(
                f"settings.weight_format is {self.weight_format!r}; expected fixed16 or float32",
                reason="WEIGHT_FORMAT",
                field="settings.weight_format",
            )

    @property
    def is_wide(self) -> bool:
        """Whether terms need more than 16 bits."""
        return self.dimension > 1 << 16


@dataclass(frozen=True, slots=True)
class Document:
    """One document without its vector; `metadata` is JSON that nobody here reads.

    fields: values of declared fields by name; several only where the field is a list
    """

    id: str
    text: str = ""
    metadata: str = ""
    fields: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)


class Hit(NamedTuple):
    """One document that scored above 0; `document` only when it was asked for."""

    id: str
    score: float
    document: Document | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What `get` found: row i of `vectors` is that of `documents[i]`, in order of request.

    `vectors` has no rows where they were not asked for; `missing` are the unknown ids.
    """

    documents: list[Document]
    vectors: SparseBatch
    missing: list[str]
    generation: int


@dataclass(frozen=True, slots=True)
class Contribution:
    """One shared term: `contribution` is `query_weight * document_weight`, in float64."""

    term: int
    query_weight: float
    document_weight: float
    contribution: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """A score as `search` gives it, and its terms by falling contribution, ties by term."""

    id: str
    score: float
    terms: list[Contribution]


@dataclass(frozen=True, slots=True)
class Stats:
    """What a collection holds.

    documents, nnz: live documents and their stored weights
    deleted:            dead rows that still take room, until their segment is rewritten
    segments:           how many segments a search visits, those in memory too
    buffered_documents: written and not yet in a segment file
    merges_due:         merges of segments that are due, one after the other; of a writer
    memory_bytes:       anonymous memory: segments in memory, bitmaps, cached masks
    mapped_bytes:       segment files, which the kernel holds in memory as far as it has room
    disk_bytes:         the files of the folder
    """

    documents: int
    deleted: int
    nnz: int
    generation: int
    segments: int
    buffered_documents: int
    merges_due: int
    memory_bytes: int
    mapped_bytes: int
    disk_bytes: int


@dataclass(frozen=True, slots=True)
class Compacted:
    """The generation, which a compaction does not change, and the bytes on disk."""

    generation: int
    bytes_before: int
    bytes_after: int
