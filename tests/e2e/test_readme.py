"""What the README shows is what happens."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from spladed.client.client import Client
from spladed.client.values import Document
from spladed.config import load_config
from tests.conftest import ServerProcess

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_python_snippets_run(number: int, server: ServerProcess) -> None:
    snippet = blocks("python")[number].replace("127.0.0.1:50051", server.target)
    exec(compile(snippet, f"README.md, snippet {number}", "exec"), {})


def test_the_configuration_is_one_the_server_takes(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    file = tmp_path / "spladed.toml"
    file.write_text(text)
    config = load_config(file, environment={})
    for section, entries in tomllib.loads(text).items():
        for key, value in entries.items():
            assert getattr(getattr(config, section), key) == value


def test_the_tutorials_scores_are_those_shown(client: Client) -> None:
    shown = README.split("fox and dog agility\n", 1)[1].split("```")[0]
    hits = re.findall(r"^ +(\d+\.\d\d)  (\w+)\n +(.+)$", shown, re.MULTILINE)
    assert len(hits) == 4
    client.create_collection("readme")
    client.upsert("readme", [Document(name, text) for _, name, text in hits])
    found = client.search("readme", texts=["fox and dog agility"]).hits[0]
    assert [(f"{hit.score:.2f}", hit.id) for hit in found] == [hit[:2] for hit in hits]
