"""examples/java: generated, compiled and run, where Debian's packages for it are installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from google.rpc import status_pb2

from tests.conftest import ServerProcess

ROOT = Path(__file__).parents[2]
TOOLS = ("protoc", "grpc_java_plugin", "javac", "java")
JARS = re.findall(
    r"^    ([\w.-]+)\.jar$", (ROOT / "examples/java/README.md").read_text("utf-8"), re.M
)
EXPECTED = """\
encoded: \\d+ of 30522 terms
upserted: generation 1
hit: \\d+\\.\\d\\d train
hit: \\d+\\.\\d\\d agile
hit: \\d+\\.\\d\\d history
because: agility \\d\\.\\d\\d
refused: NOT_FOUND COLLECTION
"""


@pytest.fixture(scope="module")
def class_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The compiled example and all that it needs."""
    folder = Path(os.environ.get("SPLADED_JAVA_JARS", "/usr/share/java"))
    jars = [folder / f"{name}.jar" for name in JARS]
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    missing += [jar.name for jar in jars if not jar.exists()]
    if missing:
        pytest.skip(f"no {', '.join(missing)}; examples/java/README.md names the packages")
    sources, classes = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("classes")
    generate(sources)
    libraries = ":".join(map(str, jars))
    files = [*map(str, sources.rglob("*.java")), str(ROOT / "examples/java/Example.java")]
    subprocess.run(["javac", "-nowarn", "-cp", libraries, "-d", str(classes), *files], check=True)
    return f"{classes}:{libraries}"


def generate(sources: Path) -> None:
    ours, google = ROOT / "protos", Path(status_pb2.__file__).parents[2]
    command = [
        "protoc",
        f"-I{ours}",
        f"-I{google}",
        f"--plugin=protoc-gen-grpc-java={shutil.which('grpc_java_plugin')}",
        f"--java_out={sources}",
        f"--grpc-java_out={sources}",
        *map(str, ours.rglob("*.proto")),
        *(f"google/rpc/{name}.proto" for name in ("status", "error_details")),
    ]
    subprocess.run(command, check=True)


def test_it_encodes_indexes_searches_and_explains(class_path: str, server: ServerProcess) -> None:
    command = ["java", "-cp", class_path, "Example", server.target]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(EXPECTED, done.stdout), done.stdout
