"""Where does a masked-LM graph end? Its decoder is found, and cut off.

    logits = hidden @ decoder + bias        a MatMul and an Add, or a Gemm

with Identity, and Reshape, wherever exporters put them: a Gemm takes no more than two
dimensions, so the tokens of all texts stand in one column before it, and apart after it. The
decoder may be the word embeddings, turned by a Transpose. Where there is no bias it is 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from spladed.errors import Mismatch
from spladed_export.graft import MaskedLM
from spladed_export.nodes import Nodes, constants, producers, prune, symbolic

__all__ = ["split"]


def split(model: onnx.ModelProto, vocabulary_size: int) -> MaskedLM:
    """Cuts the decoder off the end of the graph.

    Raises Mismatch, naming the node found, where the graph ends in something else than a
    decoder of `vocabulary_size` columns.
    """
    found = _Reader.of(model.graph).decoder(model.graph.output[0].name)
    if len(found.bias) != vocabulary_size:
        raise Mismatch(
            f"the masked-LM graph has logits for {len(found.bias)} terms, and config.json a "
            f"vocab_size of {vocabulary_size}; they are of two models",
            reason="SOURCE_GRAPH",
            field="source",
        )
    encoder = onnx.ModelProto()
    encoder.CopyFrom(model)
    hidden = found.states
    if found.flat:
        hidden = _with_texts_apart(encoder.graph, hidden, len(found.weights))
    del encoder.graph.output[:]
    encoder.graph.output.append(symbolic(hidden, TensorProto.FLOAT, "batch", "sequence", "hidden"))
    prune(encoder.graph)
    return MaskedLM(encoder, hidden, found.weights, found.bias)


@dataclass(frozen=True, slots=True)
class _Decoder:
    """states: the name of what is multiplied, [B, S, H], or [B * S, H] if `flat`.

    weights: float32 [H, V]; bias: float32 [V]
    """

    states: str
    flat: bool
    weights: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True, slots=True)
class _Reader:
    """A graph, read from its end. made: the node of each name; known: the constants."""

    made: Mapping[str, onnx.NodeProto]
    known: Mapping[str, onnx.TensorProto]

    @classmethod
    def of(cls, graph: onnx.GraphProto) -> _Reader:
        return cls(producers(graph), constants(graph))

    def decoder(self, logits: str) -> _Decoder:
        """What makes the logits."""
        shifts: list[np.ndarray] = []
        last, flat = self._maker(logits)
        if last.op_type == "Add":
            shift, rest = self._bias_and_rest(last)
            shifts.append(shift)
            last, reshaped = self._maker(rest)
            flat = flat or reshaped
        if last.op_type == "Gemm":
            weights, shift = self._gemm(last)
            return _decoder(last.input[0], True, weights, [*shifts, *shift])
        if last.op_type != "MatMul":
            raise _not_a_decoder(f"{last.op_type} ({last.name})")
        return _decoder(last.input[0], flat, self._matrix(last), shifts)

    def _matrix(self, product: onnx.NodeProto) -> np.ndarray:
        weights = self._constant(product.input[1])
        if weights is None or weights.ndim != 2:
            found = f"{product.op_type} by {product.input[1]}"
            raise _not_a_decoder(f"{found}, which is no constant matrix")
        return weights

    def _gemm(self, node: onnx.NodeProto) -> tuple[np.ndarray, list[np.ndarray]]:
        """Weights and bias of alpha * A' * B' + beta * C; a prime: transposed if asked for."""
        said = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        weights, shifts = self._matrix(node), [self._constant(name) for name in node.input[2:]]
        if said.get("transA") or any(each is None for each in shifts):
            raise _not_a_decoder(f"Gemm ({node.name}) of a transposed input or a computed bias")
        weights = weights.T if said.get("transB") else weights
        scaled = [each * said.get("beta", 1.0) for each in shifts if each is not None]
        alpha = np.float32(said.get("alpha", 1.0))
        return weights if alpha == 1 else weights * alpha, scaled

    def _bias_and_rest(self, add: onnx.NodeProto) -> tuple[np.ndarray, str]:
        """The constant on one side of an Add, and the name on the other."""
        for one, other in ((0, 1), (1, 0)):
            bias = self._constant(add.input[one])
            if bias is not None:
                return bias, add.input[other]
        raise _not_a_decoder(f"Add ({add.name}) of two names that are computed")

    def _constant(self, name: str) -> np.ndarray | None:
        """The constant behind a name, through Identity and Transpose; None where it is computed."""
        if name in self.known:
            return numpy_helper.to_array(self.known[name])
        maker = self.made.get(name)
        if maker is None or maker.op_type not in ("Identity", "Transpose"):
            return None
        found = self._constant(maker.input[0])
        if found is None or maker.op_type == "Identity":
            return found
        order = next((each.ints for each in maker.attribute if each.name == "perm"), None)
        return found.transpose(order)

    def _maker(self, name: str) -> tuple[onnx.NodeProto, bool]:
        """The node behind Identity and Reshape, and whether there was a Reshape."""
        reshaped = False
        while name in self.made and self.made[name].op_type in ("Identity", "Reshape"):
            reshaped = reshaped or self.made[name].op_type == "Reshape"
            name = self.made[name].input[0]
        if name not in self.made:
            raise _not_a_decoder(f"{name}, which no node makes")
        return self.made[name], reshaped


def _decoder(
    states: str, flat: bool, weights: np.ndarray, shifts: Sequence[np.ndarray]
) -> _Decoder:
    """Raises Mismatch unless every bias is one number, or one for each column."""
    bias = np.zeros(weights.shape[1], np.float32)
    for shift in shifts:
        if shift.size not in (1, len(bias)):
            raise _not_a_decoder(f"{len(bias)} columns and a bias of {shift.shape}")
        bias = bias + shift.reshape(-1).astype(np.float32)
    return _Decoder(states, flat, weights.astype(np.float32, copy=False), bias)


def _with_texts_apart(graph: onnx.GraphProto, states: str, width: int) -> str:
    """States [B * S, H] as [B, S, H]; the new name comes back."""
    nodes = Nodes("/apart")
    shape = nodes.op("Shape", "attention_mask")
    whole = nodes.op("Concat", shape, nodes.constant("width", [width], np.int64), axis=0)
    name = nodes.op("Reshape", states, whole)
    graph.node.extend(nodes.nodes)
    graph.initializer.extend(nodes.initializers)
    return name


def _not_a_decoder(found: str) -> Mismatch:
    return Mismatch(
        f"the masked-LM graph ends in {found}; expected MatMul(hidden, decoder weights) with or "
        "without an Add of the bias, or a Gemm of the three; export it without fusions and "
        "without quantisation",
        reason="SOURCE_GRAPH",
        field="source",
    )
