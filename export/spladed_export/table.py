"""The queries' side of an inference-free model: a weight for every token, and nothing else.

Two forms: a `SparseStaticEmbedding` folder of sentence-transformers (its tokenizer, and one
tensor named "weight", or the path of a JSON file), and a JSON object token -> weight, as
OpenSearch's models bring it in idf.json, for the documents' tokenizer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

from spladed.errors import Corrupt, InvalidInput, Mismatch
from spladed.sparse import MAX_WEIGHT
from spladed_export.files import find_weights, read_json, refuse_remote_code, sha256_of

__all__ = ["TABLE_FILE", "StaticTable", "read_static_embedding"]

TABLE_FILE = "idf.json"


@dataclass(frozen=True, slots=True)
class StaticTable:
    """A table on disk, described.

    folder:          of its tokenizer
    vocabulary_size: V, the documents'
    text_length:     tokens a query may have by the source's own settings
    weights_path:    safetensors or a pickle with the tensor "weight" [at most V], or JSON
                     token -> weight, whose tokenizer is the documents'
    """

    folder: Path
    name: str
    commit: str
    licence: str
    vocabulary_size: int
    text_length: int
    weights_path: Path = field(repr=False)

    def weights_sha256(self) -> str:
        """The hash of the weights' file."""
        return sha256_of([self.weights_path])

    def weights(self, tokens: dict[str, int]) -> npt.NDArray[np.float32]:
        """float32 [V]; what the file does not name is 0, as in sentence-transformers.

        tokens: the tokenizer's, by their spelling

        Raises Mismatch for tokens that the vocabulary lacks, InvalidInput for weights that are
        no numbers from 0 to MAX_WEIGHT.
        """
        is_json = self.weights_path.suffix == ".json"
        found = self._from_json(tokens) if is_json else self._from_tensor()
        if not (found.min() >= 0 and found.max() <= MAX_WEIGHT):
            raise InvalidInput(
                f"{self.weights_path} has weights from {found.min()} to {found.max()}; expected "
                f"0 to {MAX_WEIGHT:g}",
                reason="SOURCE_TABLE",
                field="query_source",
            )
        return found

    def _from_tensor(self) -> npt.NDArray[np.float32]:
        stored = _tensors(self.weights_path).get("weight")
        if stored is None or stored.ndim != 1 or len(stored) > self.vocabulary_size:
            shape = "none" if stored is None else f"one of {stored.shape}"
            raise Mismatch(
                f"{self.weights_path}: expected a tensor 'weight' of at most "
                f"{self.vocabulary_size} numbers, found {shape}",
                reason="SOURCE_TABLE",
                field="query_source",
            )
        weights = np.zeros(self.vocabulary_size, np.float32)
        weights[: len(stored)] = stored
        return weights

    def _from_json(self, tokens: dict[str, int]) -> npt.NDArray[np.float32]:
        stored = read_json(self.weights_path)
        foreign = sorted(stored.keys() - tokens.keys())
        if foreign:
            raise Mismatch(
                f"{self.weights_path} has weights for {len(foreign)} tokens that the vocabulary "
                f"lacks, as {foreign[:3]}; it is of another model",
                reason="SOURCE_TABLE",
                field="query_source",
            )
        weights = np.zeros(self.vocabulary_size, np.float32)
        weights[[tokens[token] for token in stored]] = [_number(v, self) for v in stored.values()]
        return weights


def read_static_embedding(
    folder: Path,
    name: str,
    commit: str,
    licence: str,
    vocabulary_size: int,
    text_length: int,
    *,
    allow_pickle: bool = False,
) -> StaticTable:
    """The table of a SparseStaticEmbedding's folder.

    Raises as `refuse_remote_code` and `find_weights` do.
    """
    refuse_remote_code(folder)
    settings = folder / "config.json"
    listed = read_json(settings) if settings.is_file() else {}
    path = _json_path(listed, folder)
    if path is None:
        (path, *more), graph = find_weights(folder, allow_pickle=allow_pickle)
        if more or graph is not None:
            raise Corrupt(
                f"{folder} has {[path.name, *(each.name for each in more)]}; expected one file "
                "of weights",
                reason="SOURCE_TABLE",
                field="source",
            )
    return StaticTable(folder, name, commit, licence, vocabulary_size, text_length, path)


def _tensors(path: Path) -> Mapping[str, npt.NDArray[Any]]:
    """The tensors of a file by name. torch reads a pickle, and from it nothing but tensors."""
    try:
        if path.suffix != ".bin":
            return load_file(path)
        import torch

        return {
            name: tensor.float().numpy()
            for name, tensor in torch.load(path, map_location="cpu", weights_only=True).items()
        }
    except Exception as error:  # torch, pickle and safetensors raise unrelated classes here
        raise Corrupt(
            f"{path} cannot be read as tensors ({error}); download the model again",
            reason="SOURCE_WEIGHTS",
            field="source",
        ) from error


def _json_path(settings: dict[str, Any], folder: Path) -> Path | None:
    """The JSON file that the settings name, within the folder or its parent's."""
    named = settings.get("path")
    if named is None:
        return None
    for root in (folder, folder.parent):
        if (root / Path(str(named)).name).is_file():
            return root / Path(str(named)).name
    raise InvalidInput(
        f"{folder / 'config.json'} takes its weights from {named!r}, which is not in the folder; "
        "put the file there",
        reason="SOURCE_TABLE",
        field="source",
    )


def _number(value: object, table: StaticTable) -> float:
    if isinstance(value, int | float):
        return float(value)
    raise InvalidInput(
        f"{table.weights_path} has a weight {value!r}; expected numbers",
        reason="SOURCE_TABLE",
        field="query_source",
    )
