"""Folders with a graph instead of weights: as optimum writes them, and as the hub has them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper, version_converter

from spladed.bundle import Bundle
from spladed.encoder.encoder import Encoder
from spladed.errors import SpladedError
from spladed_export.export import export
from spladed_export.found_graph import read_graph
from spladed_export.onnx_export import load_model, quiet
from spladed_export.source import read

Edit = Callable[[onnx.ModelProto], None]


@pytest.fixture(scope="module")
def onnx_source(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What optimum-cli itself makes of the random BERT."""
    folder = tmp_path_factory.mktemp("source") / "tiny-bert-onnx"
    command = [Path(sys.executable).with_name("optimum-cli"), "export", "onnx"]
    arguments = ["--model", bert, "--task", "fill-mask", folder]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def graph(onnx_source: Path, tmp_path: Path) -> Path:
    """A copy of its graph that a test may damage."""
    return Path(shutil.copytree(onnx_source, tmp_path / "copy")) / "model.onnx"


def exported_at(opset: int, checkpoint: Path, out: Path) -> Path:
    """The checkpoint's folder with a graph of this opset in place of the weights."""
    from optimum.exporters.onnx import onnx_export_from_model

    shutil.copytree(checkpoint, out)
    (out / "model.safetensors").unlink()
    with quiet():
        model = load_model(read(checkpoint))
        onnx_export_from_model(
            model, out, opset=opset, task="fill-mask", do_validation=False, device="cpu"
        )
    return out


def opset_of(model: onnx.ModelProto) -> int:
    return next(each.version for each in model.opset_import if not each.domain)


def assert_same_rows(one: Bundle, other: Bundle, texts: list[str]) -> None:
    ours, theirs = (Encoder.load(each).encode(texts, kind="document") for each in (one, other))
    np.testing.assert_array_equal(ours.indices, theirs.indices)
    np.testing.assert_allclose(ours.values, theirs.values, atol=1e-5)


def test_a_folder_exported_by_optimum_gives_the_rows_of_its_checkpoint(
    onnx_source: Path, bert: Path, tmp_path: Path, ragged_texts: list[str]
) -> None:
    bundle = export(onnx_source, tmp_path / "graph")
    assert "logits of the source's graph" in bundle.manifest.verification["reference"]
    assert_same_rows(bundle, export(bert, tmp_path / "weights"), ragged_texts[::10])


def test_a_graph_needs_no_torch(onnx_source: Path, tmp_path: Path) -> None:
    """torch is hidden from a process of its own; transformers then only tokenizes."""
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from spladed_export.export import export\n"
        f"export({str(onnx_source)!r}, {str(tmp_path / 'out')!r}, precision='int8')\n"
    )
    environment = os.environ | {"USE_TORCH": "0"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert Bundle.open(tmp_path / "out").manifest.precision == "int8"


@pytest.mark.parametrize("opset", [11, 13, 14, 17])
@pytest.mark.parametrize("family", ["bert", "roberta", "modernbert"])
def test_an_older_opset_is_converted_and_its_rows_stay(
    checkpoint: Callable[[str], Path],
    tmp_path: Path,
    ragged_texts: list[str],
    family: str,
    opset: int,
) -> None:
    source = exported_at(opset, checkpoint(family), tmp_path / "old")
    assert opset_of(onnx.load(str(source / "model.onnx"))) == opset
    bundle = export(source, tmp_path / "out")
    assert opset_of(onnx.load(str(bundle.graph))) == 18
    assert_same_rows(bundle, export(checkpoint(family), tmp_path / "weights"), ragged_texts[::50])


def test_a_newer_opset_is_converted_too(
    graph: Path, bert: Path, tmp_path: Path, ragged_texts: list[str]
) -> None:
    newer = version_converter.convert_version(onnx.load(str(graph)), 23)
    onnx.save(newer, str(graph))
    bundle = export(graph.parent, tmp_path / "out")
    assert opset_of(onnx.load(str(bundle.graph))) == 22
    assert_same_rows(bundle, export(bert, tmp_path / "weights"), ragged_texts[::50])


def test_a_converted_graph_makes_the_same_bytes(bert: Path, tmp_path: Path) -> None:
    source = exported_at(13, bert, tmp_path / "old")
    one, other = (export(source, tmp_path / name, precision="int8") for name in ("one", "other"))
    assert one.graph.read_bytes() == other.graph.read_bytes()


def test_a_graph_lies_in_a_folder_of_its_own_on_the_hub(onnx_source: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(onnx_source, tmp_path / "hub"))
    (folder / "onnx").mkdir()
    (folder / "model.onnx").rename(folder / "onnx" / "model.onnx")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle beside it is left alone")
    checkpoint = read(folder)
    assert checkpoint.graph == folder / "onnx" / "model.onnx"
    assert checkpoint.weights == (checkpoint.graph,)
    ours = export(folder, tmp_path / "out").manifest
    assert ours.files["model.onnx"] == export(onnx_source, tmp_path / "root").manifest.files[
        "model.onnx"
    ]  # fmt: skip


def test_initializers_that_are_inputs_too_are_no_inputs(graph: Path) -> None:
    """As every graph below IR version 4 has them."""
    model = onnx.load(str(graph))
    for tensor in model.graph.initializer:
        model.graph.input.append(
            helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        )
    onnx.save(model, str(graph))
    assert {node.name for node in read_graph(graph).graph.input} == {
        "input_ids", "attention_mask", "token_type_ids",
    }  # fmt: skip


def fuse(model: onnx.ModelProto) -> None:
    model.graph.node[-1].domain = "com.microsoft"


def quantise(model: onnx.ModelProto) -> None:
    model.graph.node.insert(0, helper.make_node("DequantizeLinear", ["a", "b"], ["c"]))


def halve(model: onnx.ModelProto) -> None:
    tensor = numpy_helper.from_array(np.zeros(1, np.float16), "half")
    model.graph.initializer.append(tensor)


def halve_a_constant(model: onnx.ModelProto) -> None:
    tensor = numpy_helper.from_array(np.zeros(1, np.float16))
    model.graph.node.insert(0, helper.make_node("Constant", [], ["half"], value=tensor))


def another_task(model: onnx.ModelProto) -> None:
    output = helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["batch", 16])
    model.graph.output.insert(0, output)


