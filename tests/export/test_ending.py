"""The decoder is found at the end of a graph, however its exporter wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from spladed.errors import Mismatch
from spladed.ort import Session
from spladed_export.draft import save_graph
from spladed_export.ending import split
from spladed_export.graft import BLOCK, Head, graft
from spladed_export.lower import decoder_scale, lower_int8
from spladed_export.nodes import Nodes, symbolic
from spladed_export.raw import RawGraph

HIDDEN, VOCABULARY, TOKENS = 8, BLOCK + 5, 50

RNG = np.random.default_rng(0)
TABLE = RNG.standard_normal((TOKENS, HIDDEN)).astype(np.float32)
DECODER = RNG.standard_normal((HIDDEN, VOCABULARY)).astype(np.float32)
BIAS = (RNG.standard_normal(VOCABULARY) - 2).astype(np.float32)

Ending = Callable[[Nodes, str], str]


def weights(nodes: Nodes, values: np.ndarray = DECODER) -> str:
    return nodes.constant("decoder", values, np.float32)


def bias(nodes: Nodes, values: np.ndarray = BIAS) -> str:
    return nodes.constant("bias", values, np.float32)


def flat(nodes: Nodes, hidden: str) -> str:
    return nodes.op("Reshape", hidden, nodes.constant("flat", [-1, HIDDEN], np.int64))


def apart(nodes: Nodes, products: str) -> str:
    width = nodes.constant("wide", [VOCABULARY], np.int64)
    shape = nodes.op("Concat", nodes.op("Shape", "input_ids"), width, axis=0)
    return nodes.op("Reshape", products, shape)


def gemm(nodes: Nodes, hidden: str) -> str:
    return apart(nodes, nodes.op("Gemm", flat(nodes, hidden), weights(nodes), bias(nodes)))


def gemm_turned(nodes: Nodes, hidden: str) -> str:
    decoder = weights(nodes, DECODER.T)
    product = nodes.op("Gemm", flat(nodes, hidden), decoder, bias(nodes), transB=1)
    return nodes.op("Identity", apart(nodes, product))


def gemm_scaled(nodes: Nodes, hidden: str) -> str:
    decoder, shift = weights(nodes, DECODER * 2), bias(nodes, BIAS / 4)
    return apart(nodes, nodes.op("Gemm", flat(nodes, hidden), decoder, shift, alpha=0.5, beta=4.0))


def gemm_without_bias(nodes: Nodes, hidden: str) -> str:
    return apart(nodes, nodes.op("Gemm", flat(nodes, hidden), weights(nodes)))


def gemm_before_an_add(nodes: Nodes, hidden: str) -> str:
    product = nodes.op("Gemm", flat(nodes, hidden), weights(nodes), bias(nodes, BIAS / 2))
    return nodes.op("Add", bias(Nodes("/more", nodes.nodes, nodes.initializers), BIAS / 2),
                    apart(nodes, product))  # fmt: skip


def gemm_tied(nodes: Nodes, hidden: str) -> str:
    turned = nodes.op("Transpose", weights(nodes, DECODER.T), perm=[1, 0])
    return apart(nodes, nodes.op("Gemm", flat(nodes, hidden), turned, bias(nodes)))


def product_of_flat(nodes: Nodes, hidden: str) -> str:
    product = nodes.op("MatMul", flat(nodes, hidden), weights(nodes))
    return apart(nodes, nodes.op("Add", bias(nodes), product))


def tied_by_name(nodes: Nodes, hidden: str) -> str:
    same = nodes.op("Identity", weights(nodes, DECODER.T))
    product = nodes.op("MatMul", hidden, nodes.op("Transpose", same))
    return nodes.op("Add", product, bias(nodes, BIAS[None, None]))


def constant_nodes(nodes: Nodes, hidden: str) -> str:
    decoder = nodes.op("Constant", value=numpy_helper.from_array(DECODER))
    shift = nodes.op("Constant", value=numpy_helper.from_array(BIAS))
    return nodes.op("Add", nodes.op("MatMul", hidden, decoder), nodes.op("Identity", shift))


def one_number(nodes: Nodes, hidden: str) -> str:
    product = nodes.op("MatMul", hidden, weights(nodes))
    return nodes.op("Add", product, bias(nodes, np.float32([-1.5])))


ENDINGS: Mapping[str, Ending] = {
    each.__name__: each
    for each in (
        gemm, gemm_turned, gemm_scaled, gemm_without_bias, gemm_before_an_add, gemm_tied,
        product_of_flat, tied_by_name, constant_nodes, one_number,
    )
}  # fmt: skip


def masked_lm(ending: Ending) -> onnx.ModelProto:
    """Embeddings, a product (which int8 lowers), another one, and the ending."""
    nodes = Nodes("/lm")
    hidden = nodes.op("Gather", nodes.constant("table", TABLE, np.float32), "input_ids")
    for name in ("first", "second"):
        hidden = nodes.op("MatMul", hidden, nodes.constant(name, np.eye(HIDDEN), np.float32))
    nodes.op("Identity", ending(nodes, hidden), name="logits")
    inputs = [
        symbolic(name, TensorProto.INT64, "b", "s") for name in ("input_ids", "attention_mask")
    ]
    output = symbolic("logits", TensorProto.FLOAT, "b", "s", "v")
    graph = helper.make_graph(nodes.nodes, "lm", inputs, [output], nodes.initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def ragged() -> tuple[np.ndarray, np.ndarray]:
    ids = np.random.default_rng(1).integers(0, TOKENS, (3, 5))
    return ids, np.array([[1, 1, 1, 1, 1], [1, 0, 0, 0, 0], [1, 1, 1, 0, 0]], np.int64)


def truth(model: onnx.ModelProto) -> np.ndarray:
    """The maximum of log(1 + relu(z)) over each text's tokens, z by the graph as it was found."""
    ids, mask = ragged()
    graph, rows = RawGraph(model), []
    for tokens, keep in zip(ids, mask, strict=True):
        logits = graph.run(tokens[None, keep == 1], keep[None, keep == 1])[0]
        rows.append(np.log1p(np.maximum(logits, 0)).max(axis=0))
    return np.array(rows)


