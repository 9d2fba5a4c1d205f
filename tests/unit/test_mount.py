"""What a service that fails lets out, over a real socket: a code, a reason, nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.descriptor import MethodDescriptor

from spladed.errors import (
    Corrupt,
    DeadlineExceeded,
    Exhausted,
    Internal,
    SpladedError,
    Unimplemented,
)
from spladed.rpc.chunks import OpenStreams
from spladed.rpc.gate import Gate
from spladed.rpc.method import Method
from spladed.rpc.mount import mount
from spladed.rpc.outside import redaction
from spladed.rpc.status import from_call, from_status
from spladed.settings import Limits
from spladed.v1 import admin_pb2, encoder_pb2, index_pb2

SECRET = "spladed_hunter2"
FAILURES: dict[str, Callable[[], BaseException]] = {
    "a bug": lambda: ValueError(f"{SECRET} in /srv/data/notes"),
    "a failing disk": lambda: OSError(5, SECRET, "/srv/data/notes/catalog"),
    "a timeout": lambda: TimeoutError(SECRET),
    "an assertion": lambda: AssertionError(SECRET),
    "a cause": lambda: Corrupt("/srv/data/notes/catalog is gone", reason="CATALOG_MISSING"),
    "a full disk": lambda: Exhausted("full at /srv/data/x/y", reason="DISK_FULL"),
}
METHODS = [
    method
    for file in (encoder_pb2, index_pb2, admin_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]


class Failing:
    """Every method of every service, raising."""

    def __init__(self, failure: Callable[[], BaseException]) -> None:
        self._failure = failure

    def __getattr__(self, name: str) -> Any:
        async def fail(_: object) -> None:
            raise self._failure()

        async def fail_streaming(_: object) -> AsyncIterator[None]:
            raise self._failure()
            yield

        return fail_streaming if name == "scan" else fail


class Server:
    """The contract on a port, with `service` behind each method."""

    def __init__(self, service: object, limits: Limits) -> None:
        self._service = service
        self._limits = limits

    async def __aenter__(self) -> grpc.aio.Channel:
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        said = redaction(["/srv/data"])

        def method_of(descriptor: MethodDescriptor) -> Method:
            return Method(descriptor, self._limits, said)

        for file in (encoder_pb2, index_pb2, admin_pb2):
            for contract in file.DESCRIPTOR.services_by_name.values():
                mount(self._server, contract, self._service, method_of, gate=Gate(None),
                      streams=OpenStreams())  # fmt: skip
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
        return self._channel

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()
        await self._server.stop(None)


async def said_by(channel: grpc.aio.Channel, method: MethodDescriptor) -> tuple[SpladedError, str]:
    """The error of a call with an empty request, and every byte that came with it."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    try:
        if method.client_streaming:
            call = channel.stream_stream(path)(iter([b""]), timeout=30)
            raw = b"".join([reply async for reply in call])
            reply = getattr(
                encoder_pb2 if "Encode" in method.name else index_pb2, method.output_type.name
            ).FromString(raw)
            return from_status(reply.error), repr(raw)
        if method.server_streaming:
            async for _ in channel.unary_stream(path)(b"", timeout=30):
                pass
        else:
            await channel.unary_unary(path)(b"", timeout=30)
    except grpc.aio.AioRpcError as error:
        everything = (error.details(), list(error.trailing_metadata()), error.debug_error_string())
        return from_call(error), repr(everything)
    raise AssertionError(f"{method.full_name} did not fail")


@pytest.mark.parametrize("case", FAILURES)
def test_no_text_path_or_secret_of_a_failure_gets_out(
    case: str, caplog: pytest.LogCaptureFixture
) -> None:
    raised = FAILURES[case]()

    async def run() -> None:
        async with Server(Failing(FAILURES[case]), Limits()) as channel:
            for method in METHODS:
                error, everything = await said_by(channel, method)
                assert SECRET not in everything
                assert "/srv" not in everything
                assert "Error" not in error.message
                if isinstance(raised, SpladedError):
                    assert (type(error), error.reason) == (type(raised), raised.reason)
                else:
                    assert (type(error), error.reason) == (Internal, "BUG")

    with caplog.at_level(logging.ERROR):
        asyncio.run(run())
    assert "/srv/data" in caplog.text or SECRET in caplog.text, "the operator reads it all"


class Slow:
    """Methods that never end, and note that they were cancelled."""

    def __init__(self) -> None:
        self.cancelled: list[str] = []

    def __getattr__(self, name: str) -> Any:
        async def sleep(_: object) -> None:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                self.cancelled.append(name)
                raise

        return sleep


LIMITS = replace(Limits(), default_deadline_seconds=1.0)


def test_a_call_without_a_deadline_is_cancelled_when_the_servers_is_over() -> None:
    service = Slow()

    async def run() -> SpladedError:
        async with Server(service, LIMITS) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary("/spladed.v1.Encoder/Encode")(b"")
            return from_call(caught.value)

    error = asyncio.run(run())
    assert (type(error), error.reason) == (DeadlineExceeded, "DEFAULT_DEADLINE")
    assert service.cancelled == ["encode"]


@pytest.mark.parametrize(
    ("path", "options"),
    [("Encoder/Encode", {"timeout": 3}), ("Admin/Compact", {}), ("Admin/Backup", {})],
)
def test_calls_with_a_deadline_and_long_work_go_on(path: str, options: dict[str, float]) -> None:
    service = Slow()

    async def run() -> None:
        async with Server(service, LIMITS) as channel:
            call = channel.unary_unary(f"/spladed.v1.{path}")(b"", **options)
            done, _ = await asyncio.wait([asyncio.ensure_future(call.code())], timeout=2)
            assert not done
            assert service.cancelled == []
            call.cancel()

    asyncio.run(run())


def test_a_method_that_is_not_built_says_so() -> None:
    async def run() -> None:
        async with Server(object(), Limits()) as channel:
            for method in METHODS:
                if not method.client_streaming:
                    error, _ = await said_by(channel, method)
                    assert (type(error), error.reason) == (Unimplemented, "NOT_BUILT")
                    assert method.full_name in error.message

    asyncio.run(run())
