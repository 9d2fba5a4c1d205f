"""`spladed bench` on a real server: rates, endings, answers compared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from spladed.client.client import Client
from spladed.client.values import Document
from tests.conftest import ServerProcess

COMMAND = [sys.executable, "-c", "from spladed.cli import main; main()", "bench"]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120)


def test_encoding_at_a_rate(server: ServerProcess, tmp_path: Path) -> None:
    plot = tmp_path / "waits.png"
    run = bench("encode", "--target", server.target, "--rate", "50", "--seconds", "2",
                "--plot", str(plot), "--json")  # fmt: skip
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["endings"] == {"OK": found["requests"]}
    assert 50 <= found["requests"] <= 160
    assert 0 < found["milliseconds"]["p50"] <= found["milliseconds"]["max"]
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_batches_of_documents_as_many_as_are_answered(server: ServerProcess) -> None:
    run = bench("encode", "--target", server.target, "--seconds", "1", "--in-flight", "4",
                "--batch", "16", "--kind", "document")  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "answered" in run.stdout
    assert "OK" in run.stdout


def test_searching_at_a_rate(server: ServerProcess, client: Client) -> None:
    client.create_collection("pressed")
    client.upsert("pressed", [Document("1", "The quick brown fox."), Document("2", "A dog.")])
    run = bench("search", "pressed", "--target", server.target, "--rate", "30", "--seconds", "1",
                "--json")  # fmt: skip
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["endings"] == {"OK": found["requests"]}


def test_answers_that_change_are_wrong(
    server: ServerProcess, client: Client, tmp_path: Path
) -> None:
    """The comparison can fail: documents that come meanwhile change what is found."""
    client.create_collection("shifting")
    client.upsert("shifting", [Document("0", "fox")])
    texts = tmp_path / "queries.tsv"
    texts.write_text("1\ta fox and a dog\n")
    command = ["search", "shifting", "--target", server.target, "--in-flight=1", "--seconds=4",
               "--texts", str(texts)]  # fmt: skip
    with subprocess.Popen([*COMMAND, *command, "--json"], stdout=subprocess.PIPE) as running:
        while running.poll() is None:
            client.upsert(
                "shifting", [Document(str(number), "fox dog cat") for number in range(50)]
            )
            client.delete("shifting", [str(number) for number in range(1, 50)])
        assert running.stdout is not None
        found = json.loads(running.stdout.read())
    assert running.returncode == 1
    assert found["endings"]["WRONG_ANSWER"] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--rate", "-1"], 2, "a request at least"),
        (["--texts", "{empty}"], 2, "expected 1 at least"),
        (["--target", "127.0.0.1:1", "--timeout", "1"], 3, "no server answers at 127.0.0.1:1"),
        (["--plot", "{empty}/no/waits.png"], 2, "is no folder; make it first"),
    ],
)
def test_a_run_that_cannot_be(
    server: ServerProcess, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    given = [each.replace("{empty}", str(empty)) for each in arguments]
    target = [] if "--target" in given else ["--target", server.target]
    run = bench("encode", "--seconds", "1", *target, *given)
    assert (run.returncode, says in run.stderr) == (code, True), run.stderr
