"""Where segment files are built: in a child process, or here."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from spladed import errors
from spladed.errors import Internal, Unavailable
from spladed.index import files
from spladed.index.catalog import CATALOG_NAME, Catalog
from spladed.index.load import deleted, stored_batches
from spladed.index.segment import Segment
from spladed.index.snapshot import Part
from spladed.index.union import Union

__all__ = ["Builder", "Child", "Here", "build"]


def build(folder: Path, segments: Sequence[str], through_seq: int, output: Path) -> int:
    """Write the live documents of these segments, or of the batches up to a seq where no
    segments are named, to a new file; how many there are. Without any there is no file."""
    catalog = Catalog(folder / CATALOG_NAME, read_only=True)
    try:
        with catalog.reading() as reading:
            dead = deleted(reading)
            parts = [_checked(folder / name) for name in segments]
            if not segments:
                parts = [
                    part for part in stored_batches(reading)
                    if part.segment.last_seq <= through_seq
                ]  # fmt: skip
        fields = catalog.settings.fields
        source = Union([part.without_seqs(dead) for part in parts], fields)
        if len(source.seqs):
            files.write(output, source, catalog.settings)
        return len(source.seqs)
    finally:
        catalog.close()


def _checked(path: Path) -> Part:
    """The segment, every byte of it as written: a merge must not spread what rotted."""
    segment = Segment.open(path)
    segment.verify()
    return Part.of(segment)


class Builder(Protocol):
    """Writes the live documents of segments, or of the batches up to a seq, to a file."""

    def build(self, folder: Path, segments: Sequence[str], through_seq: int, output: Path) -> int:
        """How many documents the file has; without any there is no file."""
        ...

    def close(self) -> None:
        """Give up what is under way."""
        ...


class Here:
    """Builds in the calling thread."""

    def build(self, folder: Path, segments: Sequence[str], through_seq: int, output: Path) -> int:
        """See Builder."""
        return build(folder, segments, through_seq, output)

    def close(self) -> None:
        """Nothing is under way."""


class Child:
    """Builds in a process of its own, so that this one's interpreter is left to its callers.

    The process starts with the first build and is kept: starting it means importing numba.
    """

    def __init__(self) -> None:
        self._one_job, self._starting = threading.Lock(), threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process, if there is one."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def build(self, folder: Path, segments: Sequence[str], through_seq: int, output: Path) -> int:
        """See Builder."""
        job = {
            "folder": str(folder), "segments": list(segments),
            "through_seq": through_seq, "output": str(output),
        }  # fmt: skip
        with self._one_job:
            answer = self._ask(self._started(), json.dumps(job))
        if "error" in answer:
            raise getattr(errors, answer["error"])(answer["message"], reason=answer["reason"])
        return answer["documents"]

    def close(self) -> None:
        """End the process, whatever it does; `build` then raises."""
        with self._starting:
            self._closed = True
            process = self._process
        if process is not None:
            process.kill()
            process.wait()
        with self._one_job:  # whoever waits for an answer has seen the end
            if process is not None:
                _end(process)

    def _started(self) -> subprocess.Popen[str]:
        with self._starting:
            if self._closed:
                raise Unavailable("the collection is closed", reason="CLOSED")
            if self._process is not None and self._process.poll() is not None:
                _end(self._process)
                self._process = None
            if self._process is None:
                self._process = _start()
            return self._process

    def _ask(self, process: subprocess.Popen[str], job: str) -> dict[str, Any]:
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(job + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            line = ""
        if not line:
            self._process = None
            code = _end(process)
            message = f"the process that builds segments ended with {code}; the build is repeated"
            raise (Unavailable if self._closed else Internal)(message, reason="BUILDER")
        return json.loads(line)


def _start() -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-m", "spladed.index.child"]
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    except OSError as error:
        message = f"no process could be started that builds segments: {error}; it is repeated"
        raise Unavailable(message, reason="BUILDER") from error


def _end(process: subprocess.Popen[str]) -> int:
    """The exit code of a process that has ended; its pipes are given back."""
    code = process.wait()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):  # what it was not told, nobody needs to tell it
            if pipe is not None:
                pipe.close()
    return code
