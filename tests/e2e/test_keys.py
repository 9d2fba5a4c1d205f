"""API keys on the real server: who may do what, how much, and until when."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from spladed import errors
from spladed.client.client import Client
from spladed.client.outbox import ChunkSize
from spladed.client.retry import Retry
from spladed.client.values import Document
from spladed.rpc.key_file import Key, Scope, digest, new_key, to_toml
from spladed.rpc.rules import RULES
from spladed.rpc.status import from_call
from spladed.sparse import SparseBatch
from spladed.v1 import admin_pb2, encoder_pb2, index_pb2
from tests.conftest import SPLADED, ServerProcess

Start = Callable[..., ServerProcess]

ONCE = Retry(attempts=1)
SECRETS: dict[str, str] = {}


def entry(name: str, *scopes: Scope, **limits: Any) -> str:
    secret = SECRETS.setdefault(name, new_key())
    return to_toml(Key(name, digest(secret), frozenset(scopes), **limits)) + "\n"


ENTRIES = (
    entry("reads", "read")
    + entry("writes", "write")
    + entry("operates", "admin")
    + entry("everything", "read", "write", "admin")
    + entry("slow", "read", texts_per_second=5.0)
    + entry("narrow", "read", max_in_flight=1)
    + entry("limited", "read", "write", "admin", max_in_flight=4)
    + entry("ingest", "write", texts_per_second=20.0)
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("keys") / "keys.toml"
    file.write_text(ENTRIES)
    return file


@pytest.fixture(scope="module")
def guarded(start_server: Start, keys: Path) -> ServerProcess:
    return start_server("--api-keys", str(keys))


@pytest.fixture(scope="module")
def everything(guarded: ServerProcess) -> Iterator[Client]:
    with Client(guarded.target, api_key=SECRETS["everything"]) as client:
        client.create_collection("guarded")
        client.upsert("guarded", [Document("fox", "The quick brown fox.")])
        yield client


METHODS = [
    method
    for file in (encoder_pb2, index_pb2, admin_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]


def call(server: ServerProcess, method: Any, secret: str | None) -> errors.SpladedError | None:
    """What a method of the contract says to an empty request with a key."""
    metadata = () if secret is None else (("authorization", f"Bearer {secret}"),)
    path = f"/{method.containing_service.full_name}/{method.name}"
    with grpc.insecure_channel(server.target) as channel:
        try:
            if method.client_streaming:
                list(channel.stream_stream(path)(iter([b""]), metadata=metadata, timeout=60))
            elif method.server_streaming:
                list(channel.unary_stream(path)(b"", metadata=metadata, timeout=60))
            else:
                channel.unary_unary(path)(b"", metadata=metadata, timeout=60)
        except grpc.RpcError as error:
            return from_call(error)
    return None


@pytest.mark.parametrize("path", ["Encoder/Encode", "Index/Scan"])
@pytest.mark.parametrize("name", ["", "narrow"])
def test_who_may_not_call_cannot_make_the_server_hold_requests(
    guarded: ServerProcess, name: str, path: str
) -> None:
    """Refused before they are read: of 30 with 15 MiB one may be there, with a key."""
    request = bytes(15 << 20)
    metadata = (("authorization", f"Bearer {SECRETS[name]}"),) if name else ()
    said = {"KEY_IN_FLIGHT", "MALFORMED_REQUEST"} if name else {"API_KEY_MISSING"}
    with grpc.insecure_channel(guarded.target) as channel:
        call = channel.stream_stream(f"/spladed.v1.{path}")
        before = peak_bytes(guarded)
        calls = [call(iter([request]), metadata=metadata, timeout=60) for _ in range(30)]
        for each in calls:
            with pytest.raises(grpc.RpcError) as caught:
                list(each)
            assert from_call(caught.value).reason in said
    assert peak_bytes(guarded) - before < 200 << 20, "of 450 MiB"


def peak_bytes(server: ServerProcess) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def test_a_limited_key_is_served_like_any_other(guarded: ServerProcess) -> None:
    with Client(guarded.target, api_key=SECRETS["limited"], retry=ONCE) as client:
        client.create_collection("limited", dimension=4)
        rows = SparseBatch.from_rows(4, [([1], [2.0]), ([2], [1.0])])
        client.upsert("limited", [Document("a", vector_row=0), Document("b", vector_row=1)],
                      vectors=rows)  # fmt: skip
        (page,) = client.scan("limited")
        assert [each.id for each in page.documents] == ["a", "b"]
        assert client.search("limited", vectors=rows.slice(0, 1)).hits[0][0].id == "a"
        with pytest.raises(errors.NotFound):
            client.stats("nothing")


def test_a_call_without_a_request_is_named(guarded: ServerProcess) -> None:
    metadata = (("authorization", f"Bearer {SECRETS['limited']}"),)
    with grpc.insecure_channel(guarded.target) as channel:
        for path in ("Encoder/GetInfo", "Index/Scan"):
            call = channel.stream_stream(f"/spladed.v1.{path}")(
                iter([]), metadata=metadata, timeout=60
            )
            with pytest.raises(grpc.RpcError) as caught:
                list(call)
            assert from_call(caught.value).reason == "MALFORMED_REQUEST"


DENIALS = ("API_KEY_MISSING", "API_KEY_UNKNOWN", "SCOPE")


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_method_asks_for_its_scope(guarded: ServerProcess, method: Any) -> None:
    for secret, reason in ((None, "API_KEY_MISSING"), ("spladed_no", "API_KEY_UNKNOWN")):
        error = call(guarded, method, secret)
        assert (type(error), getattr(error, "reason", "")) == (errors.Unauthenticated, reason)
    holders = {"read": "reads", "write": "writes", "admin": "operates"}
    for scope, name in holders.items():
        if scope == RULES[method.full_name].scope == "admin" and method.name == "Drain":
            continue  # it would do so
        error = call(guarded, method, SECRETS[name])
        if scope == RULES[method.full_name].scope:
            assert error is None or error.reason not in DENIALS
        else:
            assert type(error) is errors.Forbidden
            assert error.reason == "SCOPE"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic {}",
        "{}",
        "Bearer {}x",
        "Bearer x{}",
        "bearer  {}",
        "BEARER {}",
    ],
)
def test_the_header_is_read_as_the_protocol_has_it(guarded: ServerProcess, value: str) -> None:
    metadata = (("authorization", value.format(SECRETS["reads"])),)
    stub = grpc.insecure_channel(guarded.target)
    with stub as channel:
        get_info = channel.unary_unary("/spladed.v1.Encoder/GetInfo")
        if value.lower().replace(" ", "") == "bearer{}":
            assert get_info(b"", metadata=metadata, timeout=60)
            return
        with pytest.raises(grpc.RpcError) as caught:
            get_info(b"", metadata=metadata, timeout=60)
    assert type(from_call(caught.value)) is errors.Unauthenticated


def test_health_is_open_and_reflection_is_for_readers(guarded: ServerProcess) -> None:
    with grpc.insecure_channel(guarded.target) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        reply = health.Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")

        def ask(*metadata: tuple[str, str]) -> list[Any]:
            return list(stub.ServerReflectionInfo(iter([request]), metadata=metadata, timeout=10))

        with pytest.raises(grpc.RpcError) as caught:
            ask()
        assert from_call(caught.value).reason == "API_KEY_MISSING"
        with pytest.raises(grpc.RpcError) as caught:
            ask(("authorization", f"Bearer {SECRETS['writes']}"))
        assert from_call(caught.value).reason == "SCOPE"
        assert ask(("authorization", f"Bearer {SECRETS['reads']}"))


def test_texts_over_the_rate_are_refused_with_the_wait(
    guarded: ServerProcess, everything: Client
) -> None:
    with Client(guarded.target, api_key=SECRETS["slow"], retry=ONCE) as slow:
        slow.encode(["a text"] * 10)  # five of them are debt, paid in a second
        with pytest.raises(errors.Exhausted) as caught:
            slow.encode(["one more"])
        error = caught.value
        assert (error.reason, slow.info().version != "") == ("KEY_RATE", True)
        assert error.retry_after_seconds is not None
        assert 0.2 < error.retry_after_seconds <= 1.0
    with Client(guarded.target, api_key=SECRETS["slow"]) as patient:
        began = time.monotonic()
        patient.encode(["one more"])
        assert time.monotonic() - began > error.retry_after_seconds / 2, "it waited as told"
    everything.encode(["of another key"] * 10)


def test_the_wait_stands_in_the_trailers_too(guarded: ServerProcess) -> None:
    metadata = (("authorization", f"Bearer {SECRETS['slow']}"),)
    request = encoder_pb2.EncodeRequest(texts=["a"] * 100).SerializeToString()
    with grpc.insecure_channel(guarded.target) as channel:
        encode = channel.unary_unary("/spladed.v1.Encoder/Encode")
        with pytest.raises(grpc.RpcError) as caught:
            for _ in range(3):
                encode(request, metadata=metadata, timeout=60)
    trailers = dict(caught.value.trailing_metadata())
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    told = from_call(caught.value).retry_after_seconds
    assert told is not None
    assert int(trailers["grpc-retry-pushback-ms"]) == int(told * 1e3) > 0


def test_calls_over_those_in_flight_are_refused_and_room_comes_back(guarded: ServerProcess) -> None:
    metadata = (("authorization", f"Bearer {SECRETS['narrow']}"),)
    held = threading.Event()

    def requests() -> Iterator[bytes]:
        held.wait(60)
        yield from ()

    with grpc.insecure_channel(guarded.target) as channel:
        get_info = channel.unary_unary("/spladed.v1.Encoder/GetInfo")
        get_info(b"", metadata=metadata, timeout=60)
        stream = channel.stream_stream("/spladed.v1.Encoder/EncodeStream")(
            requests(), metadata=metadata, timeout=60
        )
        refused = None
        deadline = time.monotonic() + 30
        while refused is None and time.monotonic() < deadline:
            try:
                get_info(b"", metadata=metadata, timeout=60)
            except grpc.RpcError as error:
                refused = from_call(error)
        assert refused is not None
        assert (type(refused), refused.reason) == (errors.Exhausted, "KEY_IN_FLIGHT")
        assert refused.retry_after_seconds == pytest.approx(0.1)
        held.set()
        assert list(stream) == []
        get_info(b"", metadata=metadata, timeout=60)


def test_a_stream_over_the_rate_waits_and_loses_nothing(
    guarded: ServerProcess, everything: Client
) -> None:
    documents = [Document(f"s{number}", f"text {number}") for number in range(60)]
    with Client(guarded.target, api_key=SECRETS["ingest"]) as ingest:
        began = time.monotonic()
        done = ingest.upsert_many("guarded", documents, size=ChunkSize(items=10))
        seconds = time.monotonic() - began
    assert (done.upserted, list(done.failures)) == (60, [])
    assert seconds > 1.2, "60 texts, 20 at once, 20 a second, the last chunk in debt"
    assert len(everything.get("guarded", [each.id for each in documents]).documents) == 60


def test_keys_come_and_go_while_it_runs(guarded: ServerProcess, keys: Path) -> None:
    keys.write_text(ENTRIES + entry("late", "read"))
    with Client(guarded.target, api_key=SECRETS["late"], retry=ONCE) as late:
        until(lambda: allowed(late))
        keys.write_text("not TOML")
        time.sleep(1.1)  # the server looks once a second
        assert allowed(late)
        until(lambda: "what was read before holds" in guarded.log_text())
        keys.write_text(ENTRIES)
        until(lambda: not allowed(late))
    assert SECRETS["late"] not in guarded.log_text()


def test_a_withdrawn_key_ends_its_streams(guarded: ServerProcess, keys: Path) -> None:
    keys.write_text(ENTRIES + entry("going", "read"))
    metadata = (("authorization", f"Bearer {SECRETS['going']}"),)
    request = encoder_pb2.EncodeRequest(texts=["a text"])
    more = threading.Semaphore(1)

    def requests() -> Iterator[encoder_pb2.EncodeStreamRequest]:
        for number in range(1_000):
            more.acquire()
            yield encoder_pb2.EncodeStreamRequest(sequence=number, request=request)

    with Client(guarded.target, api_key=SECRETS["going"], retry=ONCE) as client:
        until(lambda: allowed(client))
    with grpc.insecure_channel(guarded.target) as channel:
        replies = channel.stream_stream(
            "/spladed.v1.Encoder/EncodeStream",
            request_serializer=encoder_pb2.EncodeStreamRequest.SerializeToString,
        )(requests(), metadata=metadata, timeout=60)
        next(replies)
        keys.write_text(ENTRIES)
        with pytest.raises(grpc.RpcError) as caught:
            while True:
                time.sleep(0.1)
                more.release()
                next(replies)
    assert from_call(caught.value).reason == "API_KEY_UNKNOWN"


def allowed(client: Client) -> bool:
    try:
        return bool(client.info().version)
    except errors.Unauthenticated:
        return False


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SPLADED, *words], capture_output=True, text=True, env=os.environ | environment
    )


def test_the_command_makes_a_key_that_the_server_takes(guarded: ServerProcess, keys: Path) -> None:
    made = run("key", "new", "by-hand", "--scope", "read", "--scope", "write")
    assert made.returncode == 0, made.stderr
    secret = made.stderr.split()[-1]
    assert secret not in made.stdout
    keys.write_text(ENTRIES + made.stdout)
    info = ("info", "--target", guarded.target)
    until(lambda: run(*info, SPLADED_API_KEY=secret).returncode == 0)
    pressed = ("bench", "encode", "--target", guarded.target, "--seconds", "0.5")
    assert run(*pressed, SPLADED_API_KEY=secret).returncode == 0
    keys.write_text(ENTRIES)
    missing = run(*info)
    assert (missing.returncode, "API_KEY_MISSING" in missing.stderr) == (2, True)


def test_a_command_on_a_folder_needs_no_key(tmp_path: Path, keys: Path) -> None:
    """Its own server does not take the environment's, which are for another."""
    ended = run("info", "--data", str(tmp_path), SPLADED_SECURITY_API_KEYS=str(keys))
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("words", [("a b", "--scope", "read"), ("a",), ("a", "--scope", "root")])
def test_a_key_that_cannot_be_is_refused(words: tuple[str, ...]) -> None:
    ended = run("key", "new", *words)
    assert (ended.returncode, ended.stdout) == (2, "")


def test_a_wrong_file_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text("[a]\nkey = 'secret-by-mistake'\n")
    for path in (file, tmp_path / "no.toml"):
        ended = run("serve", "--listen", "127.0.0.1:0", "--api-keys", str(path))
        assert (ended.returncode, str(path) in ended.stderr) == (2, True)
        assert "secret-by-mistake" not in ended.stderr
