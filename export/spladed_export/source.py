"""What does a checkpoint say of itself? A hub id or a folder in, a `Checkpoint` out.

Four kinds of source: a hub id, a transformers folder, a sentence-transformers
`SparseEncoder` folder, and a folder that optimum exported (a graph instead of weights).
Queries may have a side of their own: the source's Router or idf.json tells, or whoever
exports names another source for it.
Weights are read from safetensors; from pickles only where whoever exports allows it. Code of
a model's own is never run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spladed.errors import Corrupt, InvalidInput, Mismatch, NotFound
from spladed.manifest import Activation, Kind, Pooling
from spladed_export.files import find_weights, read_json, refuse_remote_code, sha256_of
from spladed_export.hub import looks_like_hub_id, snapshot
from spladed_export.licence import licence_of
from spladed_export.modules import Modules, Network, StaticEmbedding, read_modules
from spladed_export.table import TABLE_FILE, StaticTable, read_static_embedding

__all__ = ["ARCHITECTURES", "Checkpoint", "read", "read_query_side"]

# The masked-LMs whose export and graft are tested: each family has its own positions, type
# ids and tying. Those that count positions from the padding token's id on have as many fewer.
_FROM_ZERO = (
    "BertForMaskedLM", "DistilBertForMaskedLM", "ElectraForMaskedLM", "ModernBertForMaskedLM",
)  # fmt: skip
_FROM_PADDING = (
    "CamembertForMaskedLM", "MPNetForMaskedLM", "RobertaForMaskedLM", "XLMRobertaForMaskedLM",
)  # fmt: skip
ARCHITECTURES = tuple(sorted(_FROM_ZERO + _FROM_PADDING))
_PADDING_ID = 1  # of those, where config.json names none

_LONGEST_DEFAULT = 512  # tokens; what the published SPLADE models were trained with at most


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint on disk, described.

    folder:       of config.json, the tokenizer, and the weights or the graph
    commit:       of the hub, or empty
    licence:      as the model card states it, or empty
    weights:      safetensors or pickles, in name order; the graph's files for an ONNX source
    graph:        model.onnx of a folder that optimum exported, else None
    positions:    tokens the checkpoint can take, special tokens included
    text_length:  tokens a text may have by the source's own settings
    prompts:      put before every text of a kind; empty where there is none
    max_active_dims: heaviest terms kept of every row, 0 for all
    query:        a query side of its own, or None
    """

    folder: Path
    name: str
    commit: str
    licence: str
    weights: tuple[Path, ...]
    graph: Path | None
    architecture: str
    vocabulary_size: int
    pooling: Pooling
    activation: Activation
    positions: int
    text_length: int
    config: Mapping[str, Any] = field(repr=False)
    prompts: Mapping[Kind, str]
    max_active_dims: int
    query: Checkpoint | StaticTable | None = None

    @property
    def pickled(self) -> bool:
        """Whether the weights are pickles."""
        return self.graph is None and self.weights[0].suffix == ".bin"

    def weights_sha256(self) -> str:
        """One hash over the bytes of all weight files, in name order."""
        return sha256_of(self.weights)


@dataclass(frozen=True, slots=True)
class _Found:
    """A folder that a source's name led to. licence: as its model card states it."""

    root: Path
    name: str
    commit: str
    allow_pickle: bool

    @property
    def licence(self) -> str:
        return licence_of(self.root / "README.md")


def read(
    source: str | Path,
    revision: str | None = None,
    *,
    pooling: Pooling | None = None,
    activation: Activation | None = None,
    allow_pickle: bool = False,
) -> Checkpoint:
    """The checkpoint that `source` names; hub ids are downloaded (at `revision`).

    pooling, activation: of a source that does not state them itself
    allow_pickle: whether weights may be pickles, where there are no safetensors

    Raises NotFound, Forbidden (gated) or Unavailable (offline) where there is none to be
    had, InvalidInput and Mismatch where it is not one that this version exports, and
    Corrupt for files that are cut short.
    """
    found = _find(source, revision, allow_pickle)
    modules = _modules(found.root, pooling, activation)
    documents = _describe(found, modules.document, modules)
    return replace(documents, query=_own_query_side(found, modules, documents))


def read_query_side(
    documents: Checkpoint,
    source: str | Path,
    revision: str | None = None,
    *,
    pooling: Pooling | None = None,
    activation: Activation | None = None,
    allow_pickle: bool = False,
) -> Checkpoint | StaticTable:
    """The query side that `source` names: a checkpoint like any other, or a JSON file of
    weights by token. Of a checkpoint with sides of its own it is the queries'.

    Raises as `read`, and InvalidInput where the documents' source has a query side already.
    """
    if documents.query is not None:
        raise InvalidInput(
            f"{documents.name} has a query side of its own ({documents.query.name}); leave "
            "query_source out",
            reason="QUERY_SOURCE",
            field="query_source",
        )
    path = Path(source)
    if path.suffix == ".json" and path.is_file():
        said = (path.name, "", "", documents.vocabulary_size, documents.text_length)
        return StaticTable(documents.folder, *said, path)
    other = read(
        source, revision, pooling=pooling, activation=activation, allow_pickle=allow_pickle
    )
    return other if other.query is None else other.query


