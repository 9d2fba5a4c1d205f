"""What the encode bench runs, made once for each state of the exporter.

    python bench/encode_models.py MODEL FOLDER        in the exporter's environment

    FOLDER/checkpoint          a sentence-transformers SparseEncoder
          /fp32, int8          our bundles of it; of the built-in model also `table`, whose
                               queries are looked up
          /dynamic.onnx        our fp32 graph after onnxruntime's quantize_dynamic
          /padded.onnx         [B, V] out, the maximum in the graph but not in blocks: OpenVINO's
          /sentence-onnx       as sentence-transformers exports it for its own ONNX backend
          /gemm-*.onnx         one product, fp32 and int8: the machine's peak
          /about.json          what a token costs

Bundles of random weights have no verification: int8 of noise is noise, which the gate refuses.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BUILTIN = ROOT / "models" / "spladed-tiny-en"
SOURCES = (Path(__file__), *sorted((ROOT / "export" / "spladed_export").glob("*.py")))
SENTENCE_FILES = ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json",
                  "1_SpladePooling/config.json")  # fmt: skip
TERMS = 170  # of a passage, roughly: what trained SPLADE models have
GEMM = (1_024, 768, 3_072)  # rows, inner, columns: a large batch in BERT-base's first linear layer


@dataclass(frozen=True, slots=True)
class Shape:
    """hidden, inner: widths; vocabulary: terms."""

    family: str
    layers: int
    hidden: int
    inner: int
    heads: int
    vocabulary: int = 30_522

    def flops(self, length: int) -> float:
        """Of a token in a text of this length: products with weights, attention, head."""
        layer = 2 * (4 * self.hidden**2 + 2 * self.hidden * self.inner)
        attention = 4 * length * self.hidden
        head = 2 * (self.hidden**2 + self.hidden * self.vocabulary)
        return float(self.layers * (layer + attention) + head)


SHAPES: Mapping[str, Shape] = {
    "built-in": Shape("bert", 2, 128, 512, 2),
    "minilm": Shape("bert", 6, 384, 1_536, 12),
    "distilbert": Shape("distilbert", 6, 768, 3_072, 12),
    "bert-base": Shape("bert", 12, 768, 3_072, 12),
}


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    make(name, folder)
    (folder / "about.json").write_text(json.dumps(asdict(SHAPES[name])) + "\n")


def digest() -> str:
    """Of all source that says what is made."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES)).hexdigest()[:8]


def make(name: str, folder: Path) -> None:
    checkpoint = folder / "checkpoint"
    if name == "built-in":
        shutil.copytree(BUILTIN, checkpoint)
        verified(checkpoint, folder)
    else:
        random_checkpoint(SHAPES[name], checkpoint)
        for precision in ("fp32", "int8"):
            unverified(checkpoint, folder / precision, precision)
    dynamic(folder / "fp32" / "model.onnx", folder / "dynamic.onnx")
    padded(checkpoint, folder / "padded.onnx")
    sentence_onnx(checkpoint, folder / "sentence-onnx")
    gemms(folder)


def random_checkpoint(shape: Shape, folder: Path) -> None:
    """Random weights with the built-in model's tokenizer."""
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    for file in SENTENCE_FILES:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(BUILTIN / file, folder / file)
    tokenizer = AutoTokenizer.from_pretrained(BUILTIN)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    model = AutoModelForMaskedLM.from_config(config_of(shape)).eval()
    lower_bias(model, tokenizer)
    model.save_pretrained(folder)


def config_of(shape: Shape) -> Any:
    from transformers import AutoConfig

    names = {
        "bert": ("num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads"),
        "distilbert": ("n_layers", "dim", "hidden_dim", "n_heads"),
    }[shape.family]
    sizes = (shape.layers, shape.hidden, shape.inner, shape.heads)
    return AutoConfig.for_model(
        shape.family, vocab_size=shape.vocabulary, **dict(zip(names, sizes, strict=True))
    )


def lower_bias(model: Any, tokenizer: Any) -> None:
    """Lowers every column's bias by the logit that all but TERMS maxima of a passage stay
    under: untouched random weights light half of the vocabulary."""
    import numpy as np
    import torch

    from spladed_export.texts import labelled_pages

    thresholds = []
    with torch.inference_mode():
        for page in labelled_pages()[:16]:
            tokens = tokenizer(page.passage, truncation=True, return_tensors="pt")
            logits = model(tokens["input_ids"], tokens["attention_mask"]).logits[0]
            thresholds.append(np.sort(logits.max(dim=0).values.numpy())[-TERMS])
        model.get_output_embeddings().bias -= float(np.mean(thresholds))


