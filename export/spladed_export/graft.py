"""The graft: the decoder at the end of a masked-LM gives way to the fused sparse head.

    logits = hidden @ decoder + bias                  [B, S, V], cut off
    padded positions repeat their text's first token  [B, S, H]
    in blocks of columns: hidden @ decoder, maximum over the text      [B, block]
    + bias, and which of them relu and log leave open [B, V]
    those as CSR, then log(1 + x)                     indptr, indices, values

relu and log1p never fall, and the bias is one number a column, so the maximum may be taken
first, exactly (SPLADE v2, https://arxiv.org/abs/2109.10086, equation 6): on [B, V], never
on [B, S, V]. Of 250,000 columns and 32 texts one [B, V] is 32 MB, so there are few of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper

from spladed.manifest import Activation, Model, Pooling
from spladed_export.nodes import IR_VERSION, Nodes, prune, symbolic

__all__ = [
    "BLOCK", "Head", "Logits", "MaskedLM", "Pooled", "Product", "blocks", "csr", "finish",
    "graft", "pooled", "pooled_hidden",
]  # fmt: skip

# Both give the name of what they make; see `pooled`.
Product = Callable[[int, slice], str]
Logits = Callable[[str, str, slice], str]

# Columns of the decoder at a time. Not a power of two: ReduceMax walks down a column, and
# with rows of 2,048 floats every step lands in the same cache set (1.6 times the CPU time
# of 752 on the built-in model). ScatterND(reduction=max) over compacted tokens would save
# the padding, but onnxruntime's kernel runs it on several threads without a lock: with two
# threads, rows came out wrong in more than half of the runs.
BLOCK = 752

_FLOOR = -1e30  # as a bias: a column that relu always closes

# Logits up to here have no weight: in float32 1 + x is 1, and its logarithm 0.
_CLOSED = 2.0**-24


@dataclass(frozen=True, slots=True)
class Head:
    """What is computed after the decoder. dropped: columns that are always 0."""

    pooling: Pooling
    activation: Activation
    dropped: tuple[int, ...] = ()

    @classmethod
    def of(cls, model: Model) -> Head:
        """The head that the manifest's model describes."""
        dropped = model.special_token_ids if model.special_terms == "drop" else ()
        return cls(model.pooling, model.activation, dropped)


@dataclass(frozen=True, slots=True)
class Pooled:
    """Numbers of each text [B, V], of which those above `closed` make its row.

    name:       of the tensor
    columns:    V
    activation: what they have still to pass to be weights, if anything
    """

    name: str
    columns: int
    closed: float
    activation: Activation | None = None


@dataclass(frozen=True, slots=True)
class MaskedLM:
    """A masked-LM graph without its end (`ending.split`).

    hidden:  the name of the decoder's input [B, S, H]
    decoder: float32 [H, V]; bias: float32 [V]
    """

    encoder: onnx.ModelProto
    hidden: str
    decoder: np.ndarray
    bias: np.ndarray


def graft(lm: MaskedLM, head: Head) -> onnx.ModelProto:
    """The fused fp32 graph: token ids and mask in, CSR rows out."""
    nodes = Nodes("/head")
    hidden = pooled_hidden(nodes, lm.hidden)

    def product(number: int, columns: slice) -> str:
        weights = nodes.constant(f"decoder_{number}", lm.decoder[:, columns], np.float32)
        return nodes.op("MatMul", hidden, weights)

    csr(nodes, pooled(nodes, product, lambda products, _, __: products, lm.bias, head))
    return finish(lm.encoder, nodes)


def pooled(nodes: Nodes, product: Product, logits: Logits, bias: np.ndarray, head: Head) -> Pooled:
    """Pools over each text what the decoder multiplies.

    product: makes the products of every token with a block of columns [B, S, block]
    logits:  makes of products [..., columns] their logits without the bias, in the same order,
             so that a maximum may be taken of products; its second argument ends names
    """
    if head.pooling == "sum":
        return Pooled(_sum_of_activations(nodes, product, logits, bias, head), len(bias), 0.0)
    one = nodes.constant("axis_1", [1], np.int64)
    parts = [
        nodes.op("ReduceMax", product(number, columns), one, keepdims=0)
        for number, columns in enumerate(blocks(len(bias)))
    ]
    whole = logits(nodes.op("Concat", *parts, axis=1), "", slice(0, len(bias)))
    shift = nodes.constant("bias", _shut(bias, head), np.float32)
    return Pooled(nodes.op("Add", whole, shift), len(bias), _CLOSED, head.activation)


def blocks(vocabulary_size: int) -> list[slice]:
    """The columns of each decoder block; the last may be partial."""
    starts = range(0, vocabulary_size, BLOCK)
    return [slice(start, min(start + BLOCK, vocabulary_size)) for start in starts]


def pooled_hidden(nodes: Nodes, hidden: str) -> str:
    """Hidden states [B, S, H] with every padded position repeating its text's first token.

    A repeated token cannot change a maximum. A row without any token repeats position 0.
    """
    keep = nodes.op("Cast", "attention_mask", to=TensorProto.BOOL)
    first = nodes.op("ArgMax", "attention_mask", axis=1, keepdims=1)
    token = nodes.op("GatherND", hidden, first, batch_dims=1)
    one, two = nodes.constant("axis_1", [1], np.int64), nodes.constant("axis_2", [2], np.int64)
    wide_keep = nodes.op("Unsqueeze", keep, two)
    return nodes.op("Where", wide_keep, hidden, nodes.op("Unsqueeze", token, one))


