"""What a process and its children used: processor time, bytes written, anonymous memory.

Bytes are `write_bytes` of /proc/PID/io: pages made dirty in files, through write or mmap, once
each time they are to go to the disk; journals of the file system are not in it. Time and bytes of
children count: of those that live as they are now, of those that ended because the kernel adds
them to their parent. Memory is what no file could give back: RssAnon and RssShmem of
/proc/PID/status, of the process and all its living descendants; mapped files are apart from it.
"""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

PERIOD_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Used:
    """By this process and its descendants since they began."""

    wall_seconds: float
    cpu_seconds: float
    written_bytes: int
    machine_seconds: float

    @classmethod
    def now(cls) -> Used:
        tree = [os.getpid(), *descendants(os.getpid())]
        written = sum(map(_written, tree))
        return cls(time.perf_counter(), sum(map(_cpu, tree)), written, _machine())

    def since(self, before: Used) -> dict[str, float]:
        """What was used between; `others_cores` is how many cores the rest of the machine took,
        which is what makes wall times long where it is not near 0."""
        wall = self.wall_seconds - before.wall_seconds
        cpu = self.cpu_seconds - before.cpu_seconds
        others = self.machine_seconds - before.machine_seconds - cpu
        return {
            "wall_seconds": wall,
            "cpu_seconds": cpu,
            "written_bytes": self.written_bytes - before.written_bytes,
            "others_cores": max(0.0, others / wall),
        }


def _machine() -> float:
    """Seconds that all processors worked, for whomever: man 5 proc_stat, without idle, iowait."""
    ticks = list(map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]))
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def _cpu(pid: int) -> float:
    """User and system, children that ended included; of another process in ticks of 10 ms."""
    if pid == os.getpid():
        kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        usages = [resource.getrusage(kind) for kind in kinds]
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return sum(map(int, _stat(pid)[11:15])) / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """From the state on, field 3 of man 5 proc_pid_stat: the name before it may have spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _written(pid: int) -> int:
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("write_bytes:")).split()[1])


def is_working(pid: int) -> bool:
    """Whether the process runs or waits for a disk now; not whether it is about to."""
    return _stat(pid)[0] in "RD"


def descendants(pid: int) -> list[int]:
    """The living children, their children, and so on; none of a process that has ended."""
    found: list[int] = []
    try:
        for file in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [int(child) for child in file.read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return found + [deeper for child in found for deeper in descendants(child)]


def anonymous_bytes(pid: int) -> int:
    """Of the process alone; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    wanted = [line.split() for line in lines if line.startswith(("RssAnon:", "RssShmem:"))]
    return sum(int(words[1]) * 1024 for words in wanted)


@dataclass(frozen=True, slots=True)
class Sample:
    """At one moment: the process, its descendants, and the files of the watched folder."""

    seconds: float
    own_bytes: int
    children_bytes: int
    disk_bytes: int

    @property
    def anonymous_bytes(self) -> int:
        return self.own_bytes + self.children_bytes


@dataclass
class Watch:
    """Samples of a process, and of a folder if there is one."""

    pid: int
    folder: Path | None
    samples: list[Sample] = field(default_factory=list)

    @property
    def peak_bytes(self) -> int:
        return max(sample.anonymous_bytes for sample in self.samples)

    def sample(self, seconds: float) -> None:
        below = sum(anonymous_bytes(child) for child in descendants(self.pid))
        disk = 0 if self.folder is None else folder_bytes(self.folder)
        self.samples.append(Sample(seconds, anonymous_bytes(self.pid), below, disk))


@contextmanager
def watched(pid: int, folder: Path | None = None) -> Iterator[Watch]:
    """Samples while the block runs; at least one."""
    watch, done, started = Watch(pid, folder), threading.Event(), time.perf_counter()

    def run() -> None:
        while not done.is_set():
            watch.sample(time.perf_counter() - started)
            done.wait(PERIOD_SECONDS)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        done.set()
        thread.join()
        watch.sample(time.perf_counter() - started)


def folder_bytes(folder: Path) -> int:
    """What the files below a folder occupy; those that vanish meanwhile do not count."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(place, name).stat().st_blocks * 512
    return total