def verified(checkpoint: Path, folder: Path) -> None:
    """The bundles that a user gets, one with a table for queries."""
    from spladed_export.export import export

    vocabulary = json.loads((checkpoint / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    table = folder / "idf.json"
    table.write_text(json.dumps({token: 1 + id % 97 / 10 for token, id in vocabulary.items()}))
    export(checkpoint, folder / "fp32")
    export(checkpoint, folder / "int8", precision="int8")
    export(checkpoint, folder / "table", precision="int8", query_source=table)


def unverified(checkpoint: Path, out: Path, precision: Any) -> None:
    """A bundle as `export` writes it, without the gate and without golden texts."""
    from spladed_export.build import Build
    from spladed_export.describe import Asked, manifest_of
    from spladed_export.draft import Draft
    from spladed_export.source import read

    with Draft(out, force=False) as draft, ExitStack() as opened:
        build = Build(draft, opened, precision, print)
        asked = {"query": Asked(), "document": Asked()}
        about, _, vocabulary = build.sides(read(checkpoint), "keep", asked)  # type: ignore[arg-type]
        manifest = manifest_of(
            about, precision=precision, target="cpu",
            vocabulary=vocabulary, files=draft.hashes(), golden=(),
        )  # fmt: skip
        draft.write_manifest(replace(manifest, verification={}))
        draft.publish()


def dynamic(graph: Path, out: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(graph, out, per_channel=True, weight_type=QuantType.QInt8)


def padded(checkpoint: Path, out: Path) -> None:
    """Token ids and mask to weights float32 [B, V], in plain ONNX."""
    import numpy as np
    import onnx
    from onnx import TensorProto

    from spladed_export.ending import split
    from spladed_export.graft import pooled_hidden
    from spladed_export.nodes import Nodes, prune, symbolic
    from spladed_export.onnx_export import masked_lm
    from spladed_export.source import read

    source, nodes = read(checkpoint), Nodes("/head")
    lm = split(masked_lm(source), source.vocabulary_size)
    decoder = nodes.constant("decoder", lm.decoder, np.float32)
    products = nodes.op("MatMul", pooled_hidden(nodes, lm.hidden), decoder)
    most = nodes.op("ReduceMax", products, nodes.constant("axis_1", [1], np.int64), keepdims=0)
    logits = nodes.op("Add", most, nodes.constant("bias", lm.bias, np.float32))
    more = nodes.op("Add", nodes.op("Relu", logits), nodes.constant("one", 1.0, np.float32))
    nodes.op("Log", more, name="weights")
    graph = lm.encoder.graph
    graph.node.extend(nodes.nodes)
    graph.initializer.extend(nodes.initializers)
    del graph.output[:]
    graph.output.append(symbolic("weights", TensorProto.FLOAT, "batch", "vocabulary"))
    prune(graph)
    onnx.save(lm.encoder, str(out))


def sentence_onnx(checkpoint: Path, out: Path) -> None:
    """The peer's own export; where it fails, its words stand in a file of that name."""
    from sentence_transformers import SparseEncoder

    try:
        SparseEncoder(str(checkpoint), device="cpu", backend="onnx").save_pretrained(str(out))
    except Exception as error:  # whatever the peer raises is what the table says of it
        shutil.rmtree(out, ignore_errors=True)
        out.with_suffix(".failed").write_text(f"{type(error).__name__}: {error}")


def gemms(folder: Path) -> None:
    """[rows, inner] times [inner, columns], of constants on the right."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper

    from spladed_export.nodes import IR_VERSION, OPSET, Nodes, symbolic

    _, inner, columns = GEMM
    random = np.random.default_rng(0)
    kinds = (
        ("fp32", "MatMul", TensorProto.FLOAT, TensorProto.FLOAT, np.float32),
        ("int8", "MatMulInteger", TensorProto.UINT8, TensorProto.INT32, np.int8),
    )
    for name, operator, given, made, dtype in kinds:
        nodes = Nodes("gemm")
        weights = random.integers(-60, 60, (inner, columns))
        extra = (nodes.constant("zero", 128, np.uint8),) if name == "int8" else ()
        nodes.op(operator, "x", nodes.constant("w", weights, dtype), *extra, name="y")
        graph = helper.make_graph(
            nodes.nodes, "gemm", [symbolic("x", given, "rows", str(inner))],
            [symbolic("y", made, "rows", str(columns))], nodes.initializers,
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = IR_VERSION
        onnx.save(model, str(folder / f"gemm-{name}.onnx"))


if __name__ == "__main__":
    main()
