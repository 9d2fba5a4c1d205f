"""What a server's own work costs, beside a bare echo of the same bytes.

    python bench/serve_cost.py [--passes N]

Two servers in processes of their own, on one core: ours with its defaults (deadlines, limits,
figures) and a model that answers at once, and a bare grpc.aio server on uvloop that returns canned
bytes. A third process, on the other core, keeps 512 calls in flight, with one text each, or calls
of 64 texts. Passes take turns; counted is the processor time of the server's process, all
threads, per call. Once more with an API key. Writes JSON and a plot; exits 1 if a target of
targets.toml is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import numpy as np
from client_cost import canned
from machine import target
from report import RESULTS, Verdict, conclude, surroundings, write

from spladed.sparse import SparseBatch
from spladed.v1 import encoder_pb2

PASSES = 7
TERMS = 150
SERVER_CORE, CALLER_CORE = 0, 1
START_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Case:
    """texts of a call, calls in flight, calls of a pass."""

    name: str
    texts: int
    in_flight: int
    calls: int
    wanted: float


CASES = (
    Case("one text, 512 in flight", 1, 512, 6_000, target("serve_cost", "one_times_echo")),
    Case("64 texts, 8 in flight", 64, 8, 1_200, target("serve_cost", "batch_times_echo")),
)


class Server:
    """A server in a process of its own, pinned to its core."""

    def __init__(self, verb: str, scratch: Path, *arguments: str) -> None:
        port = scratch / f"{verb}-{len(arguments)}.port"
        command = [sys.executable, __file__, verb, str(port), *arguments]
        self.process = subprocess.Popen(command)
        os.sched_setaffinity(self.process.pid, {SERVER_CORE})
        deadline = time.monotonic() + START_SECONDS
        while not port.exists():
            assert self.process.poll() is None and time.monotonic() < deadline, "no server"
            time.sleep(0.05)
        self.target = f"127.0.0.1:{port.read_text().strip()}"

    def cpu_seconds(self) -> float:
        """Of all its threads: what schedstat says, in nanoseconds."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((each / "schedstat").read_text().split()[0]) for each in tasks) / 1e9


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passes", type=int, default=PASSES)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {CALLER_CORE})
    rows = []
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as running:
        keys, key = made_keys(Path(scratch))
        servers = {
            "echo": running.enter_context(ended("echo", Path(scratch))),
            "spladed": running.enter_context(ended("ours", Path(scratch))),
            "with an API key": running.enter_context(ended("ours", Path(scratch), str(keys))),
        }
        for case in CASES:
            taken = asyncio.run(measured(servers, case, arguments.passes, key))
            rows.append(row_of(case, taken))
            tell(rows[-1])
    write(arguments.results / "serve_cost.json", {"machine": surroundings(), "rows": rows})
    plot(rows, arguments.results / "serve_cost.png")
    return conclude(
        [Verdict(f"{row['case']}: times echo", row["ratio"], row["wanted"], "x") for row in rows]
    )


@contextmanager
def ended(verb: str, scratch: Path, *arguments: str) -> Iterator[Server]:
    server = Server(verb, scratch, *arguments)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


