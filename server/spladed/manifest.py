"""What a bundle says of itself: `spladed.json`, field for field.

Two identities. `space_id` says which vectors are comparable: vocabulary, source weights,
pooling, activation, special-term rule, the documents' prompt, query side. `bundle_id` says
which computation made them: space, precision, target, both sides, and the bytes of the files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

import numpy as np

from spladed.errors import Corrupt, InvalidInput, Mismatch
from spladed.pruning import Pruning
from spladed.sparse import SparseBatch

__all__ = [
    "FORMAT_VERSION",
    "Activation",
    "Golden",
    "Kind",
    "Manifest",
    "Model",
    "Pooling",
    "Precision",
    "QuerySide",
    "Side",
    "Source",
    "SpecialTerms",
    "Target",
    "bundle_id",
    "space_id",
]

FORMAT_VERSION = 2

Kind = Literal["query", "document"]
Pooling = Literal["max", "sum"]
Activation = Literal["log1p_relu", "log1p_log1p_relu"]
SpecialTerms = Literal["keep", "drop"]
QuerySide = Literal["same", "encoder", "table"]
Precision = Literal["fp32", "int8", "fp16", "bf16"]
Target = Literal["cpu", "cuda", "openvino"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where the weights came from.

    name:           hub id or folder name
    commit:         the hub's commit, or empty for a folder
    licence:        SPDX identifier or the model card's word, empty where none is stated
    weights_sha256: of the checkpoint's weight file(s), in name order
    """

    name: str
    commit: str
    licence: str
    weights_sha256: str


@dataclass(frozen=True, slots=True)
class Model:
    """What the graph computes, whatever its precision.

    special_token_ids: the tokenizer's special tokens; their columns are kept or dropped
    max_length:        positions the checkpoint can take, special tokens included
    query_side:        "same": queries are encoded as documents are; "encoder": by a graph of
                       their own; "table": as the set of their tokens, each with a fixed weight
    """

    architecture: str
    vocabulary_size: int
    max_length: int
    pooling: Pooling = "max"
    activation: Activation = "log1p_relu"
    special_terms: SpecialTerms = "keep"
    special_token_ids: tuple[int, ...] = ()
    query_side: QuerySide = "same"


@dataclass(frozen=True, slots=True)
class Side:
    """How texts of one kind are encoded, whoever asks.

    max_length: tokens a text may have, special ones and those of the prompt included
    prompt:     put before every text
    pruning:    of every row
    """

    max_length: int
    prompt: str = ""
    pruning: Pruning = field(default_factory=Pruning)


