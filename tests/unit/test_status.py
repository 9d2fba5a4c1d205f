from __future__ import annotations

import grpc
import pytest
from google.rpc import status_pb2

from spladed import errors
from spladed.rpc.status import TABLE, from_status, message_of, to_code, to_status, trailers


def leaves(cls: type[errors.SpladedError]) -> set[type[errors.SpladedError]]:
    below = cls.__subclasses__()
    return {leaf for each in below for leaf in leaves(each)} if below else {cls}


def test_the_table_has_every_leaf_of_the_error_tree_and_no_status_twice() -> None:
    assert {cls for cls, _ in TABLE} == leaves(errors.SpladedError)
    assert len({code for _, code in TABLE}) == len(TABLE)


@pytest.mark.parametrize(("cls", "code"), TABLE)
def test_an_error_comes_back_as_it_was(
    cls: type[errors.SpladedError], code: grpc.StatusCode
) -> None:
    sent = cls("what and why", reason="REASON", field="a.b[1]", retry_after_seconds=1.5)
    assert to_code(sent) is code
    got = from_status(to_status(sent))
    assert type(got) is cls
    assert (got.message, got.reason, got.field, got.retry_after_seconds) == (
        "what and why",
        "REASON",
        "a.b[1]",
        1.5,
    )


def test_a_status_of_somebody_else_is_named_by_its_code() -> None:
    got = from_status(status_pb2.Status(code=14, message="connection refused"))
    assert type(got) is errors.Unavailable
    assert got.reason == "GRPC_UNAVAILABLE"
    assert type(from_status(status_pb2.Status(code=2))) is errors.Internal


def test_waiting_is_told_to_the_retries_inside_grpc() -> None:
    error = errors.Exhausted("full", reason="QUEUE_FULL", retry_after_seconds=0.25)
    assert dict(trailers(error))["grpc-retry-pushback-ms"] == "250"
    assert len(trailers(errors.NotFound("no", reason="X"))) == 1


def test_a_long_message_is_cut_to_what_trailers_carry() -> None:
    for text in ("x" * 100_000, "ж" * 100_000, "\udcff" * 10_000, "\U0001f98a" * 9_999):
        error = errors.InvalidInput(text, reason="R", field=text)
        message = message_of(error)
        assert len(message.encode()) <= 1_024
        assert message.endswith("...")
        carried = sum(len(name) + len(value) * 4 // 3 for name, value in trailers(error))
        assert carried + 3 * len(message.encode()) < 8_000
        assert from_status(to_status(error)).message == message
    assert message_of(errors.InvalidInput("as it is ж", reason="R")) == "as it is ж"
