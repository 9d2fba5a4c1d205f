"""docs/service-config.json repeats what is safe to repeat, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from spladed.client.retry import Retry
from spladed.v1 import admin_pb2, encoder_pb2, index_pb2

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/service-config.json").read_text("utf-8")
CONFIG = json.loads(TEXT)
SERVICES = {
    service.full_name: [method.name for method in service.methods]
    for file in (encoder_pb2, index_pb2, admin_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
}


def idempotent() -> Iterator[tuple[str, str]]:
    """What the comments over the services say is safe to repeat."""
    text = "".join(file.read_text("utf-8") for file in (ROOT / "protos").rglob("*.proto"))
    for comment, name in re.findall(r"((?://.*\n)+)service (\w+) {", text):
        words = " ".join(comment.replace("//", " ").split())
        (exceptions,) = re.findall(r"every call(?: is idempotent|( but [^.]*))", words, re.I)
        unsafe = set(re.findall(r"\w+", exceptions))
        service = f"spladed.v1.{name}"
        yield from ((service, each) for each in SERVICES[service] if each not in unsafe)


def test_it_names_exactly_the_idempotent_methods() -> None:
    names = [(each["service"], each["method"]) for each in CONFIG["methodConfig"][0]["name"]]
    assert len(CONFIG["methodConfig"]) == 1
    assert sorted(names) == sorted(idempotent())
    assert len(names) == len(set(names)) == sum(map(len, SERVICES.values())) - 3


def test_its_waits_are_those_of_the_python_client() -> None:
    policy, retry = CONFIG["methodConfig"][0]["retryPolicy"], Retry()
    assert policy == {
        "maxAttempts": retry.attempts,
        "initialBackoff": f"{retry.first_seconds:g}s",
        "maxBackoff": f"{retry.longest_seconds:g}s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }


class Away(grpc.GenericRpcHandler):
    """Answers a method's first `failures` calls with UNAVAILABLE, and counts all of them."""

    def __init__(self, failures: int) -> None:
        self.calls: dict[str, int] = {}
        self._failures = failures

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        method = details.method

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            self.calls[method] = self.calls.get(method, 0) + 1
            if self.calls[method] <= self._failures:
                context.abort(grpc.StatusCode.UNAVAILABLE, "away")
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)


@contextmanager
def serving(handler: grpc.GenericRpcHandler) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(4), handlers=[handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@pytest.mark.parametrize(
    ("method", "repeated"),
    [
        ("/spladed.v1.Encoder/Encode", True),
        ("/spladed.v1.Index/Upsert", True),
        ("/spladed.v1.Admin/Flush", True),
        ("/spladed.v1.Admin/Backup", False),
        ("/spladed.v1.Index/CreateCollection", False),
        ("/spladed.v1.Index/DeleteCollection", False),
    ],
)
def test_grpc_takes_it(method: str, repeated: bool) -> None:
    away = Away(failures=2)
    options = [("grpc.service_config", TEXT)]
    with serving(away) as target, grpc.insecure_channel(target, options) as channel:
        call = channel.unary_unary(method)
        if repeated:
            assert call(b"", timeout=10) == b""
        else:
            with pytest.raises(grpc.RpcError, match="away"):
                call(b"", timeout=10)
    assert away.calls == {method: 3 if repeated else 1}


@pytest.mark.parametrize(("buffer", "calls"), [(None, 1), (16 << 20, 3)])
def test_a_large_request_is_repeated_only_by_a_channel_that_keeps_it(
    buffer: int | None, calls: int
) -> None:
    away, method = Away(failures=2), "/spladed.v1.Index/Upsert"
    options: list[tuple[str, Any]] = [("grpc.service_config", TEXT)]
    if buffer:
        options.append(("grpc.per_rpc_retry_buffer_size", buffer))
    with serving(away) as target, grpc.insecure_channel(target, options) as channel:
        future = channel.unary_unary(method).future(bytes(1_000_000), timeout=10)
        assert (future.code() is grpc.StatusCode.OK) == bool(buffer)
    assert away.calls == {method: calls}
