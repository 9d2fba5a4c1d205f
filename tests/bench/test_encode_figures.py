"""What an encode bench makes of nanoseconds, which texts it encodes, and what its verdicts say."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from child import Child, Failed
from encode_figures import figures, peaks, share_of_peak
from encode_models import GEMM, SHAPES
from encode_texts import Workload, real_passages, workloads
from encode_verdicts import fastest, verdicts
from resident import growth

from spladed.bundle import Bundle
from spladed.encoder.tokenize import LengthRule, Tokenizer

PASSAGES = Workload("8 x 128", "document", (("text",) * 8,), 1_024)


def test_speeds_are_of_the_least_processor_time() -> None:
    taken = np.array([[5_000_000_000, 2_000_000_000], [3_000_000_000, 4_000_000_000]])
    found = figures(taken, PASSAGES)
    assert (found["cpu_seconds"], found["wall_seconds"]) == (2.0, 3.0)
    assert (found["tokens_per_second"], found["texts_per_second"]) == (512.0, 4.0)
    assert (found["cpu_median_seconds"], found["ms_per_text"]) == (3.0, 250.0)


def test_the_share_of_the_peak_is_one_where_all_time_is_products() -> None:
    second = np.array([[2_000_000_000, 1_000_000_000]])
    peak = peaks({("gemm", "fp32"): second, ("gemm", "int8"): second})
    assert peak["fp32"] == 2.0 * np.prod(GEMM)
    shape = SHAPES["bert-base"]
    speed = peak["fp32"] / shape.flops(128)
    assert share_of_peak(speed, shape, PASSAGES, "fp32", peak) == pytest.approx(1)
    assert share_of_peak(speed, shape, PASSAGES, "bf16", peak) is None


def test_bert_base_costs_what_it_is_known_to() -> None:
    """findings: 170 MFLOP of layers, 4.7 of attention, 48 of the head."""
    assert SHAPES["bert-base"].flops(128) / 1e6 == pytest.approx(222.7, abs=0.5)


def test_texts_have_just_the_tokens_that_are_told() -> None:
    _, passages = real_passages(None)
    path = Bundle.open("builtin").tokenizer
    found = workloads(passages, path, 16)
    assert [each.texts for each in found] == [32, 32, 8, 2, 16]
    for each in found:
        texts = [text for call in each.calls for text in call]
        ids = Tokenizer(path).tokenize(texts, LengthRule(512))
        assert sum(len(text.ids) for text in ids) == each.tokens
    assert [each.length for each in found[:4]] == [8, 8, 128, 512]


def engine(seconds: float) -> dict[str, Any]:
    row = {"cpu_seconds": seconds, "ms_per_text": seconds}
    names = ("a query", "32 queries", "8 x 128", "passages")
    return {"workloads": dict.fromkeys(names, row)}


def found(name: str, **engines: dict[str, Any]) -> dict[str, Any]:
    return {name: {"engines": {key.replace("_", " "): each
                                          for key, each in engines.items()}}}  # fmt: skip


def test_the_best_peer_is_the_fastest_of_those_that_run() -> None:
    model = found("x", torch_fp32=engine(3), torch_bf16=engine(2), broken={"failed": "?"})
    names = ("torch fp32", "torch bf16", "broken")
    assert fastest(model["x"], "passages", names) == "torch bf16"
    assert fastest(model["x"], "passages", ("broken",)) is None


def test_verdicts_of_bert_base_and_the_built_in_model() -> None:
    base = found("bert-base", spladed_int8=engine(1), spladed_fp32=engine(3), torch_fp32=engine(3))
    made = {each.name: each for each in verdicts(base)}
    assert not made["bert-base 8 x 128, spladed fp32 over torch fp32"].ok
    assert made["bert-base 8 x 128, spladed int8 over torch fp32"].measured == 3
    tiny = found(
        "built-in", spladed_int8=engine(1), torch_fp32=engine(6), spladed_table=engine(0.1)
    )
    made = {each.name: each for each in verdicts(tiny)}
    assert made["built-in passages, spladed int8 over torch fp32"].ok
    assert made["built-in by table, a query"].ok  # 100 us
    assert not made["built-in by table, 32 queries"].ok


def test_growth_is_that_of_the_second_half() -> None:
    assert growth([1.0, *[50.0] * 99]) == 0
    assert growth([float(each) for each in range(100)]) == 40


def test_a_child_answers_and_its_errors_are_told(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    bench = Path(__file__).parents[2] / "bench"
    program.write_text(
        f"import sys; sys.path.insert(0, {str(bench)!r})\n"
        "from child import answers, serve\n"
        "class Worker:\n"
        "    def half(self, *, of):\n"
        "        print('noise')\n"
        "        return of // 2 if of % 2 == 0 else sys.exit(3) if of < 0 else 1 / 0\n"
        "serve(Worker(), answers())\n"
    )
    child = Child([sys.executable, str(program)], tmp_path / "log")
    assert child.call("half", of=4) == 2
    with pytest.raises(Failed, match="ZeroDivisionError"):
        child.call("half", of=3)
    with pytest.raises(Failed, match="ended with status 3"):
        child.call("half", of=-1)
    child.close()
