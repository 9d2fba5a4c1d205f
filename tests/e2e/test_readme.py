"""What the README shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from spladed.config import load_config
from tests.conftest import ServerProcess

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


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


def test_the_screens_are_what_the_commands_print() -> None:
    pytest.importorskip("ir_measures", reason="the screen of eval needs spladed[jobs]")
    screens = [sys.executable, str(ROOT / "tools" / "screens.py"), "check"]
    done = subprocess.run(screens, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
