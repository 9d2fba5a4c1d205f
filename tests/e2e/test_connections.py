"""What peers' connections may cost, on the real server over real sockets."""

from __future__ import annotations

import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from spladed import errors
from spladed.client.client import Client
from spladed.client.outbox import ChunkSize
from spladed.client.values import Document
from spladed.rpc.status import from_call
from spladed.v1 import encoder_pb2, encoder_pb2_grpc, index_pb2
from tests.conftest import ServerProcess
from tests.e2e.stubs import SECONDS, Stubs

Start = Callable[..., ServerProcess]

CONFIG = """
[connections]
max_connections = 20
max_metadata_bytes = 4096
handshake_seconds = 1.0
ping_seconds = 0.5
ping_timeout_seconds = 1.0
max_idle_seconds = 2.0
[limits]
default_deadline_seconds = 1.0
"""


@pytest.fixture(scope="module")
def strict(start_server: Start, tmp_path_factory: pytest.TempPathFactory) -> ServerProcess:
    file = tmp_path_factory.mktemp("strict") / "spladed.toml"
    file.write_text(CONFIG)
    return start_server("--config", str(file))


@pytest.fixture(scope="module")
def small(start_server: Start, tmp_path_factory: pytest.TempPathFactory) -> ServerProcess:
    file = tmp_path_factory.mktemp("small") / "spladed.toml"
    file.write_text("[connections]\nmax_connections = 20\nmin_ping_seconds = 1\n")
    return start_server("--config", str(file), data=False)


@pytest.fixture
def peer(strict: ServerProcess) -> Iterator[socket.socket]:
    host, _, port = strict.target.rpartition(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.settimeout(20)
        yield connection


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)  # and no settings


def closed_after(peer: socket.socket) -> float:
    """Seconds until the server closes."""
    began = time.monotonic()
    while True:
        try:
            if not peer.recv(65_536):
                break
        except ConnectionResetError:
            break
    return time.monotonic() - began


@pytest.mark.parametrize("sent", [b"", PREFACE[:10]], ids=["nothing", "half a preface"])
def test_who_does_not_speak_is_let_go(peer: socket.socket, sent: bytes) -> None:
    peer.sendall(sent)
    assert closed_after(peer) < 10


def test_who_does_not_answer_pings_is_let_go(peer: socket.socket) -> None:
    peer.sendall(PREFACE)
    assert closed_after(peer) < 10


def test_who_speaks_another_protocol_is_let_go(peer: socket.socket, strict: ServerProcess) -> None:
    peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
    assert closed_after(peer) < 10
    assert strict.process.poll() is None


def test_metadata_over_the_limit_is_refused_and_below_is_not(strict: ServerProcess) -> None:
    with grpc.insecure_channel(strict.target) as channel:
        stub = encoder_pb2_grpc.EncoderStub(channel)
        request = encoder_pb2.GetInfoRequest()
        assert stub.GetInfo(request, metadata=[("x", "a" * 3_000)], timeout=10).version
        for pairs in ([("x", "a" * 5_000)], [(f"x{n}", "a" * 50) for n in range(100)]):
            with pytest.raises(grpc.RpcError) as caught:
                stub.GetInfo(request, metadata=pairs, timeout=10)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert stub.GetInfo(request, timeout=10).version


def test_further_connections_are_closed_and_those_that_stand_are_served(
    small: ServerProcess,
) -> None:
    host, _, port = small.target.rpartition(":")
    with Client(small.target, timeout_seconds=10) as client:
        assert client.info().version
        peers = [socket.create_connection((host, int(port)), 10) for _ in range(60)]
        for each in peers:
            each.sendall(PREFACE)
        time.sleep(1)
        assert client.info().version
        assert sum(is_open(each) for each in peers) < 20
        for each in peers:
            each.close()
        time.sleep(0.5)
        with Client(small.target, timeout_seconds=20) as late:
            assert late.info().version


def test_a_server_out_of_descriptors_serves_who_is_there_and_then_others(
    start_server: Start,
) -> None:
    server = start_server(data=False)
    host, _, port = server.target.rpartition(":")
    pid = server.process.pid
    with Client(server.target, timeout_seconds=20) as client:
        assert client.info().version
        few = len(list(Path(f"/proc/{pid}/fd").iterdir())) + 10
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE, (few, few))
        assert before[0] == before[1], "it took all that it may"
        peers = [socket.create_connection((host, int(port)), 10) for _ in range(50)]
        time.sleep(1.5)
        assert client.info().version
        for each in peers:
            each.close()
        with Client(server.target, timeout_seconds=20) as late:
            assert late.info().version
    assert server.end(signal.SIGTERM) == 0


def is_open(peer: socket.socket) -> bool:
    peer.setblocking(False)
    try:
        while data := peer.recv(65_536):
            pass
        return bool(data)
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


