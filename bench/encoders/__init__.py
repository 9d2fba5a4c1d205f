"""Encoders of the same checkpoint: one adapter a file, texts in, sparse rows out.

An adapter runs in a process of its own, pinned to a core, with one thread, in the environment
that has its packages, and knows nothing of spladed, but for our own.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

# Ours is the one that runs the bench; the exporter's has torch; the rest have their own.
Environment = Literal["ours", "export", "peers"]
Precision = Literal["fp32", "bf16", "int8"]


@dataclass(frozen=True)
class Engine:
    """module, attribute: of the adapter; arguments: of its class, besides the folder.

    only: the models that it is for, all if empty
    """

    module: str
    attribute: str
    environment: Environment
    precision: Precision
    arguments: Mapping[str, Any] = field(default_factory=dict)
    only: tuple[str, ...] = ()

    def adapter(self) -> type[Encodes]:
        """ImportError where a package is absent."""
        return getattr(importlib.import_module(f"encoders.{self.module}"), self.attribute)


def _ours(bundle: str, precision: Precision, *only: str) -> Engine:
    return Engine("ours", "Spladed", "ours", precision, {"bundle": bundle}, only)


def _torch(precision: Precision, *, compiled: bool = False) -> Engine:
    arguments = {"precision": precision, "compiled": compiled}
    return Engine("sentence_peer", "Torch", "export", precision, arguments)


def _openvino(precision: Precision) -> Engine:
    return Engine("openvino_peer", "OpenVino", "peers", precision, {"precision": precision})


# In the order of the tables.
ENGINES: Mapping[str, Engine] = {
    "spladed int8": _ours("int8", "int8"),
    "spladed fp32": _ours("fp32", "fp32"),
    "spladed table": _ours("table", "int8", "built-in"),
    "quantize_dynamic": Engine("ours", "Dynamic", "ours", "int8"),
    "torch fp32": _torch("fp32"),
    "torch bf16": _torch("bf16"),
    "torch.compile fp32": _torch("fp32", compiled=True),
    "torch.compile bf16": _torch("bf16", compiled=True),
    "ST's ONNX": Engine("sentence_peer", "Onnx", "export", "fp32"),
    "fastembed": Engine("fastembed_peer", "FastEmbed", "peers", "fp32"),
    "OpenVINO f32": _openvino("fp32"),
    "OpenVINO bf16": _openvino("bf16"),
    "OpenVINO int8": _openvino("int8"),
}
NEEDED = ("spladed int8", "spladed fp32", "torch fp32")
# What an instruction set of the processor has to be for a precision's products to be fast.
WANTS: Mapping[Precision, tuple[str, ...]] = {
    "fp32": (), "bf16": ("avx512_bf16", "amx_bf16"), "int8": ("avx512_vnni", "avx_vnni", "amx_int8")
}  # fmt: skip


class Encodes(Protocol):
    """A checkpoint, loaded. api: what is called, in words: all of it is timed."""

    api: str

    def __init__(self, folder: Path, **arguments: Any) -> None:
        """folder: what `encode_models` made."""
        ...

    def encode(self, texts: Sequence[str], kind: Literal["query", "document"]) -> Any:
        """What is timed; texts are cut to 512 tokens."""
        ...

    def dense(self, found: Any) -> NDArray[np.float32]:
        """What `encode` gave, as float32 [texts, V]; not timed."""
        ...