@dataclass(frozen=True, slots=True)
class Golden:
    """A text and the row that the exporting machine computed for it, alone in its batch."""

    text: str
    kind: Kind
    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """`spladed.json`, field for field.

    source, model: of the documents' side, and of the queries' too if they are encoded the same
    query_source:  of a query side of its own: another checkpoint, or a table of weights
    query_model:   of a graph for queries
    """

    name: str
    source: Source
    model: Model
    precision: Precision
    target: Target
    query: Side
    document: Side
    files: Mapping[str, str]  # name -> sha256, in hexadecimal
    space_id: str
    bundle_id: str
    verification: Mapping[str, Any]
    golden: tuple[Golden, ...] = ()
    query_source: Source | None = None
    query_model: Model | None = None
    format_version: int = FORMAT_VERSION

    def to_json(self) -> str:
        """The text of `spladed.json`."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> Manifest:
        """Reads `spladed.json`; raises Mismatch for another version, Corrupt for the rest."""
        try:
            raw = json.loads(text)
            _check_version(raw.get("format_version"), where)
            return _build_manifest(raw)
        except (ValueError, TypeError, KeyError, AttributeError, InvalidInput) as error:
            raise Corrupt(
                f"{where} is not a bundle manifest of version {FORMAT_VERSION} ({error}); "
                "export the model again",
                reason="BUNDLE_MANIFEST",
                field=where,
            ) from error

    def side(self, kind: Kind) -> Side:
        """How texts of this kind are encoded."""
        return self.query if kind == "query" else self.document

    def golden_rows(self) -> SparseBatch:
        """The rows of the golden texts."""
        rows = [(np.array(each.indices), np.array(each.values)) for each in self.golden]
        return SparseBatch.from_rows(self.model.vocabulary_size, rows)


def space_id(model: Model, vocabulary: Sequence[str], weights_sha256: str, document: Side) -> str:
    """What makes vectors comparable, as "sp-" and 32 hexadecimal digits.

    The weights of a query side of its own do not count: a better one searches the documents
    that are there.
    """
    parts = [
        weights_sha256,
        model.pooling,
        model.activation,
        model.special_terms,
        model.query_side,
        *vocabulary,
        *_unless_empty(document.prompt),
    ]
    return "sp-" + _digest(parts)


def bundle_id(
    space: str,
    precision: Precision,
    target: Target,
    sides: tuple[Side, Side],
    files: Mapping[str, str],
) -> str:
    """What makes two computations the same one, as "bu-" and 32 hexadecimal digits.

    sides: of queries and of documents
    """
    lengths = [str(side.max_length) for side in sides]
    hashes = [f"{name}={files[name]}" for name in sorted(files)]
    rules = [f"{number}{side.prompt}{side.pruning}" for number, side in enumerate(sides)
             if side.prompt or side.pruning]  # fmt: skip
    return "bu-" + _digest([space, precision, target, *lengths, *hashes, *rules])


def _unless_empty(part: str) -> list[str]:
    return [part] if part else []


def _digest(parts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()[:32]


def _check_version(found: object, where: str) -> None:
    if found != FORMAT_VERSION:
        raise Mismatch(
            f"{where} has format_version {found!r}; this version of spladed reads "
            f"{FORMAT_VERSION}; export the model again with this version",
            reason="BUNDLE_VERSION",
            field="format_version",
        )


def _build_manifest(raw: dict[str, Any]) -> Manifest:
    unknown = set(raw) - {each.name for each in fields(Manifest)}
    if unknown:
        raise ValueError(f"unknown keys {sorted(unknown)}")
    golden = [
        Golden(each["text"], each["kind"], tuple(each["indices"]), tuple(each["values"]))
        for each in raw["golden"]
    ]
    values = raw | {
        "source": Source(**raw["source"]),
        "model": _model(raw["model"]),
        "query": _side(raw["query"]),
        "document": _side(raw["document"]),
        "query_source": Source(**raw["query_source"]) if raw.get("query_source") else None,
        "query_model": _model(raw["query_model"]) if raw.get("query_model") else None,
        "golden": tuple(golden),
    }
    manifest = Manifest(**values)
    _check_words(manifest)
    return manifest


def _model(raw: dict[str, Any]) -> Model:
    values: dict[str, Any] = raw | {"special_token_ids": tuple(raw["special_token_ids"])}
    return Model(**values)


def _side(raw: dict[str, Any]) -> Side:
    values: dict[str, Any] = raw | {"pruning": Pruning(**raw["pruning"])}
    return Side(**values)


def _check_words(manifest: Manifest) -> None:
    model = manifest.model
    for name, value, allowed in (
        ("precision", manifest.precision, Precision),
        ("target", manifest.target, Target),
        ("pooling", model.pooling, Pooling),
        ("activation", model.activation, Activation),
        ("special_terms", model.special_terms, SpecialTerms),
        ("query_side", model.query_side, QuerySide),
    ):
        if value not in get_args(allowed):
            raise ValueError(f"{name} is {value!r}, expected one of {get_args(allowed)}")
    if (model.query_side == "encoder") != (manifest.query_model is not None):
        raise ValueError(f"query_side {model.query_side!r} with query_model {manifest.query_model}")
