"""Figures of a real server: they say what was done, and each that is named elsewhere exists."""

from __future__ import annotations

import json
import re
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from spladed.client.client import Client
from spladed.client.values import Document
from spladed.errors import InvalidInput, NotFound
from tests.conftest import ServerProcess

DEPLOY = Path(__file__).parents[2] / "deploy"
NAME = re.compile(r"\b(?:spladed|process)_[a-z_]+\b")

Samples = dict[str, float]


class Watched:
    """A server with an HTTP port, and what it says there."""

    def __init__(self, start: Callable[..., ServerProcess]) -> None:
        self.server = start("--http-listen", "127.0.0.1:0")
        said = re.search(r"figures on port (\d+)", self.server.log_text())
        assert said, self.server.log_text()
        self.port = int(said.group(1))

    def get(self, path: str) -> tuple[int, str]:
        try:
            url = f"http://127.0.0.1:{self.port}{path}"
            with urllib.request.urlopen(url, timeout=10) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def samples(self) -> Samples:
        lines = self.get("/metrics")[1].splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}


@pytest.fixture(scope="module")
def watched(start_server: Callable[..., ServerProcess]) -> Watched:
    return Watched(start_server)


@pytest.fixture(scope="module")
def worked(watched: Watched) -> Samples:
    """The figures after a day's work in small."""
    with Client(watched.server.target) as client:
        client.create_collection("counted")
        client.upsert("counted", [Document("1", "A fast fox."), Document("2", "dog " * 1_000)])
        client.encode(["one", "two", "three"], kind="query")
        client.search("counted", texts=["fox"])
        list(client.encode_many(["four", "five"], kind="document"))
        with pytest.raises(InvalidInput):
            client.encode([""])
        with pytest.raises(NotFound):
            client.search("nobody", texts=["fox"])
    return watched.samples()


def ended(method: str, status: str, reason: str = "") -> str:
    return f'spladed_requests_total{{method="{method}",reason="{reason}",status="{status}"}}'


def test_calls_are_counted_by_how_they_ended(worked: Samples) -> None:
    assert worked[ended("Encoder/Encode", "OK")] == 1
    assert worked[ended("Encoder/Encode", "INVALID_ARGUMENT", "TEXT_EMPTY")] == 1
    assert worked[ended("Index/Search", "OK")] == 1
    assert worked[ended("Index/Search", "NOT_FOUND", "COLLECTION")] == 1
    assert worked[ended("Encoder/EncodeStream", "OK")] == 2, "the call, and its one chunk"
    assert worked['spladed_request_seconds_count{method="Encoder/Encode"}'] == 2
    assert worked['spladed_requests_in_flight{method="Encoder/Encode"}'] == 0


def test_texts_tokens_and_rows_are_counted(worked: Samples) -> None:
    assert worked['spladed_texts_total{kind="query"}'] == 4
    assert worked['spladed_texts_total{kind="document"}'] == 4
    assert worked['spladed_truncated_texts_total{kind="document"}'] == 1
    assert worked['spladed_row_terms_count{kind="document"}'] == 4
    assert worked['spladed_tokens_total{kind="query"}'] == 4 * 3
    assert worked['spladed_padding_tokens_total{kind="query"}'] > 0
    assert worked['spladed_batch_rows_sum{kind="query"}'] == 4
    assert worked["spladed_waiting_tokens"] == 0
    for stage in ("tokenize", "encode", "engine", "search"):
        assert worked[f'spladed_stage_seconds_count{{stage="{stage}"}}'] > 0


def test_collections_are_told(worked: Samples) -> None:
    assert worked['spladed_collection_documents{collection="counted"}'] == 2
    assert worked['spladed_collection_buffered_documents{collection="counted"}'] == 2
    assert worked['spladed_collection_disk_bytes{collection="counted"}'] > 0
    assert worked['spladed_collection_merges_due{collection="counted"}'] == 0
    assert worked["spladed_collections_failed"] == 0


@pytest.mark.parametrize("file", ["prometheus/rules.yaml", "grafana/spladed.json"])
def test_every_figure_that_is_asked_for_exists(worked: Samples, file: str) -> None:
    text = (DEPLOY / file).read_text("utf-8")
    expressions = [target["expr"] for panel in json.loads(text)["panels"]
                   for target in panel["targets"]] if file.endswith("json") else [
        rule["expr"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]
    ]  # fmt: skip
    named = set(NAME.findall(" ".join(expressions)))
    there = {name.partition("{")[0] for name in worked}
    assert named
    assert named <= there, sorted(named - there)


def test_probes_and_versions(watched: Watched) -> None:
    assert watched.get("/healthz") == (200, "ok\n")
    assert watched.get("/readyz") == (200, "ready\n")
    versions = json.loads(watched.get("/version")[1])
    assert versions["spladed"]
    assert versions["bundle"] == "builtin"


def test_a_server_that_drains_is_not_ready_and_still_there(
    start_server: Callable[..., ServerProcess],
) -> None:
    watched = Watched(start_server)
    with Client(watched.server.target) as client:
        texts = (f"text {number}" for number in range(2_000_000))
        parts = client.encode_many(texts, kind="document")
        next(parts)
        watched.server.process.send_signal(signal.SIGTERM)
        for _ in range(1_000):
            if watched.get("/readyz")[0] == 503:
                break
        else:
            pytest.fail("never said that it is not ready")
        parts.close()
    assert watched.server.process.wait(30) == 0
