"""A hub on the loopback: what snapshot_download asks of huggingface.co, answered from folders."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

COMMITS = ("a" * 40, "b" * 40)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that came in."""

    method: str
    path: str
    authorization: str | None


@dataclass(slots=True)
class Hub:
    """The repository owner/name. revisions: name -> commit; folders: commit -> files.

    refusal: status and X-Error-Code that its files are answered with, as a gated one's are
    """

    folders: Mapping[str, Path]
    revisions: Mapping[str, str] = field(default_factory=lambda: {"main": COMMITS[0]})
    refusal: tuple[int, str] | None = None
    down: bool = False
    asked: list[Asked] = field(default_factory=list)
    endpoint: str = ""

    def files(self) -> set[str]:
        """The files whose bytes were asked for."""
        found = (each.path.split("/resolve/") for each in self.asked if each.method == "GET")
        return {each[1].split("/", 1)[1] for each in found if len(each) == 2}


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serves the hub at its `endpoint` until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def log_message(self, format: str, *args: object) -> None:
            pass

        def _answer(self, *, with_body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.asked.append(Asked(self.command, path, self.headers.get("Authorization")))
            status, headers, body = _reply(hub, path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        hub.endpoint = f"http://127.0.0.1:{server.server_port}"
        yield hub
        server.shutdown()
        thread.join()


Reply = tuple[int, dict[str, str], bytes]


def _reply(hub: Hub, path: str) -> Reply:
    if hub.down:
        return 503, {}, b""
    what = path.removeprefix("/api/models/owner/name/").split("/", 1)
    if path.startswith("/api/models/owner/name/"):
        commit = hub.revisions.get(what[1], what[1])
        if commit not in hub.folders:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        return _listing(what[0], commit, hub.folders[commit])
    if path.startswith("/owner/name/resolve/"):
        commit, name = path.removeprefix("/owner/name/resolve/").split("/", 1)
        if hub.refusal is not None:
            return hub.refusal[0], {"X-Error-Code": hub.refusal[1]}, b""
        body = (hub.folders[commit] / name).read_bytes()
        return 200, {"X-Repo-Commit": commit, "ETag": f'"{commit[:4]}{name}"'}, body
    return 401, {"X-Error-Code": "RepoNotFound"}, b""


def _listing(kind: str, commit: str, folder: Path) -> Reply:
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    siblings = [{"rfilename": name} for name in names]
    found: object = {"id": "owner/name", "sha": commit, "siblings": siblings}
    if kind == "tree":
        found = [{"type": "file", "path": name, "oid": "0" * 40, "size": 1} for name in names]
    return 200, {"Content-Type": "application/json"}, json.dumps(found).encode()
