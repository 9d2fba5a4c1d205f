"""OpenVINO's int8: post-training quantisation by NNCF, calibrated on passages.

    python bench/encode_quantise.py FOLDER TEXTS      in the peers' environment

TEXTS: a JSON list. Writes FOLDER/openvino-int8.xml; the graph is FOLDER/padded.onnx.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nncf
import numpy as np
import openvino
import tokenizers
from numpy.typing import NDArray

LONGEST = 128  # tokens of a calibration text


def main() -> None:
    folder, texts = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text("utf-8"))
    model = openvino.Core().read_model(folder / "padded.onnx")
    names = {name for given in model.inputs for name in given.names}
    splits = tokenizers.Tokenizer.from_file(str(folder / "int8" / "tokenizer.json"))
    splits.enable_truncation(LONGEST)

    def given(text: str) -> dict[str, NDArray[np.int64]]:
        ids = np.array([splits.encode(text).ids], np.int64)
        every = {"input_ids": ids, "attention_mask": np.ones_like(ids),
                 "token_type_ids": np.zeros_like(ids)}  # fmt: skip
        return {name: every[name] for name in names}

    quantised = nncf.quantize(
        model, nncf.Dataset(texts, given), model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(texts),
    )  # fmt: skip
    openvino.save_model(quantised, folder / "openvino-int8.xml", compress_to_fp16=False)


if __name__ == "__main__":
    main()
