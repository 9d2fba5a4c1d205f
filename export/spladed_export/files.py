"""The files of a source, read with care: JSON that may be none, weights that may be cut short."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from spladed.errors import Corrupt, InvalidInput, NotFound

__all__ = ["find_weights", "only_pickles", "read_json", "refuse_remote_code", "sha256_of"]

_SAFETENSORS, _PICKLE = "model.safetensors", "pytorch_model.bin"
_GRAPHS = ("model.onnx", "onnx/model.onnx")  # optimum's own place, and the hub's
_POINTER = b"version https://git-lfs"  # what git leaves in place of a file that git-lfs holds


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
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise _no_object(path, str(error)) from error
    if not isinstance(found, dict):
        raise _no_object(path, f"it holds a {type(found).__name__}")
    return found


def refuse_remote_code(folder: Path) -> None:
    """Raises InvalidInput where a model or its tokenizer wants to bring code of its own."""
    for path in (folder / "config.json", folder / "tokenizer_config.json"):
        asked = read_json(path).get("auto_map") if path.is_file() else None
        if asked is not None:
            raise InvalidInput(
                f"{path} asks for code of its own (auto_map: {asked}); spladed never runs code "
                "from a model",
                reason="SOURCE_REMOTE_CODE",
                field="source",
            )


def find_weights(
    folder: Path, *, allow_pickle: bool = False
) -> tuple[tuple[Path, ...], Path | None]:
    """The weights' files in name order, and the graph if that is what the folder holds.

    safetensors come first, then pickles if they are allowed, then a graph.

    Raises InvalidInput where there are none, or only pickles that are not allowed, and Corrupt
    for files that are missing or cut short.
    """
    for name in (_SAFETENSORS, _PICKLE) if allow_pickle else (_SAFETENSORS,):
        files = _whole_or_shards(folder, name)
        for path in files:
            _check_whole(path)
        if files:
            return files, None
    for graph in (folder / name for name in _GRAPHS):
        if graph.is_file():
            return tuple(sorted(graph.parent.glob("model.onnx*"))), graph
    pickles = sorted(path.name for path in folder.glob("pytorch_model*.bin"))
    if pickles:
        raise only_pickles(str(folder), pickles)
    raise InvalidInput(
        f"{folder} holds no weights; expected {_SAFETENSORS}, {' or '.join(_GRAPHS)}",
        reason="SOURCE_WEIGHTS",
        field="source",
    )


def only_pickles(where: str, names: Sequence[str]) -> InvalidInput:
    """The error for a source that has its weights in nothing but these pickles."""
    return InvalidInput(
        f"{where} holds only pickled weights ({', '.join(names[:3])}), and a pickle may hold "
        "code; convert them to safetensors, or pass --allow-pickle (allow_pickle=True): torch "
        "then reads tensors from them and refuses everything else",
        reason="SOURCE_PICKLE",
        field="source",
    )


def _whole_or_shards(folder: Path, name: str) -> tuple[Path, ...]:
    """The file of this name, or those that its index lists; none where there is neither."""
    if (folder / name).is_file():
        return (folder / name,)
    index = folder / f"{name}.index.json"
    if not index.is_file():
        return ()
    listed = read_json(index).get("weight_map")
    names = sorted({str(each) for each in listed.values()}) if isinstance(listed, dict) else []
    missing = [each for each in names if not (folder / each).is_file()]
    if missing or not names:
        raise Corrupt(
            f"{index} lists {', '.join(missing) or 'no files'}, "
            f"{'which the folder lacks' if missing else 'so there are no weights'}; "
            "download the model again",
            reason="SOURCE_WEIGHTS",
            field="source",
        )
    return tuple(folder / each for each in names)


def sha256_of(paths: Iterable[Path]) -> str:
    """One hash over the bytes of all files, in the order given, in hexadecimal."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def _check_whole(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise _cut_short(path, "it is a pointer of git-lfs (`git lfs pull` brings the file)")
    if path.suffix == ".safetensors":
        _check_safetensors(path)


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


def _no_object(path: Path, what: str) -> Corrupt:
    return Corrupt(
        f"{path} is not a JSON object ({what}); download the model again",
        reason="SOURCE_JSON",
        field="source",
    )
