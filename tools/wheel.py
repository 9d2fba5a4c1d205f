"""Proves the wheel in a folder: `tools/wheel.py dist`.

It is under 15 MB; it puts only spladed, spladed_export and its dist-info into
site-packages; in an empty environment it gives a working client, and with [server] a
server of the built-in bundle that this client reaches.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from pathlib import Path

MOST_BYTES = 15_000_000
START_SECONDS = 120
CONSTRAINTS = Path(__file__).parents[1] / "constraints" / "server.txt"

CLIENT = """
import importlib.util, sys
from spladed import Client
missing = [n for n in ("onnxruntime", "numba", "tokenizers") if importlib.util.find_spec(n)]
assert not missing, f"the base install brought {missing}"
with Client(sys.argv[1]) as client:
    client.create_collection("wheel")
    from spladed.client.values import Document
    client.upsert("wheel", [Document("1", "How to train your dog."), Document("2", "Bread.")])
    assert client.search("wheel", texts=["dogs"]).hits[0][0].id == "1"
print("a client of the base install reaches a server of [server]")
"""


def main(folder: str) -> int:
    (wheel,) = Path(folder).glob("*.whl")
    check_content(wheel)
    with tempfile.TemporaryDirectory() as scratch:
        client = install(Path(scratch, "client"), str(wheel))
        server = install(Path(scratch, "server"), f"{wheel}[server]")
        reach(Path(scratch), client, server)
    return 0


def check_content(wheel: Path) -> None:
    size = wheel.stat().st_size
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    info = {name for name in names if name.endswith(".dist-info")}
    if size >= MOST_BYTES or len(info) != 1 or names - info != {"spladed", "spladed_export"}:
        sys.exit(f"{wheel} has {size} bytes and {sorted(names)}")
    print(f"{wheel.name}: {size / 1e6:.1f} MB, {', '.join(sorted(names))}")


def install(folder: Path, what: str) -> Path:
    """An environment with this alone in it; returns its folder of programs."""
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--disable-pip-version-check", "-c", str(CONSTRAINTS), what], check=True)
    return folder / "bin"


def reach(scratch: Path, client: Path, server: Path) -> None:
    port_file = scratch / "port"
    options = [f"--data={scratch / 'data'}", f"--port-file={port_file}", "--listen=127.0.0.1:0"]
    process = subprocess.Popen([str(server / "spladed"), "serve", *options], cwd=scratch)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not port_file.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        target = f"127.0.0.1:{port_file.read_text().strip()}"
        command = [str(client / "python"), "-c", CLIENT, target]
        subprocess.run(command, check=True, cwd=scratch)
    finally:
        process.send_signal(signal.SIGTERM)
    if process.wait(60):
        sys.exit(f"the server ended with {process.returncode}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 2 else __doc__)
