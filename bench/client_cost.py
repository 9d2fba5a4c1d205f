"""What the Python client costs beside a bare grpc call of the same bytes.

A stub server in a process of its own answers with canned bytes, so that only the client's CPU
(of this process, all threads) is counted. Passes of both sides are interleaved; the minimum
and the median over the passes are written to bench/results/client_cost.json, with a plot.
Exits 1 if a target of targets.toml is missed.

    python bench/client_cost.py
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import matplotlib as mpl
import numpy as np
from machine import machine, target

from spladed.client.client import Client
from spladed.client.outbox import ChunkSize
from spladed.client.values import Document
from spladed.rpc.wire import view, write_batch
from spladed.sparse import SparseBatch
from spladed.v1 import encoder_pb2, index_pb2

RESULT = Path(__file__).parent / "results" / "client_cost.json"
PASSES = 9
WANTED = target("client_cost", "most_times_bare")
TERMS = 150
CHUNK = 256


def main() -> int:
    with subprocess.Popen(
        [sys.executable, __file__, "stub"], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as stub:
        assert stub.stdout is not None
        rows = measure(f"127.0.0.1:{stub.stdout.readline().strip()}")
        stub.kill()
    RESULT.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")
    plot(rows)
    print(f"{'case':<34}{'bare us':>10}{'client us':>11}{'ratio':>8}{'wanted':>8}  ok")
    for row in rows:
        print(
            f"{row['case']:<34}{row['bare_us']:>10.1f}{row['client_us']:>11.1f}"
            f"{row['ratio']:>8.2f}{WANTED:>8.2f}  {'yes' if row['ok'] else 'NO'}"
        )
    return 0 if all(row["ok"] for row in rows) else 1


def plot(rows: list[dict[str, Any]]) -> None:
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 2.2), layout="constrained")
    bars = axes.barh([row["case"] for row in rows], [row["ratio"] for row in rows])
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.axvline(WANTED, linestyle=":", color="black")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("client CPU, times a bare grpc call")
    figure.savefig(RESULT.with_suffix(".png"), dpi=110)


def measure(address: str) -> list[dict[str, Any]]:
    with Client(address) as client, grpc.insecure_channel(address) as channel:
        cases = [
            encode_case(client, channel, 1, calls=400),
            encode_case(client, channel, 64, calls=200),
            stream_case(client, channel, documents=8 * CHUNK),
        ]
        return [compared(*case) for case in cases]


Case = tuple[str, int, Callable[[], object], Callable[[], object]]


def encode_case(client: Client, channel: grpc.Channel, texts: int, *, calls: int) -> Case:
    words = [f"how do I train dog number {number} for agility?" for number in range(texts)]
    request = encoder_pb2.EncodeRequest(texts=words).SerializeToString()
    call = channel.unary_unary("/spladed.v1.Encoder/Encode")

    def bare() -> None:
        for _ in range(calls):
            call(request, timeout=10)

    def ours() -> None:
        for _ in range(calls):
            client.encode(words)

    return f"Encode, {texts} texts, per call", calls, bare, ours


def stream_case(client: Client, channel: grpc.Channel, *, documents: int) -> Case:
    work = [Document(str(number), f"document {number} " * 20) for number in range(documents)]
    call = channel.stream_stream("/spladed.v1.Index/UpsertStream")

    def bare() -> None:
        """The same messages; a user of bare grpc makes them from the same documents."""
        for _ in call(made(), timeout=10):
            pass

    def made() -> Iterator[bytes]:
        for start in range(0, documents, CHUNK):
            part = work[start : start + CHUNK]
            yield index_pb2.UpsertStreamRequest(
                sequence=start // CHUNK,
                request=index_pb2.UpsertRequest(
                    collection="x",
                    documents=[index_pb2.Document(id=each.id, text=each.text) for each in part],
                ),
            ).SerializeToString()

    def ours() -> None:
        client.upsert_many("x", work, size=ChunkSize(items=CHUNK))

    return f"UpsertStream, chunks of {CHUNK}, per document", documents, bare, ours


def compared(
    case: str, count: int, bare: Callable[[], object], ours: Callable[[], object]
) -> dict[str, Any]:
    """CPU microseconds of both, passes interleaved; the ratio is of the medians."""
    bare(), ours()
    taken: dict[str, list[float]] = {"bare": [], "client": []}
    for _ in range(PASSES):
        for name, run in (("bare", bare), ("client", ours)):
            started = time.process_time()
            run()
            taken[name].append((time.process_time() - started) / count * 1e6)
    bare_us, client_us = (statistics.median(taken[name]) for name in ("bare", "client"))
    return {
        "case": case,
        "bare_us": bare_us,
        "client_us": client_us,
        "bare_min_us": min(taken["bare"]),
        "client_min_us": min(taken["client"]),
        "ratio": client_us / bare_us,
        "ok": client_us / bare_us <= WANTED,
    }


def stub() -> None:
    """Answers Encode with rows of 150 terms, and each chunk with an acknowledgement."""
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
    rows = {count: canned(count) for count in (1, 64)}

    def encode(raw: bytes, _: grpc.ServicerContext) -> bytes:
        return rows[len(encoder_pb2.EncodeRequest.FromString(raw).texts)]

    def upsert(chunks: Iterator[bytes], _: grpc.ServicerContext) -> Iterator[bytes]:
        for raw in chunks:
            sequence = index_pb2.UpsertStreamRequest.FromString(raw).sequence
            answer = index_pb2.UpsertResponse(generation=1, token_counts=[40] * CHUNK)
            yield index_pb2.UpsertStreamResponse(
                sequence=sequence, response=answer
            ).SerializeToString()

    encoder = {"Encode": grpc.unary_unary_rpc_method_handler(encode)}
    index = {"UpsertStream": grpc.stream_stream_rpc_method_handler(upsert)}
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler("spladed.v1.Encoder", encoder),
            grpc.method_handlers_generic_handler("spladed.v1.Index", index),
        )
    )
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()  # until the bench ends


def canned(count: int) -> bytes:
    random = np.random.default_rng(0)
    rows = [
        (np.sort(random.choice(30_522, TERMS, replace=False)), random.random(TERMS) + 0.1)
        for _ in range(count)
    ]
    return view.EncodeResponse(
        vectors=write_batch(SparseBatch.from_rows(30_522, rows)),
        token_counts=[12] * count,
        truncated=[False] * count,
        space_id="sp-0",
        bundle_id="bu-0",
    ).SerializeToString()


if __name__ == "__main__":
    if sys.argv[1:] == ["stub"]:
        stub()
    else:
        sys.exit(main())
