"""What the figures have to be: targets.toml, [encode]. Ratios are of processor time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from machine import target
from report import Verdict

TORCH = ("torch fp32", "torch bf16", "torch.compile fp32", "torch.compile bf16")
QUERIES = ("a query", "32 queries")


def verdicts(models: dict[str, Any]) -> list[Verdict]:
    made: list[Verdict] = []
    for name, model in models.items():
        if name == "bert-base":
            made += base(model)
        made += queries(name, model)
        if name == "built-in":
            made += [*builtin(model), *table(model)]
    return made


def base(model: dict[str, Any]) -> Iterator[Verdict]:
    """BERT-base shape, 8 x 128 tokens."""
    cases = (
        ("spladed fp32", ("torch fp32",), "base_fp32_times_torch"),
        ("spladed int8", TORCH, "base_int8_times_torch"),
        ("spladed int8", ("quantize_dynamic",), "base_int8_times_dynamic"),
        ("spladed int8", ("OpenVINO int8",), "base_int8_times_openvino"),
    )
    for ours, peers, wanted in cases:
        yield from faster("bert-base 8 x 128", model, "8 x 128", ours, peers, wanted)


def queries(name: str, model: dict[str, Any]) -> Iterator[Verdict]:
    for workload in QUERIES:
        yield from faster(
            f"{name} {workload}", model, workload, "spladed int8", TORCH, "query_times_torch"
        )


def builtin(model: dict[str, Any]) -> Iterator[Verdict]:
    yield from faster(
        "built-in passages", model, "passages", "spladed int8", ("torch fp32",),
        "builtin_times_torch",
    )  # fmt: skip


def table(model: dict[str, Any]) -> Iterator[Verdict]:
    rows = model["engines"]["spladed table"]["workloads"]
    for workload, wanted in zip(QUERIES, ("table_alone_us", "table_batch_us"), strict=True):
        found = 1e3 * rows[workload]["ms_per_text"]
        yield Verdict(f"built-in by table, {workload}", found, target("encode", wanted), "us")


def faster(
    what: str, model: dict[str, Any], workload: str, ours: str, peers: Sequence[str], wanted: str
) -> Iterator[Verdict]:
    """Speed over that of the fastest of the peers; nothing where none of them runs."""
    peer = fastest(model, workload, peers)
    if peer is None:
        print(f"{what}: none of {', '.join(peers)} runs here")
        return
    ratio = seconds(model, peer, workload) / seconds(model, ours, workload)
    name = f"{what}, {ours} over {peer}"
    yield Verdict(name, ratio, target("encode", wanted), "x", most=False)


def fastest(model: dict[str, Any], workload: str, names: Sequence[str]) -> str | None:
    running = [name for name in names if "workloads" in model["engines"].get(name, {})]
    return min(running, key=lambda name: seconds(model, name, workload), default=None)


def seconds(model: dict[str, Any], engine: str, workload: str) -> float:
    return model["engines"][engine]["workloads"][workload]["cpu_seconds"]
