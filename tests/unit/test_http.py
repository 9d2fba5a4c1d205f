"""The HTTP port: a few paths, each with its code, and nothing else."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from spladed.errors import Mismatch
from spladed.watch.http import HttpPort
from spladed.watch.metrics import Metrics


class Switch:
    def __init__(self) -> None:
        self.ready = False

    def __call__(self) -> bool:
        return self.ready


@pytest.fixture
def switch() -> Switch:
    return Switch()


@pytest.fixture
def port(switch: Switch) -> Iterator[HttpPort]:
    port = HttpPort("127.0.0.1:0", Metrics("1.2.3"), switch, {"spladed": "1.2.3"})
    yield port
    port.close()


def get(port: HttpPort, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port.port}{path}", timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_readiness_follows_the_server(port: HttpPort, switch: Switch) -> None:
    assert get(port, "/readyz") == (503, "not ready\n")
    switch.ready = True
    assert get(port, "/readyz?verbose") == (200, "ready\n")
    assert get(port, "/healthz") == (200, "ok\n")


def test_versions_and_figures(port: HttpPort) -> None:
    code, text = get(port, "/version")
    assert (code, json.loads(text)) == (200, {"spladed": "1.2.3"})
    code, text = get(port, "/metrics")
    assert code == 200
    assert 'spladed_build_info{version="1.2.3"} 1.0' in text
    assert "process_resident_memory_bytes" in text


@pytest.mark.parametrize("path", ["/", "/metrics/", "/../metrics", "/health"])
def test_other_paths_are_not_there(port: HttpPort, path: str) -> None:
    assert get(port, path) == (404, "no such path\n")


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"\x00\xff garbage\r\n\r\n", b"Error code: 400"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"HTTP/1.1 501"),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", b"HTTP/1.1 431"),
    ],
)
def test_what_is_no_request_is_refused_and_the_port_goes_on(
    port: HttpPort, sent: bytes, answered: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", port.port), timeout=10) as other:
        other.sendall(sent)
        assert answered in other.recv(4096)
    assert get(port, "/healthz")[0] == 200


def test_an_address_in_use_is_named(port: HttpPort) -> None:
    with pytest.raises(Mismatch, match=r"server\.http_listen") as caught:
        HttpPort(f"127.0.0.1:{port.port}", Metrics("1"), lambda: True, {})
    assert caught.value.reason == "ADDRESS_IN_USE"
