"""The engines side by side: opened, tried once, then timed in turns on one core.

Of every pass, every k and every engine in turn: all queries, one after another, while the other
processes wait to be asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from search_cache import built
from search_figures import Scouted, Timed
from search_process import Failed, Process
from search_truth import truth

DEPTHS = (10, 100, 1_000)
Times = dict[tuple[str, str, int], Timed]


@dataclass
class Bench:
    """folder: of a collection; peers: their interpreter; core: for all; queries: how many."""

    folder: Path
    peers: Path
    core: int
    queries: int
    about: dict[str, dict[str, Any]] = field(default_factory=dict)  # of each engine
    processes: dict[str, Process] = field(default_factory=dict)
    different: dict[int, int] = field(default_factory=dict)  # of ours, by k

    def prepare(self, engines: Sequence[str]) -> None:
        """Indexes first, all of them, so that no memory of a build is left when engines open."""
        indexes: dict[str, Path] = {}
        for engine in engines:
            try:
                indexes[engine], took = built(engine, self.folder, peers=self.peers, core=self.core)
                self.about[engine] = {"build": took}
            except Failed as error:
                self.about[engine] = {"failed": f"build: {error}"}
        for engine, index in indexes.items():
            try:
                self._open(engine, index)
            except Failed as error:
                self.about[engine]["failed"] = f"open: {error}"

    def process(
        self, engine: str, index: Path, before: Callable[[], None] | None = None
    ) -> Process:
        corpus = self.folder / "corpus"
        return Process(engine, corpus, index, peers=self.peers, core=self.core, before=before)

    def _open(self, engine: str, index: Path) -> None:
        """Twice: caches are warm when the second process starts, whose figures count."""
        first = self.process(engine, index)
        try:
            first.call("open", count=1)
        finally:
            first.close()
        process = self.process(engine, index)
        self.about[engine] |= process.call("open", count=self.queries)
        self.processes[engine] = process

    def scout(self) -> list[Scouted]:
        """Every setting of every engine once."""
        found: list[Scouted] = []
        for engine in list(self.processes):
            try:
                found += self._scout(engine)
            except Failed as error:
                self._drop(engine, f"search: {error}")
        return found

    def _scout(self, engine: str) -> list[Scouted]:
        process, about = self.processes[engine], self.about[engine]
        known, found = truth(self.folder, self.queries, about["numbers"]), []
        for k in DEPTHS:
            for setting in about["settings"]:
                if not setting.asks(k):
                    continue
                hits = process.call("find", setting=setting, k=k)
                if about["numbers"] == "stored" and setting.kind == "exact":
                    self.different[k] = known.different(hits, k)
                _, cpu = process.time(setting, k)
                recall = known.recall(hits, k)
                found.append(Scouted(engine, setting, k, recall, float(np.mean(cpu)) / 1e6))
        print(f"tried {engine}: {len(found)} settings", flush=True)
        return found

    def time(self, scouted: Sequence[Scouted], passes: int) -> Times:
        """Nobody is always the first one of a pass."""
        walls, cpus = defaultdict(list), defaultdict(list)
        for turn in range(passes):
            for k in DEPTHS:
                asked = [each for each in scouted if each.k == k]
                start = turn * len(asked) // passes
                for each in asked[start:] + asked[:start]:
                    wall, cpu = self.processes[each.engine].time(each.setting, k)
                    walls[each.engine, each.setting.name, k].append(wall)
                    cpus[each.engine, each.setting.name, k].append(cpu)
            print(f"pass {turn + 1} of {passes}", flush=True)
        return {key: Timed(np.array(walls[key]), np.array(cpus[key])) for key in walls}

    def finish(self) -> None:
        """The engines' memory, after all searches; then their processes end."""
        for engine, process in self.processes.items():
            self.about[engine]["memory"] = process.call("memory")
            process.close()
        self.processes.clear()

    def _drop(self, engine: str, reason: str) -> None:
        self.about[engine]["failed"] = reason
        self.processes.pop(engine).close()
