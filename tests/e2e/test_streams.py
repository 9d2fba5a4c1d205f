"""Streams over a real socket: order, errors in the middle, back-pressure, and every end."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from spladed import errors
from spladed.client.client import Client
from spladed.rpc.status import from_call
from spladed.v1 import admin_pb2, encoder_pb2
from spladed.v1 import index_pb2 as pb
from tests.conftest import ServerProcess
from tests.e2e.stubs import SECONDS, Stubs, ended, ids_of, told

Start = Callable[..., ServerProcess]
DENSE = "dog river house music war doctor football church algebra volcano poem railway"


@pytest.fixture(scope="module")
def stubs(server: ServerProcess) -> Iterator[Stubs]:
    with Stubs(server) as stubs:
        yield stubs


def encode_chunk(sequence: int, *texts: str) -> encoder_pb2.EncodeStreamRequest:
    return encoder_pb2.EncodeStreamRequest(
        sequence=sequence, request=encoder_pb2.EncodeRequest(texts=texts)
    )


def upsert_chunk(
    collection: str, sequence: int, texts: dict[str, str], **options: Any
) -> pb.UpsertStreamRequest:
    documents = [pb.Document(id=id, text=text) for id, text in texts.items()]
    request = pb.UpsertRequest(collection=collection, documents=documents, **options)
    return pb.UpsertStreamRequest(sequence=sequence, request=request)


def test_encoding_is_answered_in_the_order_sent(stubs: Stubs, client: Client) -> None:
    texts = [["dog " * (300 if number % 3 == 0 else 2), f"river {number}"] for number in range(30)]
    chunks = [encode_chunk(900 - number, *each) for number, each in enumerate(texts)]
    replies = list(stubs.encoder.EncodeStream(iter(chunks), timeout=SECONDS))
    assert [reply.sequence for reply in replies] == [chunk.sequence for chunk in chunks]
    for reply, each in zip(replies, texts, strict=True):
        alone = client.encode(each)
        assert list(reply.response.vectors.indices) == alone.vectors.indices.tolist()
        np.testing.assert_allclose(reply.response.vectors.values, alone.vectors.values, atol=1e-5)
        assert list(reply.response.token_counts) == list(alone.token_counts)
        assert reply.response.space_id == alone.space_id


def test_a_stream_of_nothing_ends_well(stubs: Stubs) -> None:
    assert list(stubs.encoder.EncodeStream(iter([]), timeout=SECONDS)) == []
    assert list(stubs.index.UpsertStream(iter([]), timeout=SECONDS)) == []


def test_a_bad_chunk_is_told_and_the_stream_goes_on(stubs: Stubs) -> None:
    good = [encode_chunk(number, f"text {number}") for number in range(3)]
    unknown = encode_chunk(12, "x")
    unknown.request.options.bundle = "nobody"
    huge = encode_chunk(13, *["x" * 250_000] * 70)
    wide = encode_chunk(14, *[f"{n} rivers and {n} dogs by a house" for n in range(1024)] * 8)
    chunks = [good[0], encode_chunk(11, "a", ""), good[1], unknown, huge, wide, good[2]]
    replies = list(stubs.encoder.EncodeStream(iter(chunks), timeout=SECONDS))
    assert [reply.sequence for reply in replies] == [0, 11, 1, 12, 13, 14, 2]
    assert [reply.WhichOneof("result") for reply in replies] == [
        "response", "error", "response", "error", "error", "error", "response",
    ]  # fmt: skip
    assert [told(reply.error) for reply in replies if reply.HasField("error")] == [
        (errors.InvalidInput, "TEXT_EMPTY", "texts[1]"),
        (errors.NotFound, "BUNDLE_NOT_FOUND", "options.bundle"),
        (errors.Exhausted, "REQUEST_TOO_LARGE", ""),
        (errors.InvalidInput, "TOO_MANY_TEXTS", "texts"),
    ]


def test_nothing_of_a_bad_chunk_is_written(stubs: Stubs) -> None:
    name = stubs.create("stream-bad")
    chunks = [
        upsert_chunk(name, 1, {"a": "dog"}),
        upsert_chunk(name, 2, {"b": "dog", "c": " "}),
        upsert_chunk("nobody", 3, {"d": "dog"}),
        upsert_chunk(name, 4, {"e": "dog", "f": "river"}),
    ]
    replies = list(stubs.index.UpsertStream(iter(chunks), timeout=SECONDS))
    assert [reply.sequence for reply in replies] == [1, 2, 3, 4]
    assert told(replies[1].error) == (errors.InvalidInput, "TEXT_EMPTY", "documents[1].text")
    assert told(replies[2].error) == (errors.NotFound, "COLLECTION", "collection")
    assert list(replies[3].response.token_counts) == [3, 3]
    assert sorted(ids_of(stubs, name)) == ["a", "e", "f"]


def raw_stream(server: ServerProcess, method: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    with grpc.insecure_channel(server.target) as channel:
        yield from channel.stream_stream(f"/spladed.v1.{method}")(iter(chunks), timeout=SECONDS)


def test_bytes_that_are_no_chunk_end_the_stream_behind_what_came_before(
    server: ServerProcess, stubs: Stubs
) -> None:
    name = stubs.create("stream-malformed")
    good = [upsert_chunk(name, n, {str(n): f"text {n}"}).SerializeToString() for n in range(4)]
    replies = raw_stream(server, "Index/UpsertStream", [*good[:3], b"\xff\xff\xff", good[3]])
    answered = [pb.UpsertStreamResponse.FromString(next(replies)).sequence for _ in range(3)]
    error = ended(replies)
    assert answered == [0, 1, 2]
    assert (type(error), error.reason) == (errors.InvalidInput, "MALFORMED_REQUEST")
    assert sorted(ids_of(stubs, name)) == ["0", "1", "2"]


def test_of_one_id_the_chunk_sent_last_is_kept(stubs: Stubs) -> None:
    """Long texts first: their encoding would be overtaken."""
    name = stubs.create("stream-order")
    texts = ["dog " * (400 if number % 2 == 0 else 1) + str(number) for number in range(12)]
    chunks = [
        upsert_chunk(name, number, {"same": text, str(number): text})
        for number, text in enumerate(texts)
    ]
    replies = list(stubs.index.UpsertStream(iter(chunks), timeout=SECONDS))
    generations = [reply.response.generation for reply in replies]
    assert generations == sorted(set(generations))
    request = pb.GetRequest(collection=name, ids=["same"], projection=pb.Projection(text=True))
    assert stubs.index.Get(request, timeout=SECONDS).documents[0].text == texts[-1]


def resident_bytes(server: ServerProcess) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


# Field 15, which the contract has not, of 8 MiB: heavy to hold and quick to encode.
BALLAST = b"\x7a\x80\x80\x80\x04" + bytes(1 << 23)


def test_a_caller_that_does_not_read_is_not_read_from(server: ServerProcess) -> None:
    chunk = encode_chunk(0, *[DENSE] * 120).SerializeToString() + BALLAST
    chunks, sent = 22, []

    def send() -> Iterator[bytes]:
        for number in range(chunks):
            sent.append(number)
            yield chunk

    # A window of the caller's that does not grow, lest it takes all replies unread.
    with grpc.insecure_channel(server.target, options=[("grpc.http2.bdp_probe", 0)]) as channel:
        stream = channel.stream_stream("/spladed.v1.Encoder/EncodeStream")
        list(stream(iter([chunk] * 4), timeout=SECONDS))
        before, settled = resident_bytes(server), -1
        replies = stream(send(), timeout=SECONDS)
        while settled != len(sent):  # no longer moves
            settled = len(sent)
            time.sleep(1)
        grown = resident_bytes(server) - before
        assert settled < 16, "only what is in flight and in the transport's windows"
        assert grown < 140 << 20, "of 176 MiB that the caller has"
        assert len(list(replies)) == chunks


def test_a_full_encoder_makes_streams_wait_and_single_calls_fail(
    start_server: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPLADED_ENCODER_MAX_WAITING_TOKENS", "2000")
    with Stubs(start_server(data=False)) as stubs:
        outcomes: list[str | None] = []
        texts = ["dog " * 100] * 20

        def stream() -> None:
            chunks = (encode_chunk(number, *texts) for number in range(5))
            for reply in stubs.encoder.EncodeStream(chunks, timeout=SECONDS):
                outcomes.append(reply.WhichOneof("result"))

        streams = [threading.Thread(target=stream) for _ in range(3)]
        for each in streams:
            each.start()
        small = encoder_pb2.EncodeRequest(texts=["x"])
        singles = [answer_of(stubs.encoder.Encode, small) for _ in range(20)]
        for each in streams:
            each.join()
        assert outcomes == ["response"] * 15
        assert set(singles) <= {"", "QUEUE_FULL"}
        request = encoder_pb2.EncodeRequest(texts=texts)
        crowd = [stubs.encoder.Encode.future(request, timeout=SECONDS) for _ in range(20)]
        assert {reason_of(each) for each in crowd} == {"", "QUEUE_FULL"}


def answer_of(call: Any, request: Any) -> str:
    return reason_of(call.future(request, timeout=SECONDS))


def reason_of(future: Any) -> str:
    error = future.exception()
    return "" if error is None else from_call(error).reason


def test_a_caller_that_goes_away_leaves_nothing_behind(start_server: Start) -> None:
    server = start_server()
    with Stubs(server) as stubs:
        name = stubs.create("stream-gone")
        for round_number in range(5):
            texts = {str(n): "dog " * 200 for n in range(40)}
            chunks = (upsert_chunk(name, number, texts) for number in range(1000))
            replies = stubs.index.UpsertStream(chunks, timeout=SECONDS)
            if round_number % 2:
                next(replies)
            time.sleep(0.03 * (round_number % 4))
            replies.cancel()
        # The same ids: their turns in the order of admission must all be over.
        (reply,) = stubs.index.UpsertStream(
            iter([upsert_chunk(name, 7, dict.fromkeys(texts, "river"))]), timeout=SECONDS
        )
        assert reply.response.generation > 0
    began = time.monotonic()
    assert server.end(signal.SIGTERM) == 0
    assert time.monotonic() - began < 10, "no task of a stream that is gone holds the drain"
    for trouble in ("Traceback", "never retrieved", "was destroyed", "this is a bug"):
        assert trouble not in server.log_text()


class Feed:
    """Chunks as a caller makes them: when told to, until told to end."""

    def __init__(self) -> None:
        self._more = threading.Semaphore(0)
        self._chunks: list[Any] = []

    def send(self, chunk: Any) -> None:
        self._chunks.append(chunk)
        self._more.release()

    def __iter__(self) -> Feed:
        return self

    def __next__(self) -> Any:
        self._more.acquire()
        if not self._chunks:
            raise StopIteration
        return self._chunks.pop(0)

    def end(self) -> None:
        self._more.release()


@pytest.mark.parametrize("how", ["SIGTERM", "Drain"])
def test_a_draining_server_answers_what_it_read_and_ends_the_stream(
    start_server: Start, how: str
) -> None:
    server = start_server(data=False)
    with Stubs(server) as stubs:
        feed = Feed()
        replies = stubs.encoder.EncodeStream(feed, timeout=SECONDS)
        feed.send(encode_chunk(1, "a dog"))
        assert next(replies).sequence == 1
        if how == "Drain":
            stubs.admin.Drain(admin_pb2.DrainRequest(), timeout=SECONDS)
        else:
            server.process.send_signal(signal.SIGTERM)
        error = ended(replies)
        feed.end()
        assert (type(error), error.reason) == (errors.Unavailable, "SHUTTING_DOWN")
    assert server.process.wait(10) == 0, "an open stream does not hold the drain"


def test_every_chunk_acknowledged_before_kill_9_is_there(start_server: Start) -> None:
    server = start_server()
    acknowledged: set[int] = set()
    with Stubs(server) as stubs:
        name = stubs.create("stream-kill")
    for round_number in range(2):
        with Stubs(server) as stubs:
            stream_until_killed(server, stubs, name, acknowledged, round_number)
        server.start()
        with Stubs(server) as stubs:
            there = ids_of(stubs, name)
            assert len(there) == len(set(there))
            assert {f"{number}-{n}" for number in acknowledged for n in range(5)} <= set(there)
            assert len(there) % 5 == 0, "of a chunk in flight all or nothing"
    assert len(acknowledged) > 10


def stream_until_killed(
    server: ServerProcess, stubs: Stubs, name: str, acknowledged: set[int], round_number: int
) -> None:
    """Sends what is not yet acknowledged, five documents a chunk, and kills in the middle."""
    chunks = (
        upsert_chunk(name, number, {f"{number}-{n}": f"dog {n} river {number}" for n in range(5)})
        for number in range(100_000)
        if number not in acknowledged
    )
    replies = stubs.index.UpsertStream(chunks, timeout=SECONDS)
    enough = 10 * (round_number + 1)
    with pytest.raises(grpc.RpcError):
        for reply in replies:
            assert reply.HasField("response")
            acknowledged.add(reply.sequence)
            enough -= 1
            if enough == 0:
                server.process.send_signal(signal.SIGKILL)
    server.end(signal.SIGKILL)