def another_end(model: onnx.ModelProto) -> None:
    """Logits that a softmax follows are no decoder's output."""
    model.graph.node[-1].output[0] = "before"
    model.graph.node.append(helper.make_node("Softmax", ["before"], ["logits"]))


def fixed_size(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 128


def narrow_ids(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT32


def unconvertible(model: onnx.ModelProto) -> None:
    """An operator that opset 12 did not have."""
    model.opset_import[0].version = 12
    model.graph.node.insert(0, helper.make_node("Trilu", ["input_ids"], ["c"]))


@pytest.mark.parametrize(
    ("edit", "names"),
    [
        (fuse, "com.microsoft"),
        (quantise, "DequantizeLinear"),
        (halve, "float16"),
        (halve_a_constant, "float16"),
        (another_task, "pooled"),
        (another_end, "Softmax"),
        (fixed_size, "of fixed sizes [128]"),
        (narrow_ids, "input_ids as int32"),
        (unconvertible, "opset 12, which onnx cannot convert"),
    ],
)
def test_a_graph_that_cannot_be_grafted_is_refused(
    graph: Path, tmp_path: Path, edit: Edit, names: str
) -> None:
    model = onnx.load(str(graph))
    edit(model)
    graph.write_bytes(model.SerializeToString())
    with pytest.raises(SpladedError) as caught:
        export(graph.parent, tmp_path / "out")
    assert caught.value.reason == "SOURCE_GRAPH"
    assert names in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def quantised(graph: Path) -> None:
    from onnxruntime.quantization import quantize_dynamic

    with quiet():
        quantize_dynamic(str(graph), str(graph))


def half_precision(graph: Path) -> None:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with quiet():
        onnx.save(convert_float_to_float16(onnx.load(str(graph))), str(graph))


def fused(graph: Path) -> None:
    from onnxruntime.transformers import optimizer

    with quiet():
        made = optimizer.optimize_model(str(graph), "bert", num_heads=2, hidden_size=16)
        made.save_model_to_file(str(graph))


@pytest.mark.parametrize(
    ("tool", "names"),
    [
        (quantised, "is quantised ("),
        (half_precision, "holds float16 weights"),
        (fused, "holds com.microsoft."),
    ],
)
def test_what_onnxruntimes_tools_make_is_refused_by_name(
    graph: Path, tool: Callable[[Path], None], names: str
) -> None:
    tool(graph)
    with pytest.raises(SpladedError) as caught:
        read_graph(graph)
    assert caught.value.reason == "SOURCE_GRAPH"
    assert names in caught.value.message


def test_a_graph_cut_short_is_refused(graph: Path, tmp_path: Path) -> None:
    graph.write_bytes(graph.read_bytes()[:5_000])
    with pytest.raises(SpladedError) as caught:
        export(graph.parent, tmp_path / "out")
    assert caught.value.reason == "SOURCE_GRAPH"


def test_a_graph_without_its_data_is_refused(graph: Path) -> None:
    model = onnx.load(str(graph))
    onnx.save(model, str(graph), save_as_external_data=True, location="model.onnx_data")
    assert [path.name for path in read(graph.parent).weights] == ["model.onnx", "model.onnx_data"]
    assert read_graph(graph).graph.initializer
    (graph.parent / "model.onnx_data").unlink()
    with pytest.raises(SpladedError, match=r"model\.onnx_data") as caught:
        read_graph(graph)
    assert caught.value.reason == "SOURCE_GRAPH"