def made_keys(scratch: Path) -> tuple[Path, str]:
    """A file of keys, and the one in it."""
    command = [sys.executable, "-c", "from spladed.cli import main; main()"]
    made = subprocess.run([*command, "key", "new", "bench", "--scope", "read"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    path = scratch / "keys.toml"
    path.write_text(made.stdout)
    path.chmod(0o600)
    return path, made.stderr.split()[-1]


async def measured(
    servers: dict[str, Server], case: Case, passes: int, key: str
) -> dict[str, list[float]]:
    """Microseconds of processor time a call, of each server, passes interleaved."""
    texts = [f"how do I train dog number {number} for agility?" for number in range(case.texts)]
    request = encoder_pb2.EncodeRequest(texts=texts).SerializeToString()
    taken: dict[str, list[float]] = {name: [] for name in servers}
    for number in range(passes + 1):
        for name, server in servers.items():
            before = server.cpu_seconds()
            await called(server.target, request, case, key if name == "with an API key" else "")
            if number:  # the first warms both
                taken[name].append((server.cpu_seconds() - before) / case.calls * 1e6)
    return taken


async def called(address: str, request: bytes, case: Case, key: str) -> None:
    """So many calls, so many at a time; each has a deadline, as a careful client's has."""
    metadata = (("authorization", f"Bearer {key}"),) if key else None
    left = iter(range(case.calls))
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary("/spladed.v1.Encoder/Encode")

        async def caller() -> None:
            for _ in left:
                await call(request, timeout=60, metadata=metadata)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(case.in_flight):
                tasks.create_task(caller())


def row_of(case: Case, taken: dict[str, list[float]]) -> dict[str, Any]:
    medians = {name: statistics.median(each) for name, each in taken.items()}
    return {
        "case": case.name,
        "us": medians,
        "us_min": {name: min(each) for name, each in taken.items()},
        "ratio": medians["spladed"] / medians["echo"],
        "ratio_with_key": medians["with an API key"] / medians["echo"],
        "wanted": case.wanted,
    }


def tell(row: dict[str, Any]) -> None:
    figures = ", ".join(f"{name} {value:.0f} us" for name, value in row["us"].items())
    print(f"{row['case']}: {figures}; {row['ratio']:.2f} times the echo", flush=True)


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(rows), figsize=(8, 2.2), layout="constrained")
    for axes, row in zip(panels, rows, strict=True):
        bars = axes.barh(list(row["us"]), list(row["us"].values()))
        axes.bar_label(bars, fmt="%.0f", padding=3)
        axes.axvline(row["us"]["echo"] * row["wanted"], linestyle=":", color="black")
        axes.set_title(f"{row['case']}, us a call", fontsize=9)
        axes.margins(x=0.15)
    figure.savefig(path, dpi=110)


def echo(port_file: str) -> None:
    """Answers with canned rows, without looking at the request."""
    import uvloop

    replies = {count: canned(count) for count in (1, 64)}

    async def serve() -> None:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])

        async def answer(raw: bytes, _: Any) -> bytes:
            return replies[1] if len(raw) < 500 else replies[64]

        methods = {"Encode": grpc.unary_unary_rpc_method_handler(answer)}
        handler = grpc.method_handlers_generic_handler("spladed.v1.Encoder", methods)
        server.add_generic_rpc_handlers((handler,))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        Path(port_file).write_text(str(port))
        await server.wait_for_termination()

    uvloop.run(serve())


def ours(port_file: str, keys: str = "") -> None:
    """The real server; once it is ready its model answers at once, with as many terms."""
    from spladed import app, ort
    from spladed.config import load_config

    run, rows = ort.Session.run, {}

    def stub(self: ort.Session, ids: Any, mask: Any) -> SparseBatch:
        if not Path(port_file).exists():
            return run(self, ids, mask)
        if len(ids) not in rows:
            terms = np.arange(TERMS, dtype=np.int32) * 200
            one = (terms, np.linspace(0.1, 2, TERMS, dtype=np.float32))
            rows[len(ids)] = SparseBatch.from_rows(self.dimension, [one] * len(ids))
        return rows[len(ids)]

    ort.Session.run = stub  # type: ignore[method-assign]
    flags = {
        "server.listen": "127.0.0.1:0",
        "server.port_file": port_file,
        "server.http_listen": "127.0.0.1:0",
        "server.log_level": "error",
        "security.api_keys": keys,
        "encoder.threads": 1,
    }
    app.serve(load_config(flags=flags, environment={}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["echo"]:
        echo(sys.argv[2])
    elif sys.argv[1:2] == ["ours"]:
        ours(*sys.argv[2:])
    else:
        sys.exit(main())
