"""A checkpoint in the manifest's words: model, sides, tokenizer, identity."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from itertools import zip_longest

from spladed.errors import InvalidInput, Mismatch
from spladed.manifest import (
    Golden,
    Kind,
    Manifest,
    Model,
    Precision,
    QuerySide,
    Side,
    Source,
    SpecialTerms,
    Target,
    bundle_id,
    space_id,
)
from spladed.pruning import Pruning
from spladed_export.onnx_export import load_tokenizer
from spladed_export.source import Checkpoint
from spladed_export.table import StaticTable

__all__ = [
    "Asked", "Described", "check_same_vocabulary", "described", "manifest_of", "model_of",
    "plain_tokenizer", "sides_of", "versions",
]  # fmt: skip

_VERSIONED = ("spladed", "torch", "transformers", "optimum-onnx", "onnx", "onnxruntime")
_SHORTEST = 3  # one token between two special ones
_QUERY_SIDES: Mapping[type, QuerySide] = {
    type(None): "same",
    Checkpoint: "encoder",
    StaticTable: "table",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What whoever exports asks for of one side; max_length 0 takes the source's own."""

    max_length: int | None = None
    pruning: Pruning = field(default_factory=Pruning)


@dataclass(frozen=True, slots=True)
class Described:
    """A checkpoint in the manifest's words. query_model: of a graph for queries."""

    checkpoint: Checkpoint
    model: Model
    query_model: Model | None
    sides: Mapping[Kind, Side]


def described(
    checkpoint: Checkpoint,
    tokenizers: Mapping[Kind, str],
    special_terms: SpecialTerms,
    asked: Mapping[Kind, Asked],
) -> Described:
    """tokenizers: tokenizer.json of each kind. Raises as `sides_of`."""
    query, query_model = checkpoint.query, None
    if isinstance(query, Checkpoint):
        query_model = model_of(query, tokenizers["query"], special_terms)
    model = model_of(checkpoint, tokenizers["document"], special_terms)
    model = replace(model, query_side=_QUERY_SIDES[type(query)])
    return Described(checkpoint, model, query_model, sides_of(checkpoint, asked))


def plain_tokenizer(checkpoint: Checkpoint | StaticTable) -> str:
    """tokenizer.json as the source's own tokenizer behaves, without padding and truncation.

    transformers lets tokenizer_config.json override tokenizer.json (lower case, accents),
    so the text is written from the tokenizer that it builds, not copied.
    """
    tokenizer = json.loads(load_tokenizer(checkpoint).backend_tokenizer.to_str())
    tokenizer["padding"] = tokenizer["truncation"] = None
    return json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":"))


def model_of(checkpoint: Checkpoint, tokenizer_json: str, special_terms: SpecialTerms) -> Model:
    """The manifest's model."""
    added = json.loads(tokenizer_json)["added_tokens"]
    return Model(
        architecture=checkpoint.architecture,
        vocabulary_size=checkpoint.vocabulary_size,
        max_length=checkpoint.positions,
        pooling=checkpoint.pooling,
        activation=checkpoint.activation,
        special_terms=special_terms,
        special_token_ids=tuple(sorted(each["id"] for each in added if each["special"])),
    )


def sides_of(checkpoint: Checkpoint, asked: Mapping[Kind, Asked]) -> dict[Kind, Side]:
    """How texts of each kind are encoded.

    Raises InvalidInput for a length beyond what the checkpoint can take.
    """
    query = checkpoint.query or checkpoint
    prompting = query if isinstance(query, Checkpoint) else checkpoint
    return {
        "query": _side("query", query, prompting, asked["query"]),
        "document": _side("document", checkpoint, checkpoint, asked["document"]),
    }


def _side(
    kind: Kind, encoding: Checkpoint | StaticTable, prompting: Checkpoint, asked: Asked
) -> Side:
    length = asked.max_length
    if length is not None and not _SHORTEST <= length <= prompting.positions:
        raise InvalidInput(
            f"{kind}_max_length is {length}; {encoding.name} takes {_SHORTEST} to "
            f"{prompting.positions} tokens, special tokens included",
            reason="MAX_LENGTH",
            field=f"{kind}_max_length",
        )
    most = asked.pruning.top_terms or prompting.max_active_dims
    return Side(
        length or encoding.text_length,
        prompting.prompts[kind],
        replace(asked.pruning, top_terms=most),
    )


def check_same_vocabulary(
    documents: Checkpoint, theirs: list[str], queries: Checkpoint | StaticTable, own: list[str]
) -> None:
    """Raises Mismatch unless both sides call the same tokens by the same ids."""
    if theirs == own and documents.vocabulary_size == queries.vocabulary_size:
        return
    both = zip_longest(theirs, own)
    first = next((number for number, (one, other) in enumerate(both) if one != other), len(own))
    raise Mismatch(
        f"the vocabulary of the query side {queries.name} is another one, from id {first} on "
        f"({queries.vocabulary_size} terms, {documents.name} has {documents.vocabulary_size}): "
        "no query would find its documents",
        reason="QUERY_VOCABULARY",
        field="query_source",
    )


def manifest_of(
    described: Described,
    *,
    precision: Precision,
    target: Target,
    vocabulary: list[str],
    files: Mapping[str, str],
    golden: tuple[Golden, ...],
) -> Manifest:
    """The manifest, but for the verification report."""
    checkpoint, sides = described.checkpoint, described.sides
    source = _source(checkpoint)
    space = space_id(described.model, vocabulary, source.weights_sha256, sides["document"])
    both = (sides["query"], sides["document"])
    return Manifest(
        name=checkpoint.name,
        source=source,
        model=described.model,
        precision=precision,
        target=target,
        query=both[0],
        document=both[1],
        files=dict(files),
        space_id=space,
        bundle_id=bundle_id(space, precision, target, both, files),
        verification={},
        golden=golden,
        query_source=_source(checkpoint.query) if checkpoint.query else None,
        query_model=described.query_model,
    )


def _source(of: Checkpoint | StaticTable) -> Source:
    return Source(of.name, of.commit, of.licence, of.weights_sha256())


def versions() -> dict[str, str]:
    """Versions of what takes part in an export; "absent" where it is not installed."""
    return {name: _version(name) for name in _VERSIONED}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"
