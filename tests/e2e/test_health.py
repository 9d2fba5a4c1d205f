"""grpc.health.v1 on the real server, for each service and over its whole life."""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Callable

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from spladed.rpc.status import from_call
from spladed.v1 import encoder_pb2, encoder_pb2_grpc
from tests.conftest import ServerProcess

Start = Callable[..., ServerProcess]

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
SERVICES = ("", "spladed.v1.Encoder", "spladed.v1.Index", "spladed.v1.Admin")


class Watching:
    """A Watch of one service, read on a thread."""

    def __init__(self, channel: grpc.Channel, service: str) -> None:
        stub = health_pb2_grpc.HealthStub(channel)
        self._call = stub.Watch(health_pb2.HealthCheckRequest(service=service), timeout=120)
        self._told: queue.Queue[object] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def next(self) -> object:
        """The next status, or the error that ended it."""
        return self._told.get(timeout=60)

    def _read(self) -> None:
        try:
            for reply in self._call:
                self._told.put(reply.status)
        except grpc.RpcError as error:
            self._told.put(from_call(error).reason)


def check(channel: grpc.Channel, service: str) -> object:
    stub = health_pb2_grpc.HealthStub(channel)
    return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status


def test_an_unknown_service_is_not_found_and_its_watch_stays(server: ServerProcess) -> None:
    with grpc.insecure_channel(server.target) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            check(channel, "spladed.v1.Nothing")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert Watching(channel, "spladed.v1.Nothing").next() == SERVICE_UNKNOWN


def test_a_server_of_encoders_alone_does_not_serve_the_index(start_server: Start) -> None:
    with grpc.insecure_channel(start_server(data=False).target) as channel:
        told = {service: check(channel, service) for service in SERVICES}
    assert told == dict.fromkeys(SERVICES, SERVING) | {"spladed.v1.Index": NOT_SERVING}


def test_every_watch_hears_of_a_drain_at_once_and_does_not_hold_it_up(start_server: Start) -> None:
    server = start_server("--drain-seconds", "60")
    with grpc.insecure_channel(server.target) as channel:
        watching = {service: Watching(channel, service) for service in SERVICES}
        assert [each.next() for each in watching.values()] == [SERVING] * 4
        # A call in hand keeps the server draining: it must hear of nothing but its answer.
        stub = encoder_pb2_grpc.EncoderStub(channel)
        texts = [f"{number} " + "a long text of many words " * 40 for number in range(256)]
        slow = stub.Encode.future(encoder_pb2.EncodeRequest(texts=texts), timeout=120)
        time.sleep(0.2)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert [each.next() for each in watching.values()] == [NOT_SERVING] * 4
        assert [each.next() for each in watching.values()] == ["SHUTTING_DOWN"] * 4
        assert not slow.done(), "the statuses came before the work was done"
        assert len(slow.result().token_counts) == 256
        assert server.process.wait(60) == 0
        assert time.monotonic() - began < 55, "nobody waited for the time to be up"
