"""The files of a source, read with care: JSON that may be none, weights that may be cut short."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from spladed.errors import Corrupt, InvalidInput, NotFound

__all__ = ["find_weights", "read_json", "sha256_of"]


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


def find_weights(folder: Path) -> tuple[tuple[Path, ...], Path | None]:
    """The weights' files in name order, and the graph if that is what the folder holds.

    Raises InvalidInput where there are none, or only pickles, and Corrupt for files cut short.
    """
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


def sha256_of(paths: Iterable[Path]) -> str:
    """One hash over the bytes of all files, in the order given, in hexadecimal."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


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
