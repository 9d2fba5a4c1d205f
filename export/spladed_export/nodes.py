"""A pencil for ONNX graphs: write one node after another, get names back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

__all__ = [
    "IR_VERSION", "OPSET", "Nodes", "constants", "initializers", "producers", "prune", "symbolic",
]  # fmt: skip

OPSET = 18  # the first with ReduceMax's axes as an input, which every current runtime reads
IR_VERSION = 10  # the highest that onnxruntime 1.18 and later load


@dataclass(slots=True)
class Nodes:
    """Nodes and initializers under one prefix, in the order in which they were written."""

    prefix: str
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[onnx.TensorProto] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)

    def op(
        self, kind: str, *inputs: str, name: str = "", domain: str = "", **attributes: Any
    ) -> str:
        """Adds a node with one output; the output's name comes back."""
        output = name or f"{self.prefix}/{kind}_{len(self.nodes)}"
        node = helper.make_node(
            kind, inputs, [output], name=f"{output}/node", domain=domain, **attributes
        )
        self.nodes.append(node)
        return output

    def constant(self, name: str, values: Any, dtype: Any) -> str:
        """Adds an initializer unless its name is known; the full name comes back."""
        full = f"{self.prefix}/{name}"
        if full not in self._known:
            self._known.add(full)
            array = np.ascontiguousarray(np.asarray(values, dtype=dtype))
            array = array.reshape(np.shape(values))  # ascontiguousarray makes 1-d of a scalar
            self.initializers.append(numpy_helper.from_array(array, full))
        return full


def constants(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """The initializers, and the tensors of Constant nodes, by name."""
    made = {
        node.output[0]: each.t
        for node in graph.node
        if node.op_type == "Constant"
        for each in node.attribute
        if each.name == "value"
    }
    return initializers(graph) | made


def producers(graph: onnx.GraphProto) -> dict[str, onnx.NodeProto]:
    """The node that makes each name."""
    return {output: node for node in graph.node for output in node.output}


def initializers(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """The initializers by name."""
    return {tensor.name: tensor for tensor in graph.initializer}


def prune(graph: onnx.GraphProto) -> None:
    """Drops the nodes that no output needs, the initializers that no node reads, and notes."""
    needed = {output.name for output in graph.output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    tensors = [tensor for tensor in graph.initializer if tensor.name in needed]
    _replace(graph.node, reversed(kept))
    _replace(graph.initializer, tensors)
    del graph.value_info[:]  # the exporter's shapes no longer hold after surgery
    for part in (*graph.node, *graph.initializer):
        part.doc_string = ""


def symbolic(name: str, dtype: int, *dimensions: str) -> onnx.ValueInfoProto:
    """An input or output of the graph with named dimensions."""
    return helper.make_tensor_value_info(name, dtype, dimensions)


def _replace(field_: Any, values: Any) -> None:
    values = list(values)
    del field_[:]
    field_.extend(values)
