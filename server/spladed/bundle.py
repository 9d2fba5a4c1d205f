"""A bundle: the folder that export writes and the encoder reads.

    model.onnx        token ids and mask in, CSR rows out (opset 18; IR version <= 10)
    model.onnx.data   weights beside the graph, only where they exceed 1 GB
    tokenizer.json    Hugging Face `tokenizers` format, no padding or truncation baked in
    spladed.json      this module's `Manifest`: what the model is, who made it, the hashes
                      of the files above, the verification report, and golden texts

Graph inputs:  input_ids, attention_mask [, token_type_ids]   int64 [B, S], both dynamic
Graph outputs: indptr int64 [B + 1], indices int32 [nnz], values float32 [nnz]

Two identities. `space_id` says which vectors are comparable: vocabulary, source weights,
pooling, activation, special-term rule, query side. `bundle_id` says which computation
made them: space, precision, target, lengths, and the bytes of the files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np

from spladed.errors import Corrupt, Mismatch, NotFound
from spladed.sparse import SparseBatch

__all__ = [
    "BUILTIN",
    "FORMAT_VERSION",
    "GRAPH_FILE",
    "MANIFEST_FILE",
    "TOKENIZER_FILE",
    "Activation",
    "Bundle",
    "Golden",
    "Kind",
    "Manifest",
    "Model",
    "Pooling",
    "Precision",
    "Source",
    "SpecialTerms",
    "Target",
    "file_sha256",
]

FORMAT_VERSION = 1
BUILTIN = "builtin"
MANIFEST_FILE = "spladed.json"
GRAPH_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"

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
class Golden:
    """A text and the row that the exporting machine computed for it, alone in its batch."""

    text: str
    kind: Kind
    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """`spladed.json`, field for field."""

    name: str
    source: Source
    model: Model
    precision: Precision
    target: Target
    query_max_length: int
    document_max_length: int
    files: Mapping[str, str]  # name -> sha256, in hexadecimal
    space_id: str
    bundle_id: str
    verification: Mapping[str, Any]
    golden: tuple[Golden, ...] = ()
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
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Corrupt(
                f"{where} is not a bundle manifest of version {FORMAT_VERSION} ({error}); "
                "export the model again",
                reason="BUNDLE_MANIFEST",
                field=where,
            ) from error

    def golden_rows(self) -> SparseBatch:
        """The rows of the golden texts."""
        rows = [(np.array(each.indices), np.array(each.values)) for each in self.golden]
        return SparseBatch.from_rows(self.model.vocabulary_size, rows)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle folder whose manifest was read and whose files were found as promised."""

    path: Path
    manifest: Manifest = field(repr=False)

    @classmethod
    def open(cls, where: str | Path) -> Self:
        """The bundle in the folder `where`, or the built-in one for "builtin".

        Raises NotFound (no such folder, no manifest), Mismatch (another format version),
        Corrupt (unreadable manifest, a file missing or with another hash).
        """
        path = Path(__file__).with_name(BUILTIN) if str(where) == BUILTIN else Path(where)
        manifest_path = path / MANIFEST_FILE
        if not manifest_path.is_file():
            raise NotFound(
                f"no bundle at {path}: it has no {MANIFEST_FILE}; make one with "
                "`spladed export SOURCE OUT`, or use the bundle named 'builtin'",
                reason="BUNDLE_NOT_FOUND",
                field="bundle",
            )
        manifest = Manifest.from_json(manifest_path.read_text("utf-8"), str(manifest_path))
        _check_files(path, manifest.files)
        return cls(path, manifest)

    @property
    def graph(self) -> Path:
        """The path of the ONNX graph."""
        return self.path / GRAPH_FILE

    @property
    def tokenizer(self) -> Path:
        """The path of the tokenizer."""
        return self.path / TOKENIZER_FILE

    def max_length(self, kind: Kind) -> int:
        """Tokens a text of this kind may have, special tokens included."""
        manifest = self.manifest
        return manifest.query_max_length if kind == "query" else manifest.document_max_length


def space_id(model: Model, vocabulary: Sequence[str], weights_sha256: str) -> str:
    """What makes vectors comparable, as "sp-" and 32 hexadecimal digits."""
    parts = [
        weights_sha256,
        model.pooling,
        model.activation,
        model.special_terms,
        model.query_side,
        *vocabulary,
    ]
    return "sp-" + _digest(parts)


def bundle_id(
    space: str,
    precision: Precision,
    target: Target,
    lengths: tuple[int, int],
    files: Mapping[str, str],
) -> str:
    """What makes two computations the same one, as "bu-" and 32 hexadecimal digits."""
    hashes = [f"{name}={files[name]}" for name in sorted(files)]
    return "bu-" + _digest([space, precision, target, *map(str, lengths), *hashes])


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def _check_files(path: Path, files: Mapping[str, str]) -> None:
    for name in (GRAPH_FILE, TOKENIZER_FILE):
        if name not in files:
            raise Corrupt(
                f"{path / MANIFEST_FILE} lists no hash for {name}; export the model again",
                reason="BUNDLE_MANIFEST",
                field="files",
            )
    for name, expected in files.items():
        found = file_sha256(path / name) if (path / name).is_file() else "no such file"
        if found != expected:
            raise Corrupt(
                f"{path / name} does not fit its manifest: expected sha256 {expected}, "
                f"found {found}; copy the bundle again or export it anew",
                reason="BUNDLE_HASH",
                field=f"files.{name}",
            )


def _build_manifest(raw: dict[str, Any]) -> Manifest:
    unknown = set(raw) - {each.name for each in fields(Manifest)}
    if unknown:
        raise ValueError(f"unknown keys {sorted(unknown)}")
    model = dict(raw["model"])
    model["special_token_ids"] = tuple(model["special_token_ids"])
    golden = [
        Golden(each["text"], each["kind"], tuple(each["indices"]), tuple(each["values"]))
        for each in raw["golden"]
    ]
    values = raw | {
        "source": Source(**raw["source"]),
        "model": Model(**model),
        "golden": tuple(golden),
    }
    manifest = Manifest(**values)
    _check_words(manifest)
    return manifest


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
