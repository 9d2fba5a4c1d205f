"""A masked-LM graph that somebody else exported: read, checked by name, brought to our opset.

What it computes is not taken on trust: the gate compares what is made of it with the graph
as it was found, run by onnxruntime.
"""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper, version_converter

from spladed.errors import Corrupt, Mismatch
from spladed_export.nodes import OPSET, constants

__all__ = ["read_graph"]

_NEWEST_OPSET = 22  # the last that IR version 10 carries
_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
_HALF: dict[int, str] = {TensorProto.FLOAT16: "float16", TensorProto.BFLOAT16: "bfloat16"}
_QUANTISED = ("quantize", "integer", "qlinear", "matmulnbits")


def read_graph(path: Path) -> onnx.ModelProto:
    """The fp32 graph token ids, mask -> logits [B, S, V], of opset 18 to 22.

    Raises Corrupt for a file that cannot be read, and Mismatch for a graph that is quantised,
    half precision or fused, of another task or of fixed shape, or cannot be converted.
    """
    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf's DecodeError, or a missing data file
        raise Corrupt(
            f"{path} is not a readable ONNX graph ({error}); export it again",
            reason="SOURCE_GRAPH",
            field="source",
        ) from error
    _check_operators(model, path)
    _drop_constant_inputs(model.graph)
    _check_ends(model, path)
    return _converted(model, path)


def _check_operators(model: onnx.ModelProto, path: Path) -> None:
    for node in model.graph.node:
        if any(word in node.op_type.lower() for word in _QUANTISED):
            raise _refused(path, f"is quantised ({node.op_type})", "fp32: --precision does that")
        if node.domain not in ("", "ai.onnx"):
            raise _refused(
                path,
                f"holds {node.domain}.{node.op_type}",
                "a graph without fusions: no --optimize",
            )
    for tensor in constants(model.graph).values():
        if tensor.data_type in _HALF:
            raise _refused(path, f"holds {_HALF[tensor.data_type]} weights", "fp32: --dtype fp32")


def _drop_constant_inputs(graph: onnx.GraphProto) -> None:
    """Below IR version 4 every initializer is an input too."""
    known = {tensor.name for tensor in graph.initializer}
    inputs = [node for node in graph.input if node.name not in known]
    del graph.input[:]
    graph.input.extend(inputs)


def _check_ends(model: onnx.ModelProto, path: Path) -> None:
    inputs = {node.name: node.type.tensor_type for node in model.graph.input}
    rank = len(model.graph.output[0].type.tensor_type.shape.dim)
    if not {"input_ids", "attention_mask"} <= inputs.keys() <= _INPUTS or rank != 3:
        raise _refused(
            path,
            f"maps {sorted(inputs)} to {model.graph.output[0].name} of rank {rank}",
            "input_ids and attention_mask to logits [B, S, V]: --task fill-mask",
        )
    for name, tensor in inputs.items():
        fixed = [each.dim_value for each in tensor.shape.dim if each.HasField("dim_value")]
        if fixed or tensor.elem_type != TensorProto.INT64:
            kind = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
            raise _refused(
                path,
                f"takes {name} as {kind}{f', of fixed sizes {fixed}' if fixed else ''}",
                "int64 [B, S] of any size",
            )


def _converted(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """The model at an opset that we write."""
    found = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    if OPSET <= found <= _NEWEST_OPSET:
        return model
    wanted = OPSET if found < OPSET else _NEWEST_OPSET
    del model.graph.value_info[:]  # notes on shapes: an exporter's may be at odds with the nodes
    try:
        return version_converter.convert_version(model, wanted)
    except Exception as error:  # RuntimeError, ConvertError, or protobuf's limit of 2 GB
        raise _refused(
            path,
            f"has opset {found}, which onnx cannot convert to {wanted} ({error})",
            f"{OPSET} to {_NEWEST_OPSET}: --opset {OPSET}",
        ) from error


def _refused(path: Path, found: str, expected: str) -> Mismatch:
    return Mismatch(
        f"{path} {found}; expected {expected} (optimum-cli export onnx)",
        reason="SOURCE_GRAPH",
        field="source",
    )
