"""Lowering to int8, such that a row depends on its text alone.

onnxruntime's quantize_dynamic takes one activation scale over the whole padded batch: on
the built-in model the neighbours of a text move its weights by up to 0.27. Here

- every encoder MatMul quantises its input with one scale a token, its weights with one
  scale an output channel; an input that several share (Q, K, V) is quantised once;
- the decoder's input has one static, calibrated scale. With one scale and positive channel
  scales, int32 products have the order of the real ones, so the maximum over a text is
  taken on them and only [B, V] is ever scaled (a sum scales them block by block);
- word embeddings are int8 with one scale a row.

LayerNorm, softmax, the products inside attention, bias, relu and log stay fp32, and so does
the last MatMul before the decoder (the masked-LM transform): its rounding goes into every
term. On the built-in model that alone lifts the overlap with fp32 from 0.968 to 0.979.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from spladed_export.graft import Head, MaskedLM, csr, finish, pooled, pooled_hidden
from spladed_export.nodes import Nodes, initializers

__all__ = ["decoder_scale", "lower_int8"]

_ZERO_POINT = 128  # of uint8 activations: their range is symmetric around 0
_SMALLEST = 1e-9  # scale of a token whose activations are all 0
# Of the tokens' largest activations, how many the static scale holds without clipping. The
# few beyond it (mostly [CLS]) lose less than every other token would by a wider step.
_PERCENTILE = 99.9


def decoder_scale(maxima: np.ndarray) -> float:
    """The static scale of the decoder's input, from each calibration token's largest |x|."""
    return float(np.percentile(maxima, _PERCENTILE) / 127)


def lower_int8(lm: MaskedLM, head: Head, scale: float) -> onnx.ModelProto:
    """The fused int8 graph. scale: of the decoder's input, from `decoder_scale`."""
    encoder = onnx.ModelProto()
    encoder.CopyFrom(lm.encoder)
    _quantise_encoder(encoder.graph, len(lm.bias))
    nodes = Nodes("/head")
    hidden = pooled_hidden(nodes, lm.hidden)
    zero_point = nodes.constant("zero_point", _ZERO_POINT, np.uint8)
    step = nodes.constant("scale", scale, np.float32)
    weights, channels = _for_products(lm.decoder)
    tokens = nodes.op("QuantizeLinear", hidden, step, zero_point)

    def product(number: int, columns: slice) -> str:
        block = nodes.constant(f"decoder_{number}", weights[:, columns], np.int8)
        return nodes.op("MatMulInteger", tokens, block, zero_point)

    def logits(products: str, ending: str, columns: slice) -> str:
        worth = nodes.constant(f"channels{ending}", channels[columns] * scale, np.float32)
        return nodes.op("Mul", nodes.op("Cast", products, to=TensorProto.FLOAT), worth)

    csr(nodes, pooled(nodes, product, logits, lm.bias, head))
    return finish(encoder, nodes, contrib=True)


def _quantise_encoder(graph: onnx.GraphProto, vocabulary_size: int) -> None:
    """Replaces the encoder's MatMuls by constants and its word embeddings, in place."""
    known = initializers(graph)
    products = [node.output[0] for node in graph.node if _is_product(node, known)]
    nodes = Nodes("/int8")
    shared: dict[str, tuple[str, str]] = {}  # input -> (uint8 tokens, their scales)
    for node in graph.node:
        if node.output and node.output[0] in products[:-1]:
            _quantise_matmul(nodes, node, numpy_helper.to_array(known[node.input[1]]), shared)
        elif node.op_type == "Gather" and _rows(known, node.input[0]) == vocabulary_size:
            _quantise_gather(nodes, node, numpy_helper.to_array(known[node.input[0]]))
        else:
            nodes.nodes.append(node)
    kept = list(nodes.nodes)
    del graph.node[:]
    graph.node.extend(kept)
    graph.initializer.extend(nodes.initializers)


def _is_product(node: onnx.NodeProto, known: dict[str, onnx.TensorProto]) -> bool:
    """Whether the node multiplies by constants; attention's own products do not."""
    return node.op_type == "MatMul" and node.input[1] in known


