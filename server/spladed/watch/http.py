"""A small HTTP port for what collects and orchestrates; nothing of the contract is on it.

    /metrics    figures in Prometheus' form
    /healthz    200 while the process can answer at all
    /readyz     200 while it takes calls, else 503
    /version    versions as JSON

Standard library and threads of its own: a busy event loop does not keep a probe waiting.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from spladed.errors import Mismatch
from spladed.watch.metrics import CONTENT_TYPE, Metrics

__all__ = ["HttpPort"]

_SECONDS = 10.0  # for one request to be sent: slow readers and writers are hung up on
_TEXT, _JSON = "text/plain; charset=utf-8", "application/json"

_Answer = tuple[int, str, bytes]


class HttpPort:
    """Serves from its making until `close`. Raises Mismatch when the address cannot be had.

    is_ready: whether the server takes calls
    """

    def __init__(
        self,
        listen: str,
        metrics: Metrics,
        is_ready: Callable[[], bool],
        versions: Mapping[str, str],
    ) -> None:
        answers: dict[str, Callable[[], _Answer]] = {
            "/metrics": lambda: (200, CONTENT_TYPE, metrics.text()),
            "/healthz": lambda: (200, _TEXT, b"ok\n"),
            "/readyz": lambda: _readiness(is_ready()),
            "/version": lambda: (200, _JSON, json.dumps(dict(versions)).encode() + b"\n"),
        }
        host, _, port = listen.rpartition(":")
        try:
            self._server = _Server((host, int(port)), _handler(answers))
        except OSError as error:
            raise Mismatch(
                f"cannot listen on {listen}: {error.strerror}; choose another address for "
                "server.http_listen",
                reason="ADDRESS_IN_USE",
                field="server.http_listen",
            ) from error
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="spladed-http", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


def _readiness(ready: bool) -> _Answer:
    return (200, _TEXT, b"ready\n") if ready else (503, _TEXT, b"not ready\n")


def _handler(answers: Mapping[str, Callable[[], _Answer]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _SECONDS
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "spladed", ""

        def do_GET(self) -> None:  # the name that the base class calls
            path = self.path.partition("?")[0]
            known = answers.get(path)
            code, kind, body = known() if known else (404, _TEXT, b"no such path\n")
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Probes come every few seconds: they are not logged."""

    return Handler
