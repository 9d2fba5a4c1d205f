"""What does a checkpoint say of itself? A hub id or a folder in, a `Checkpoint` out.

Four kinds of source: a hub id, a transformers folder, a sentence-transformers
`SparseEncoder` folder, and a folder that optimum exported (a graph instead of weights).
Weights are read from safetensors only: pickles run code, and so would remote code.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spladed.bundle import Activation, Pooling
from spladed.errors import Corrupt, InvalidInput, Mismatch, NotFound
from spladed_export.hub import looks_like_hub_id, snapshot
from spladed_export.pooling import SourcePooling, read_pooling

__all__ = ["ARCHITECTURES", "Checkpoint", "read"]

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
    weights:      safetensors files, in name order; the graph's files for an ONNX source
    graph:        model.onnx of a folder that optimum exported, else None
    positions:    tokens the checkpoint can take, special tokens included
    text_length:  tokens a text may have by the source's own settings
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

    def weights_sha256(self) -> str:
        """One hash over the bytes of all weight files, in name order."""
        digest = hashlib.sha256()
        for path in self.weights:
            with path.open("rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
        return digest.hexdigest()


def read(
    source: str | Path,
    revision: str | None = None,
    *,
    pooling: Pooling | None = None,
    activation: Activation | None = None,
) -> Checkpoint:
    """The checkpoint that `source` names; hub ids are downloaded (at `revision`).

    pooling, activation: of a source that does not state them itself

    Raises NotFound, Forbidden (gated) or Unavailable (offline) where there is none to be
    had, InvalidInput and Mismatch where it is not one that this version exports, and
    Corrupt for files that are cut short.
    """
    if Path(source).is_dir():
        asked = read_pooling(Path(source), pooling, activation)
        return _describe(Path(source), Path(source).resolve().name, "", asked)
    if looks_like_hub_id(str(source)):
        folder, commit = snapshot(str(source), revision)
        return _describe(folder, str(source), commit, read_pooling(folder, pooling, activation))
    raise NotFound(
        f"source {str(source)!r} is no folder here and no hub id (owner/name)",
        reason="SOURCE_NOT_FOUND",
        field="source",
    )


def _describe(root: Path, name: str, commit: str, pooling: SourcePooling) -> Checkpoint:
    folder = root / pooling.transformer
    config = read_json(folder / "config.json")
    _refuse_remote_code(config, folder)
    architecture = _architecture(config, folder)
    weights, graph = _weights(folder)
    positions = _positions(config, architecture, folder)
    return Checkpoint(
        folder=folder,
        name=name,
        commit=commit,
        licence=_licence(root / "README.md"),
        weights=weights,
        graph=graph,
        architecture=architecture,
        vocabulary_size=_size(config, "vocab_size", folder),
        pooling=pooling.pooling,
        activation=pooling.activation,
        positions=positions,
        text_length=_text_length(root, folder, positions),
        config=config,
    )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; raises NotFound or Corrupt that names the file."""
    if not path.is_file():
        raise NotFound(
            f"{path} is missing; a source is a transformers folder, a sentence-transformers "
            "SparseEncoder folder, a folder exported by optimum, or a hub id",
            reason="SOURCE_NOT_FOUND",
            field="source",
        )
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except ValueError as error:
        raise Corrupt(
            f"{path} is not a JSON object ({error}); download the model again",
            reason="SOURCE_JSON",
            field="source",
        ) from error


def _refuse_remote_code(config: Mapping[str, Any], folder: Path) -> None:
    if "auto_map" in config:
        raise InvalidInput(
            f"{folder / 'config.json'} asks for code of its own (auto_map: "
            f"{config['auto_map']}); spladed never runs code from a model",
            reason="SOURCE_REMOTE_CODE",
            field="source",
        )


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


def _weights(folder: Path) -> tuple[tuple[Path, ...], Path | None]:
    safetensors = tuple(sorted(folder.glob("*.safetensors")))
    if safetensors:
        for path in safetensors:
            _check_safetensors(path)
        return safetensors, None
    if (folder / "model.onnx").is_file():
        return tuple(sorted(folder.glob("model.onnx*"))), folder / "model.onnx"
    pickles = sorted(path.name for path in folder.glob("*.bin"))
    raise InvalidInput(
        f"{folder} holds {'only pickled weights ' + str(pickles) if pickles else 'no weights'}; "
        "expected model.safetensors or model.onnx"
        + ("; pickles run code when they are read: convert them to safetensors" if pickles else ""),
        reason="SOURCE_PICKLE" if pickles else "SOURCE_WEIGHTS",
        field="source",
    )


def _check_safetensors(path: Path) -> None:
    """Raises Corrupt unless the file is as long as its header says.

    Layout: 8 bytes of header length, little-endian; the header, JSON; the tensors.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, size)))
        tensors = [value for key, value in header.items() if key != "__metadata__"]
        expected = 8 + length + max(tensor["data_offsets"][1] for tensor in tensors)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _cut_short(path, f"its header cannot be read ({error})") from error
    if size != expected:
        raise _cut_short(path, f"it has {size} bytes and its header promises {expected}")


def _cut_short(path: Path, what: str) -> Corrupt:
    return Corrupt(
        f"{path} is damaged: {what}; download it again", reason="SOURCE_WEIGHTS", field="source"
    )


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


def _licence(card: Path) -> str:
    """`license:` of the model card's front matter, as written; empty without one."""
    if not card.is_file():
        return ""
    front = re.match(r"---\n(.*?)\n---", card.read_text("utf-8", errors="replace"), re.DOTALL)
    found = re.search(r"^license:[ \t]*(\S+)", front.group(1), re.MULTILINE) if front else None
    return found.group(1).strip("'\"") if found else ""