def _find(source: str | Path, revision: str | None, allow_pickle: bool) -> _Found:
    if Path(source).is_dir():
        if revision is not None:
            raise InvalidInput(
                f"revision is {revision!r}, and {source} is a folder; leave it out, or give a "
                "hub id",
                reason="SOURCE_REVISION",
                field="revision",
            )
        return _Found(Path(source), Path(source).resolve().name, "", allow_pickle)
    if looks_like_hub_id(str(source)):
        root, commit = snapshot(str(source), revision, allow_pickle=allow_pickle)
        return _Found(root, str(source), commit, allow_pickle)
    raise NotFound(
        f"source {str(source)!r} is no folder here and no hub id (owner/name)",
        reason="SOURCE_NOT_FOUND",
        field="source",
    )


def _modules(root: Path, pooling: Pooling | None, activation: Activation | None) -> Modules:
    try:
        return read_modules(root, pooling, activation)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Corrupt(
            f"{root / 'modules.json'}, or a file that it leads to, is not as "
            f"sentence-transformers writes it ({type(error).__name__}: {error}); download the "
            "model again",
            reason="SOURCE_JSON",
            field="source",
        ) from error


def _describe(found: _Found, network: Network, modules: Modules) -> Checkpoint:
    folder = network.folder
    config = read_json(folder / "config.json")
    refuse_remote_code(folder)
    architecture = _architecture(config, folder)
    weights, graph = find_weights(folder, allow_pickle=found.allow_pickle)
    positions = _positions(config, architecture, folder)
    return Checkpoint(
        folder=folder,
        name=found.name,
        commit=found.commit,
        licence=found.licence,
        weights=weights,
        graph=graph,
        architecture=architecture,
        vocabulary_size=_size(config, "vocab_size", folder),
        pooling=network.pooling,
        activation=network.activation,
        positions=positions,
        text_length=_text_length(found.root, folder, positions),
        config=config,
        prompts=modules.prompts,
        max_active_dims=modules.max_active_dims,
    )


def _own_query_side(
    found: _Found, modules: Modules, documents: Checkpoint
) -> Checkpoint | StaticTable | None:
    said = (found.name, found.commit, found.licence, documents.vocabulary_size)
    if isinstance(modules.query, StaticEmbedding):
        folder = modules.query.folder
        length = _text_length(found.root, folder, documents.positions)
        return read_static_embedding(folder, *said, length, allow_pickle=found.allow_pickle)
    if modules.query is not None:
        return _describe(found, modules.query, modules)
    # OpenSearch's inference-free models: no list of modules says what the file is for.
    table = found.root / TABLE_FILE
    if table.is_file() and not (found.root / "modules.json").is_file():
        return StaticTable(documents.folder, *said, documents.text_length, table)
    return None


def _architecture(config: Mapping[str, Any], folder: Path) -> str:
    found = list(config.get("architectures") or [])
    if not found or not found[0].endswith("ForMaskedLM"):
        raise InvalidInput(
            f"{folder / 'config.json'} describes {found or 'no architecture'}, not a masked-LM; "
            f"SPLADE needs a masked-LM head: one of {', '.join(ARCHITECTURES)}",
            reason="SOURCE_NOT_MASKED_LM",
            field="source",
        )
    if found[0] not in ARCHITECTURES:
        raise Mismatch(
            f"{folder / 'config.json'} describes {found[0]}; this version exports "
            f"{', '.join(ARCHITECTURES)}",
            reason="SOURCE_ARCHITECTURE",
            field="source",
        )
    return str(found[0])


def _positions(config: Mapping[str, Any], architecture: str, folder: Path) -> int:
    """Tokens that a text can have, special ones included."""
    rows = _size(config, "max_position_embeddings", folder)
    if architecture in _FROM_ZERO:
        return rows
    padding = config.get("pad_token_id")
    return rows - 1 - (_PADDING_ID if padding is None else int(padding))


def _size(config: Mapping[str, Any], key: str, folder: Path) -> int:
    found = config.get(key)
    if not isinstance(found, int) or found < 1:
        raise Corrupt(
            f"{folder / 'config.json'} has {key} {found!r}; expected a number of at least 1; "
            "download the model again",
            reason="SOURCE_CONFIG",
            field=key,
        )
    return found


def _text_length(root: Path, folder: Path, positions: int) -> int:
    """sentence-transformers' length, else the tokenizer's, else 512; never above `positions`.

    transformers writes 1e30 for a tokenizer without a limit.
    """
    for path, key in (
        (root / "sentence_bert_config.json", "max_seq_length"),
        (folder / "sentence_bert_config.json", "max_seq_length"),
        (folder / "tokenizer_config.json", "model_max_length"),
    ):
        length = read_json(path).get(key) if path.is_file() else None
        if isinstance(length, int | float) and 3 <= length <= positions:
            return int(length)
    return min(_LONGEST_DEFAULT, positions)
