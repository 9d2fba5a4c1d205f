"""What the client takes and gives, frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from spladed.declared import Field, FieldType, Formula, Scoring, Value
from spladed.errors import SpladedError
from spladed.sparse import SparseBatch

__all__ = [
    "BackedUp",
    "CollectionDescription",
    "Compacted",
    "Deleted",
    "Document",
    "Encoded",
    "Explanation",
    "Failure",
    "Field",
    "FieldType",
    "Formula",
    "Found",
    "Hit",
    "Loaded",
    "Kind",
    "Page",
    "Scoring",
    "SearchResult",
    "TermContribution",
    "TokenizedText",
    "Upserted",
    "UpsertedMany",
    "Value",
    "WeightFormat",
]

Kind = Literal["query", "document"]
WeightFormat = Literal["fixed16", "float32"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """Row i of `vectors` is text i; vectors of equal `space_id` are comparable."""

    vectors: SparseBatch
    token_counts: Sequence[int]
    truncated: Sequence[bool]
    space_id: str
    bundle_id: str


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """Ids and tokens of a text, special tokens included."""

    ids: Sequence[int]
    tokens: Sequence[str]
    truncated: bool


@dataclass(frozen=True, slots=True)
class Document:
    """A document to add, or one that came back.

    vector_row: its row in the `vectors` beside it; None to have `text` encoded
    metadata:   whatever JSON can say; numbers are doubles
    fields:     values of declared fields by name: str for a keyword, int, float, bool, or an
                aware datetime; several in a list or tuple. Each comes back as a tuple, times
                in UTC
    """

    id: str
    text: str = ""
    vector_row: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Value | Sequence[Value]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CollectionDescription:
    """A collection as the server describes it; `space_id` is empty for bare vectors."""

    name: str
    bundle: str
    dimension: int
    space_id: str
    weight_format: WeightFormat
    scoring: Scoring
    fields: Sequence[Field]
    stores_text: bool
    documents: int
    generation: int


@dataclass(frozen=True, slots=True)
class Upserted:
    """The documents are durable and visible from this generation on."""

    generation: int
    token_counts: Sequence[int]
    truncated: Sequence[bool]


@dataclass(frozen=True, slots=True)
class Failure:
    """An item of bulk work that the server refused: its position, counted from 0, and why."""

    position: int
    error: SpladedError


@dataclass(frozen=True, slots=True)
class UpsertedMany:
    """What bulk upserting has done: documents acknowledged, and those that were refused."""

    upserted: int
    generation: int
    failures: Sequence[Failure]


@dataclass(frozen=True, slots=True)
class Deleted:
    """How many documents there were of those to delete."""

    deleted: int
    generation: int


@dataclass(frozen=True, slots=True)
class Compacted:
    """Bytes on the server's disk; the generation is the one that was there before."""

    generation: int
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """The bundle that was loaded: its computation, and the space of its vectors."""

    bundle_id: str
    space_id: str


@dataclass(frozen=True, slots=True)
class BackedUp:
    """Which generation a copy holds, and its size on the server's disk."""

    generation: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Found:
    """Documents in the order asked for, the ids that are not there, and vectors if wanted."""

    documents: Sequence[Document]
    vectors: SparseBatch | None
    missing_ids: Sequence[str]
    generation: int


@dataclass(frozen=True, slots=True)
class Page:
    """Documents of a scan, and their vectors if wanted; `cursor` is where a later scan can go
    on."""

    documents: Sequence[Document]
    vectors: SparseBatch | None
    cursor: str
    generation: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that matched, with what was asked for."""

    id: str
    score: float
    text: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Sequence[Value]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """hits[i] are those of query i, score falling."""

    hits: Sequence[Sequence[Hit]]
    generation: int
    token_counts: Sequence[int]
    truncated: Sequence[bool]


@dataclass(frozen=True, slots=True)
class TermContribution:
    """What one term added to a score; see the contract for each field."""

    term: int
    token: str
    word: str
    query_weight: float
    document_weight: float
    contribution: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """A score and its terms, contribution falling."""

    id: str
    score: float
    terms: Sequence[TermContribution]

    def words(self) -> list[tuple[str, float]]:
        """The contributions of pieces added up to words, falling."""
        total: dict[str, float] = {}
        for each in self.terms:
            word = (each.word or each.token or str(each.term)).lower()
            total[word] = total.get(word, 0.0) + each.contribution
        return sorted(total.items(), key=lambda item: (-item[1], item[0]))