def _quantise_matmul(
    nodes: Nodes, node: onnx.NodeProto, weights: np.ndarray, shared: dict[str, tuple[str, str]]
) -> None:
    if node.input[0] not in shared:
        shared[node.input[0]] = _per_token(nodes, node.input[0], weights.shape[0])
    tokens, scales = shared[node.input[0]]
    quantised, channels = _for_products(weights)
    product = nodes.op(
        "MatMulIntegerToFloat",
        tokens,
        nodes.constant(f"{node.name}/weights", quantised, np.int8),
        nodes.constant("one", 1.0, np.float32),
        nodes.constant(f"{node.name}/channels", channels, np.float32),
        nodes.constant("zero_point", _ZERO_POINT, np.uint8),
        domain="com.microsoft",
    )
    scaled = nodes.op("Mul", product, scales)
    nodes.op("Reshape", scaled, _batch_shape(nodes), name=node.output[0])


def _per_token(nodes: Nodes, states: str, width: int) -> tuple[str, str]:
    """uint8 [B * S, width] with one scale a token, and the scales [B * S, 1]."""
    one = nodes.constant("axis_1", [1], np.int64)
    flat = nodes.op("Reshape", states, nodes.constant(f"flat_{width}", [-1, width], np.int64))
    largest = nodes.op("ReduceMax", nodes.op("Abs", flat), one, keepdims=0)
    scale = nodes.op("Mul", largest, nodes.constant("one_127th", 1 / 127, np.float32))
    scale = nodes.op("Max", scale, nodes.constant("smallest", _SMALLEST, np.float32))
    zero_point = nodes.constant("zero_point", _ZERO_POINT, np.uint8)
    zero_points = nodes.op("Expand", zero_point, nodes.op("Shape", scale))
    tokens = nodes.op("QuantizeLinear", flat, scale, zero_points, axis=0)
    return tokens, nodes.op("Unsqueeze", scale, one)


def _quantise_gather(nodes: Nodes, node: onnx.NodeProto, table: np.ndarray) -> None:
    quantised, scales = _per_channel(table.T)
    rows = nodes.constant(f"{node.name}/rows", quantised.T, np.int8)
    steps = nodes.constant(f"{node.name}/scales", scales[:, None], np.float32)
    values = nodes.op("Cast", nodes.op("Gather", rows, node.input[1]), to=TensorProto.FLOAT)
    nodes.op("Mul", values, nodes.op("Gather", steps, node.input[1]), name=node.output[0])


def _batch_shape(nodes: Nodes) -> str:
    """The shape [B, S, -1], computed once a graph."""
    name = f"{nodes.prefix}/batch_shape"
    if not any(name in node.output for node in nodes.nodes):
        shape = nodes.op("Shape", "attention_mask")
        nodes.op("Concat", shape, nodes.constant("rest", [-1], np.int64), name=name, axis=0)
    return name


def _per_channel(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int8 [K, N] and float32 scales [N], one a column; a column of zeros has scale 1."""
    return _rounded(weights, np.abs(weights).max(axis=0) / 127)


def _for_products(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `_per_channel`, and exact on every CPU.

    x86 without VNNI multiplies uint8 by int8 with vpmaddubsw, which adds the products of
    two neighbours along K and saturates at 32,767: 255 x (|a| + |b|) must stay below. So
    a column's scale also keeps neighbours of one sign to |a| + |b| <= 127 (rounding may
    add 1). Unbounded, weights of the built-in model moved by up to 0.7 on such CPUs.
    """
    first, second = weights[0::2], weights[1::2]
    same = np.sign(first[: len(second)]) == np.sign(second)
    pairs = np.where(same, np.abs(first[: len(second)]) + np.abs(second), 0)
    largest = np.maximum(np.abs(weights).max(axis=0), pairs.max(axis=0, initial=0))
    return _rounded(weights, largest / 127)


def _rounded(weights: np.ndarray, scales: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    steps = np.where(scales > 0, scales, 1).astype(np.float32)
    return np.rint(weights / steps).clip(-127, 127).astype(np.int8), steps


def _rows(known: dict[str, onnx.TensorProto], name: str) -> int:
    shape: Sequence[int] = known[name].dims if name in known else ()
    return shape[0] if len(shape) == 2 else 0
