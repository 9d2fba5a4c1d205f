"""Engines that search the same collection: one adapter a file, all of the same few methods.

An adapter runs in a process of its own, in the environment that has its package, and knows numpy
and `corpora` besides: nothing of spladed, but for our own.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from corpora import Corpus, Row
from numpy.typing import NDArray

# exact: what the engine calls exact, over its own numbers; reference: measured to be compared
# with, and no offer to users
Kind = Literal["exact", "approximate", "reference"]


@dataclass(frozen=True)
class Setting:
    """A way to ask the engine; each is a row of the table. At these k alone, if there are any."""

    name: str
    kind: Kind = "exact"
    parameters: dict[str, Any] = field(default_factory=dict)
    depths: tuple[int, ...] = ()

    def asks(self, k: int) -> bool:
        return not self.depths or k in self.depths


class Hits(NamedTuple):
    """Numbers of documents, best first, int64, and the engine's scores of them, float64."""

    documents: NDArray[np.int64]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class Engine:
    """module, attribute: of the adapter; package: whose version is told and names the index;
    ours: lives in this repository's environment, not in that of the peers."""

    module: str
    attribute: str
    package: str
    ours: bool = False

    def adapter(self) -> type[Searcher]:
        """ImportError where the package is absent."""
        return getattr(importlib.import_module(f"searchers.{self.module}"), self.attribute)


ENGINES = {
    "spladed": Engine("ours", "Spladed", "spladed", ours=True),
    "splade-index": Engine("splade_index_peer", "SpladeIndex", "splade-index"),
    "Seismic": Engine("seismic_peer", "Seismic", "pyseismic-lsr"),
    "Qdrant Edge": Engine("qdrant_edge_peer", "QdrantEdge", "qdrant-edge-py"),
    "vsag SINDI": Engine("vsag_peer", "Sindi", "pyvsag"),
    "BMP": Engine("bmp_peer", "Bmp", "bmp"),
    "PISA": Engine("pisa_peer", "Pisa", "pyterrier-pisa"),
}
NEEDED = ("spladed", "splade-index", "Seismic")


class Searcher(Protocol):
    """One index in one folder, opened to be searched by one thread.

    api:     what is called, and what it gives, in words: all of it is timed
    numbers: of what its scores are sums: "stored" for weights in steps of 1/4096, else "float32"
    """

    api: str
    numbers: Literal["stored", "float32"]

    @staticmethod
    def convert(corpus: Corpus) -> Any:
        """The documents as the engine takes them; not timed."""
        ...

    @staticmethod
    def build(documents: Any, folder: Path) -> None:
        """The index, durable or at least on disk, in this folder, which is there and empty."""
        ...

    @staticmethod
    def itemised(folder: Path) -> dict[str, int]:
        """What the bytes on disk are, by kind; empty where the engine's files do not tell."""
        ...

    def __init__(self, folder: Path) -> None: ...

    def settings(self) -> list[Setting]:
        """The first one is what a user gets who asks for nothing."""
        ...

    def prepare(self, queries: Sequence[Row]) -> list[Any]:
        """The queries as the engine takes them; not timed."""
        ...

    def use(self, setting: Setting) -> None:
        """For the searches from now on."""
        ...

    def search(self, query: Any, k: int) -> Any:
        """What is timed."""
        ...

    def hits(self, found: Any) -> Hits:
        """What `search` gave; not timed."""
        ...


def bare(package: str, module: str) -> Any:
    """A module of a package that is installed, without what the package itself would import."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    empty = ModuleType(package)
    empty.__path__ = list(spec.submodule_search_locations)
    sys.modules[package] = empty
    return importlib.import_module(f"{package}.{module}")


def as_hits(documents: Any, scores: Any) -> Hits:
    return Hits(np.asarray(documents, np.int64), np.asarray(scores, np.float64))
