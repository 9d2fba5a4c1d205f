"""A bundle: the folder that export writes and the encoder reads.

    model.onnx        token ids and mask in, CSR rows out (opset 18; IR version <= 10)
    model.onnx.data   weights beside the graph, only where they exceed 1 GB
    tokenizer.json    Hugging Face `tokenizers` format, no padding or truncation baked in
    spladed.json      `manifest.Manifest`: what the model is, who made it, the hashes of
                      the files above, the verification report, and golden texts

and where queries are not encoded as documents are, one of

    query.onnx        a graph for queries (with query.onnx.data above 1 GB)
    query_table.npy   a weight for every token, float32 [V], numpy's format

with query_tokenizer.json where queries are not split as documents are.

Graph inputs:  input_ids, attention_mask [, token_type_ids]   int64 [B, S], both dynamic
Graph outputs: indptr int64 [B + 1], indices int32 [nnz], values float32 [nnz]
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from spladed.errors import Corrupt, NotFound
from spladed.manifest import Manifest, QuerySide

__all__ = [
    "BUILTIN",
    "GRAPH_FILE",
    "MANIFEST_FILE",
    "QUERY_GRAPH_FILE",
    "QUERY_TABLE_FILE",
    "QUERY_TOKENIZER_FILE",
    "TOKENIZER_FILE",
    "Bundle",
    "file_sha256",
]

BUILTIN = "builtin"
MANIFEST_FILE = "spladed.json"
GRAPH_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
QUERY_GRAPH_FILE = "query.onnx"
QUERY_TABLE_FILE = "query_table.npy"
QUERY_TOKENIZER_FILE = "query_tokenizer.json"

# What a bundle cannot do without, by how it encodes queries.
_NEEDED: Mapping[QuerySide, tuple[str, ...]] = {
    "same": (GRAPH_FILE, TOKENIZER_FILE),
    "encoder": (GRAPH_FILE, TOKENIZER_FILE, QUERY_GRAPH_FILE),
    "table": (GRAPH_FILE, TOKENIZER_FILE, QUERY_TABLE_FILE),
}


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
        _check_files(path, manifest)
        return cls(path, manifest)

    @property
    def graph(self) -> Path:
        """The path of the ONNX graph."""
        return self.path / GRAPH_FILE

    @property
    def tokenizer(self) -> Path:
        """The path of the tokenizer."""
        return self.path / TOKENIZER_FILE

    @property
    def query_graph(self) -> Path:
        """The path of the graph for queries."""
        return self.path / QUERY_GRAPH_FILE

    @property
    def query_table(self) -> Path:
        """The path of the queries' weights."""
        return self.path / QUERY_TABLE_FILE

    @property
    def query_tokenizer(self) -> Path:
        """The path of the tokenizer for queries: the documents' unless they have their own."""
        own = QUERY_TOKENIZER_FILE in self.manifest.files
        return self.path / QUERY_TOKENIZER_FILE if own else self.tokenizer


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_files(path: Path, manifest: Manifest) -> None:
    for name in _NEEDED[manifest.model.query_side]:
        if name not in manifest.files:
            raise Corrupt(
                f"{path / MANIFEST_FILE} lists no hash for {name}; export the model again",
                reason="BUNDLE_MANIFEST",
                field="files",
            )
    for name, expected in manifest.files.items():
        found = file_sha256(path / name) if (path / name).is_file() else "no such file"
        if found != expected:
            raise Corrupt(
                f"{path / name} does not fit its manifest: expected sha256 {expected}, "
                f"found {found}; copy the bundle again or export it anew",
                reason="BUNDLE_HASH",
                field=f"files.{name}",
            )