def _shut(bias: np.ndarray, head: Head) -> np.ndarray:
    """The bias [V], with dropped columns held shut by it."""
    values = bias.copy()
    values[list(head.dropped)] = _FLOOR
    return values


def _activate(nodes: Nodes, weights: str, activation: Activation, dtype: type = np.float32) -> str:
    """log(1 + x), or log(1 + log(1 + x)), of what relu has left."""
    one = nodes.constant(f"one_{dtype.__name__}", 1.0, dtype)
    for _ in range(2 if activation == "log1p_log1p_relu" else 1):
        weights = nodes.op("Log", nodes.op("Add", weights, one))
    return weights


def csr(nodes: Nodes, rows: Pooled) -> None:
    """Writes the outputs indptr [B + 1], indices [nnz], values [nnz].

    Whatever is not closed is written, NaN too: hidden damage would pass for a short row.
    """
    closed = nodes.constant("closed", rows.closed, np.float32)
    present = nodes.op("Not", nodes.op("LessOrEqual", rows.name, closed))
    where = nodes.op("Transpose", nodes.op("NonZero", present), perm=[1, 0])
    _values(nodes, nodes.op("GatherND", rows.name, where), rows.activation)
    column = nodes.op("Gather", where, nodes.constant("column", 1, np.int64), axis=1)
    nodes.op("Cast", column, name="indices", to=TensorProto.INT32)
    _indptr(nodes, present, rows.columns)


def _values(nodes: Nodes, kept: str, activation: Activation | None) -> None:
    """In float64: a float32 logarithm differs in its last bit between the middle of a vector and
    its end, which depends on the neighbours in the batch."""
    if activation is not None:
        kept = _activate(
            nodes, nodes.op("Cast", kept, to=TensorProto.DOUBLE), activation, np.float64
        )
    nodes.op("Cast", kept, name="values", to=TensorProto.FLOAT)


def _indptr(nodes: Nodes, present: str, columns: int) -> None:
    """Counts by a product of bytes with ones: as int64, to be summed, `present` would take
    twice the memory of the logits."""
    ones = nodes.constant("ones", np.ones((columns, 1)), np.uint8)
    bits = nodes.op("Cast", present, to=TensorProto.UINT8)
    counts = nodes.op("Cast", nodes.op("MatMulInteger", bits, ones), to=TensorProto.INT64)
    flat = nodes.op("Reshape", counts, nodes.constant("flat", [-1], np.int64))
    ends = nodes.op("CumSum", flat, nodes.constant("axis_0", 0, np.int64))
    nodes.op("Concat", nodes.constant("start", [0], np.int64), ends, name="indptr", axis=0)


def finish(encoder: onnx.ModelProto, nodes: Nodes, *, contrib: bool = False) -> onnx.ModelProto:
    """Encoder and head as one model with the bundle's outputs, nothing in it unused."""
    model = onnx.ModelProto()
    model.CopyFrom(encoder)
    graph = model.graph
    graph.name = "spladed"
    graph.node.extend(nodes.nodes)
    graph.initializer.extend(nodes.initializers)
    inputs = [symbolic(each.name, TensorProto.INT64, "batch", "sequence") for each in graph.input]
    del graph.input[:], graph.output[:]
    graph.input.extend(inputs)
    graph.output.append(symbolic("indptr", TensorProto.INT64, "batch_plus_1"))
    graph.output.append(symbolic("indices", TensorProto.INT32, "nnz"))
    graph.output.append(symbolic("values", TensorProto.FLOAT, "nnz"))
    prune(graph)
    return _labelled(model, contrib)


def _labelled(model: onnx.ModelProto, contrib: bool) -> onnx.ModelProto:
    opset = max(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
    opsets = [helper.make_opsetid("", opset)]
    if contrib:
        opsets.append(helper.make_opsetid("com.microsoft", 1))
    del model.opset_import[:], model.metadata_props[:]
    model.opset_import.extend(opsets)
    model.ir_version = min(model.ir_version, IR_VERSION)
    model.producer_name, model.producer_version = "spladed", ""
    model.doc_string = model.graph.doc_string = ""
    return model


def _sum_of_activations(
    nodes: Nodes, product: Product, logits: Logits, bias: np.ndarray, head: Head
) -> str:
    """Pooling of the first SPLADE (https://arxiv.org/abs/2107.05720): activations, summed."""
    one, two = nodes.constant("axis_1", [1], np.int64), nodes.constant("axis_2", [2], np.int64)
    mask = nodes.op("Cast", "attention_mask", to=TensorProto.FLOAT)
    wide_mask = nodes.op("Unsqueeze", mask, two)
    shifts = _shut(bias, head)
    parts = []
    for number, columns in enumerate(blocks(len(bias))):
        shift = nodes.constant(f"bias_{number}", shifts[columns], np.float32)
        block = logits(product(number, columns), f"_{number}", columns)
        opened = nodes.op("Relu", nodes.op("Add", block, shift))
        weights = _activate(nodes, opened, head.activation)
        parts.append(nodes.op("ReduceSum", nodes.op("Mul", weights, wide_mask), one, keepdims=0))
    return nodes.op("Concat", *parts, axis=1)