def test_clients_that_ping_as_often_as_they_may_are_borne_with(small: ServerProcess) -> None:
    """Else the server hangs up after the third: "too many pings"."""
    options = [
        ("grpc.keepalive_time_ms", 1_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    states: list[grpc.ChannelConnectivity] = []
    with grpc.insecure_channel(small.target, options) as channel:
        stub = encoder_pb2_grpc.EncoderStub(channel)
        stub.GetInfo(encoder_pb2.GetInfoRequest(), timeout=SECONDS)
        channel.subscribe(states.append)
        time.sleep(7)
        stub.GetInfo(encoder_pb2.GetInfoRequest(), timeout=SECONDS)
    assert set(states) == {grpc.ChannelConnectivity.READY}


def test_an_idle_client_comes_back_by_itself(strict: ServerProcess) -> None:
    states: list[grpc.ChannelConnectivity] = []
    with grpc.insecure_channel(strict.target) as channel:
        stub = encoder_pb2_grpc.EncoderStub(channel)
        stub.GetInfo(encoder_pb2.GetInfoRequest(), timeout=10)
        channel.subscribe(states.append)
        deadline = time.monotonic() + 20
        while grpc.ChannelConnectivity.IDLE not in states:
            assert time.monotonic() < deadline, states
            time.sleep(0.1)
        assert stub.GetInfo(encoder_pb2.GetInfoRequest(), timeout=10).version


def test_connections_that_end_of_age_lose_no_call_and_no_document(
    start_server: Start, tmp_path: Path
) -> None:
    """With the client's retries: a call that meets the end of its connection may be refused."""
    file = tmp_path / "spladed.toml"
    file.write_text("[connections]\nmax_age_seconds = 1\nmax_age_grace_seconds = 0.5\n")
    server = start_server("--config", str(file))
    until = time.monotonic() + 6

    def documents() -> Iterator[Document]:
        number = 0
        while time.monotonic() < until:
            yield Document(str(number), f"document {number}")
            time.sleep(0.01)
            number += 1

    with Client(server.target) as bulk, Client(server.target) as single:
        bulk.create_collection("aged")
        with ThreadPoolExecutor(1) as thread:
            upserting = thread.submit(bulk.upsert_many, "aged", documents(), size=ChunkSize(8))
            calls = 0
            while time.monotonic() < until:
                assert single.info().version
                calls += 1
            done = upserting.result()
        assert calls > 20
        assert (done.upserted > 50, list(done.failures)) == (True, [])
        assert bulk.collection("aged").documents == done.upserted


LONG = [f"{number} " + "a long text of many words " * 40 for number in range(1_000)]


def test_a_call_without_a_deadline_gets_one(strict: ServerProcess) -> None:
    with grpc.insecure_channel(strict.target) as channel:
        stub = encoder_pb2_grpc.EncoderStub(channel)
        began = time.monotonic()
        with pytest.raises(grpc.RpcError) as caught:
            stub.Encode(encoder_pb2.EncodeRequest(texts=LONG))
        error = from_call(caught.value)
        assert (type(error), error.reason) == (errors.DeadlineExceeded, "DEFAULT_DEADLINE")
        assert time.monotonic() - began < 5
        # What it had waiting was dropped: the next is not behind it.
        began = time.monotonic()
        assert stub.Encode(encoder_pb2.EncodeRequest(texts=["short"]), timeout=SECONDS)
        assert time.monotonic() - began < 5


def test_a_callers_own_deadline_goes_before_it(strict: ServerProcess) -> None:
    with grpc.insecure_channel(strict.target) as channel:
        stub = encoder_pb2_grpc.EncoderStub(channel)
        reply = stub.Encode(encoder_pb2.EncodeRequest(texts=LONG[:400]), timeout=SECONDS)
        assert len(reply.token_counts) == 400


def test_errors_quote_only_so_much_of_a_request(server: ServerProcess, client: Client) -> None:
    """Trailers over 8 KiB would reach clients as another error."""
    client.create_collection("quoted", dimension=4)
    name = "ж" * 50_000
    with Stubs(server) as stubs, pytest.raises(grpc.RpcError) as caught:
        request = index_pb2.DeleteByFilterRequest(
            collection="quoted",
            filter=index_pb2.Filter(exists=name),
        )
        stubs.index.DeleteByFilter(request, timeout=SECONDS)
    error = from_call(caught.value)
    assert (type(error), error.reason) == (errors.InvalidInput, "FIELD")
    assert "жжж" in error.message
    assert len(error.message.encode()) <= 1_024


def test_a_server_open_to_all_says_so(start_server: Start) -> None:
    server = start_server("--listen", "0.0.0.0:0", data=False)
    log = server.log_text()
    assert "without TLS" in log
    assert "without API keys" in log


def test_a_server_for_this_machine_has_nothing_to_say(server: ServerProcess) -> None:
    assert "WARNING" not in server.log_text()
