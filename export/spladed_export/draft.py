"""A bundle folder being written: whole and in place at the end, or never there.

    write into a sibling folder, fsync every file, fsync the folder
    rename it to its name                                   the commit point
    fsync the parent

A reader never sees half a bundle, and a crash leaves at most a hidden sibling folder.
"""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from spladed.bundle import MANIFEST_FILE, QUERY_TABLE_FILE, file_sha256
from spladed.errors import AlreadyExists, Forbidden, NotFound
from spladed.manifest import Manifest

__all__ = ["Draft", "save_graph"]

# protobuf stops at 2 GB; above 1 GB the weights go beside the graph, where onnxruntime
# maps them instead of parsing them.
_EXTERNAL_BYTES = 1 << 30
_PAGE = 4_096  # where a map may begin


class Draft:
    """A context: leaving it without `publish` removes everything that was written.

    Raises AlreadyExists where `out` is there already (with `force` only where it is something
    else than a bundle), and on entering Forbidden where nothing can be written.
    """

    def __init__(self, out: Path, *, force: bool) -> None:
        self._out = out.absolute()
        _check_out(self._out, force)
        self.folder = self._out.with_name(f".{self._out.name}.{os.getpid()}.draft")

    def __enter__(self) -> Self:
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            self.folder.mkdir()
        except OSError as error:
            raise Forbidden(
                f"nothing can be written beside {self._out} ({error.strerror}); give another place",
                reason="OUT_UNWRITABLE",
                field="out",
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def write_graph(self, model: onnx.ModelProto, name: str) -> Path:
        """Writes a graph under one of the bundle's names; returns its path."""
        return save_graph(model, self.folder / name)

    def write_tokenizer(self, text: str, name: str) -> Path:
        """Writes a tokenizer under one of the bundle's names; returns its path."""
        path = self.folder / name
        path.write_text(text, "utf-8")
        return path

    def write_table(self, weights: npt.NDArray[np.float32]) -> Path:
        """Writes query_table.npy; returns its path."""
        path = self.folder / QUERY_TABLE_FILE
        np.save(path, weights)
        return path

    def write_manifest(self, manifest: Manifest) -> None:
        """Writes spladed.json; may be called again with more in it."""
        (self.folder / MANIFEST_FILE).write_text(manifest.to_json(), "utf-8")

    def hashes(self) -> dict[str, str]:
        """sha256 of every file but the manifest, by name."""
        names = sorted(path.name for path in self.folder.iterdir())
        return {name: file_sha256(self.folder / name) for name in names if name != MANIFEST_FILE}

    def publish(self) -> None:
        """Makes the folder durable under its name, in the place of what was there."""
        for path in self.folder.iterdir():
            _fsync(path)
        _fsync(self.folder)
        replaced = self._out.with_name(f".{self._out.name}.{os.getpid()}.replaced")
        if self._out.exists():
            self._out.rename(replaced)
        self.folder.rename(self._out)
        _fsync(self._out.parent)
        shutil.rmtree(replaced, ignore_errors=True)


def save_graph(model: onnx.ModelProto, path: Path) -> Path:
    """Writes a graph (and beside it NAME.data above 1 GB): same graph, same bytes.

    The model is left as it is; onnx.save would empty it into its file.
    """
    if sum(map(_size, model.graph.initializer)) > _EXTERNAL_BYTES:
        model = _beside(model, path.with_name(f"{path.name}.data"))
    path.write_bytes(model.SerializeToString(deterministic=True))
    return path


def _size(tensor: onnx.TensorProto) -> int:
    """Bytes of a tensor, by its shape: protobuf cannot measure a message of over 2 GB."""
    return math.prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize


def _beside(model: onnx.ModelProto, data: Path) -> onnx.ModelProto:
    """The graph, its larger weights written to the file `data`, each from a page's start on."""
    graph, tensors = model.graph, []
    with data.open("wb") as file:
        for tensor in graph.initializer:
            if _size(tensor) < _PAGE:
                tensors.append(tensor)
                continue
            file.write(bytes(-file.tell() % _PAGE))
            tensors.append(_placed(tensor, data.name, file.tell()))
            file.write(numpy_helper.to_array(tensor).tobytes())
    light = helper.make_graph(graph.node, graph.name, graph.input, graph.output, tensors)
    return helper.make_model(
        light, opset_imports=model.opset_import, ir_version=model.ir_version,
        producer_name=model.producer_name,
    )  # fmt: skip


def _placed(tensor: onnx.TensorProto, location: str, offset: int) -> onnx.TensorProto:
    """A tensor that says where its values are."""
    placed = onnx.TensorProto(
        name=tensor.name, data_type=tensor.data_type, dims=tensor.dims,
        data_location=onnx.TensorProto.EXTERNAL,
    )  # fmt: skip
    for key, value in (("location", location), ("offset", offset), ("length", _size(tensor))):
        placed.external_data.add(key=key, value=str(value))
    return placed


def _check_out(out: Path, force: bool) -> None:
    if not out.parent.is_dir():
        raise NotFound(
            f"{out.parent} is no folder; make it first", reason="OUT_PARENT", field="out"
        )
    if not out.exists():
        return
    if not force:
        raise AlreadyExists(
            f"{out} exists already; give another name, or force to replace it",
            reason="OUT_EXISTS",
            field="out",
        )
    if not (out / MANIFEST_FILE).is_file() and not (out.is_dir() and not any(out.iterdir())):
        raise AlreadyExists(
            f"{out} exists and is no bundle (it has no {MANIFEST_FILE}); force replaces only "
            "bundles: remove it yourself, or give another name",
            reason="OUT_NOT_A_BUNDLE",
            field="out",
        )


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