def rows_of(model: onnx.ModelProto, folder: Path) -> np.ndarray:
    found = Session(save_graph(model, folder / "model.onnx"), dimension=VOCABULARY).run(*ragged())
    dense = np.zeros((len(found), VOCABULARY), np.float32)
    for number, (indices, values) in enumerate(found.rows()):
        dense[number, indices] = values
    return dense


@pytest.mark.parametrize("name", ENDINGS)
def test_every_ending_gives_its_decoder(tmp_path: Path, name: str) -> None:
    model, head = masked_lm(ENDINGS[name]), Head("max", "log1p_relu")
    expected = truth(model)
    lm = split(model, VOCABULARY)
    assert lm.decoder.shape == (HIDDEN, VOCABULARY)
    assert 0 < (expected > 0).mean() < 0.9
    assert not {"decoder", "bias"} & {
        tensor.name.rpartition("/")[2] for tensor in lm.encoder.graph.initializer
    }, "the decoder is cut off"
    np.testing.assert_allclose(rows_of(graft(lm, head), tmp_path), expected, atol=1e-5)
    lowered = lower_int8(lm, head, decoder_scale(np.abs(TABLE).max(axis=1)))
    assert np.abs(rows_of(lowered, tmp_path) - expected).mean() < 0.02


def transposed_input(nodes: Nodes, hidden: str) -> str:
    turned = nodes.op("Transpose", flat(nodes, hidden))
    return apart(nodes, nodes.op("Gemm", turned, weights(nodes), bias(nodes), transA=1))


def computed_bias(nodes: Nodes, hidden: str) -> str:
    shift = nodes.op("Relu", bias(nodes))
    return apart(nodes, nodes.op("Gemm", flat(nodes, hidden), weights(nodes), shift))


def computed_weights(nodes: Nodes, hidden: str) -> str:
    return nodes.op("MatMul", hidden, nodes.op("Relu", weights(nodes)))


def residual(nodes: Nodes, hidden: str) -> str:
    product = nodes.op("MatMul", hidden, weights(nodes))
    return nodes.op("Add", product, nodes.op("Relu", product))


def matrix_of_biases(nodes: Nodes, hidden: str) -> str:
    product = nodes.op("MatMul", hidden, weights(nodes))
    return nodes.op("Add", product, bias(nodes, np.tile(BIAS, (5, 1))))


def softmax(nodes: Nodes, hidden: str) -> str:
    return nodes.op("Softmax", gemm(nodes, hidden))


@pytest.mark.parametrize(
    ("ending", "names"),
    [
        (transposed_input, "transposed input"),
        (computed_bias, "computed bias"),
        (computed_weights, "no constant matrix"),
        (residual, "two names that are computed"),
        (matrix_of_biases, f"{VOCABULARY} columns and a bias of"),
        (softmax, "Softmax"),
    ],
)
def test_another_ending_is_refused_by_name(ending: Ending, names: str) -> None:
    with pytest.raises(Mismatch, match=names) as caught:
        split(masked_lm(ending), VOCABULARY)
    assert caught.value.reason == "SOURCE_GRAPH"


def test_a_decoder_of_another_vocabulary_is_refused() -> None:
    with pytest.raises(Mismatch, match=f"{VOCABULARY} terms, and config.json .* 800") as caught:
        split(masked_lm(gemm), 800)
    assert caught.value.reason == "SOURCE_GRAPH"
