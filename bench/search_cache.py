"""What is made once and kept: collections, each engine's index of them, and the truth.

    CACHE/<flavour>-<documents>[-free]/corpus          see corpora
                                       <engine>-<version>   its index, and built.json
                                       truth-<queries>.npz  see search_truth

An index is named after the version of its engine's package, ours after the source of the index
room as well: whatever changes there, it is built anew, and the one before goes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from corpora import ABOUT, encoded, grown
from search_process import Failed, Process
from searchers import ENGINES

import spladed.index

BUILT = "built.json"
ASK = "import sys; from importlib import metadata; print(metadata.version(sys.argv[1]))"


def collection(
    cache: Path, flavour: str, documents: int, *, vectors: Path | None, texts: Path | None
) -> Path:
    """The folder of a collection, made if it is not there; its `corpus` can be opened."""
    free = "-free" if flavour != "real" and vectors is None else ""
    folder = cache / f"{flavour}-{documents}{free}"
    corpus = folder / "corpus"
    if (corpus / ABOUT).exists():
        return folder
    shutil.rmtree(corpus, ignore_errors=True)
    print(f"making {folder.name}", flush=True)
    if flavour == "real":
        if texts is None:
            raise SystemExit("flavour real needs --texts: a folder of corpus.jsonl, queries.jsonl")
        encoded.make(corpus, texts, documents)
    else:
        grown.make(corpus, flavour, documents, vectors)
    return folder


def built(engine: str, folder: Path, *, peers: Path, core: int) -> tuple[Path, dict[str, Any]]:
    """The engine's index of a collection and what building it took; Failed where it cannot."""
    release = version(engine, peers)
    name = engine.replace(" ", "-")
    index = folder / f"{name}-{release}"
    if not (index / BUILT).exists():
        for old in folder.glob(f"{name}-[0-9]*/"):
            shutil.rmtree(old)
        index.mkdir()
        print(f"building {engine} {release} in {folder.name}", flush=True)
        took = _build(engine, folder, index, peers=peers, core=core)
        (index / BUILT).write_text(json.dumps(took, indent=1) + "\n")
    return index, json.loads((index / BUILT).read_text()) | {"version": release}


def version(engine: str, peers: Path) -> str:
    """Of its package; ours with a digest of the index room's source. Failed if it is absent."""
    about = ENGINES[engine]
    if about.ours:
        return f"{_ask('spladed', None)}-{source_digest()}"
    return _ask(about.package, peers)


@cache
def source_digest() -> str:
    """Of the source of everything in the index room."""
    assert spladed.index.__file__ is not None
    files = sorted(Path(spladed.index.__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]


@cache
def _ask(package: str, peers: Path | None) -> str:
    python = sys.executable if peers is None else str(peers)
    if not Path(python).exists():
        raise Failed(f"there is no {python}: make .venv-peers/ready")
    done = subprocess.run([python, "-c", ASK, package], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{package} is not installed")
    return done.stdout.strip()


def _build(engine: str, folder: Path, index: Path, *, peers: Path, core: int) -> dict[str, Any]:
    process = Process(engine, folder / "corpus", index, peers=peers, core=core)
    try:
        return process.call("build")
    except Failed:
        shutil.rmtree(index)
        raise
    finally:
        process.close()
