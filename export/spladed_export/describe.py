"""A checkpoint in the manifest's words: model, lengths, tokenizer, identity."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import metadata

from spladed.bundle import (
    Golden,
    Kind,
    Manifest,
    Model,
    Precision,
    Source,
    SpecialTerms,
    Target,
    bundle_id,
    space_id,
)
from spladed.errors import InvalidInput
from spladed_export.onnx_export import load_tokenizer
from spladed_export.source import Checkpoint

__all__ = ["lengths_of", "manifest_of", "model_of", "plain_tokenizer", "versions"]

_VERSIONED = ("spladed", "torch", "transformers", "optimum-onnx", "onnx", "onnxruntime")
_SHORTEST = 3  # one token between two special ones


def plain_tokenizer(checkpoint: Checkpoint) -> str:
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


def lengths_of(checkpoint: Checkpoint, query: int | None, document: int | None) -> dict[Kind, int]:
    """Tokens of a query and of a document; None takes the source's own.

    Raises InvalidInput beyond what the checkpoint can take.
    """
    for name, length in (("query_max_length", query), ("document_max_length", document)):
        if length is not None and not _SHORTEST <= length <= checkpoint.positions:
            raise InvalidInput(
                f"{name} is {length}; {checkpoint.name} takes {_SHORTEST} to "
                f"{checkpoint.positions} tokens, special tokens included",
                reason="MAX_LENGTH",
                field=name,
            )
    return {
        "query": query or checkpoint.text_length,
        "document": document or checkpoint.text_length,
    }


def manifest_of(
    checkpoint: Checkpoint,
    model: Model,
    *,
    lengths: Mapping[Kind, int],
    precision: Precision,
    target: Target,
    vocabulary: list[str],
    files: Mapping[str, str],
    golden: tuple[Golden, ...],
) -> Manifest:
    """The manifest, but for the verification report."""
    weights = checkpoint.weights_sha256()
    space = space_id(model, vocabulary, weights)
    both = (lengths["query"], lengths["document"])
    return Manifest(
        name=checkpoint.name,
        source=Source(checkpoint.name, checkpoint.commit, checkpoint.licence, weights),
        model=model,
        precision=precision,
        target=target,
        query_max_length=both[0],
        document_max_length=both[1],
        files=dict(files),
        space_id=space,
        bundle_id=bundle_id(space, precision, target, both, files),
        verification={},
        golden=golden,
    )


def versions() -> dict[str, str]:
    """Versions of what takes part in an export; "absent" where it is not installed."""
    return {name: _version(name) for name in _VERSIONED}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"
