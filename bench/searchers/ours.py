"""spladed's Collection: a bulk load, compacted, searched as its users search it."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from corpora import Corpus, Row

from searchers import Hits, Setting, as_hits
from spladed.index import Collection, CollectionSettings, Hit
from spladed.index import search as search_module
from spladed.index.container import Container
from spladed.sparse import SparseBatch

ROWS = 16_384  # of one add
EFFORTS = (0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9)
PLANNED = search_module.plan


class Spladed:
    api = "Collection.search: ids and scores of the hits"
    numbers = "stored"

    @staticmethod
    def convert(corpus: Corpus) -> Corpus:
        return corpus

    @staticmethod
    def build(documents: Corpus, folder: Path) -> None:
        with Collection.create(
            folder / "documents", CollectionSettings(documents.dimension)
        ) as collection:
            with collection.load() as load:
                for start, part in documents.documents.slices(ROWS):
                    ids = [str(number) for number in range(start, start + len(part))]
                    rows = SparseBatch(documents.dimension, part.starts, part.terms, part.weights)
                    load.add(ids, rows)
            collection.compact()

    @staticmethod
    def itemised(folder: Path) -> dict[str, int]:
        """Of segments, sections of one name in all windows together; and the catalog."""
        kinds: Counter[str] = Counter()
        for path in sorted((folder / "documents").iterdir()):
            size = path.stat().st_size
            if path.name == "LOCK" or path.name.startswith("catalog"):
                kinds["catalog and lock"] += size
                continue
            container = Container(np.memmap(path, np.uint8, "r"), path.name)
            sections = {name: container.size(name) for name in container.names}
            for name, each in sections.items():
                kinds[_kind(name)] += each
            kinds["tables and padding"] += size - sum(sections.values())
        return dict(kinds)

    def __init__(self, folder: Path) -> None:
        self._collection = Collection.open(folder / "documents")
        self._dimension = self._collection.settings.dimension
        self._how: dict[str, Any] = {}

    def settings(self) -> list[Setting]:
        efforts = EFFORTS if "effort" in inspect.signature(Collection.search).parameters else ()
        return [
            Setting("exact"),
            Setting("windowed kernel", "reference", {"windowed": True}),
            *(Setting(f"effort {each:g}", "approximate", {"effort": each}) for each in efforts),
        ]

    def prepare(self, queries: Sequence[Row]) -> list[SparseBatch]:
        return [SparseBatch.from_rows(self._dimension, [row]) for row in queries]

    def use(self, setting: Setting) -> None:
        """The windowed kernel alone answers where the planner never wants to prune."""
        how = dict(setting.parameters)
        search_module.plan = _never if how.pop("windowed", False) else PLANNED
        self._how = how

    def search(self, query: SparseBatch, k: int) -> list[Hit]:
        return self._collection.search(query, k, **self._how)[0][0]

    def hits(self, found: list[Hit]) -> Hits:
        return as_hits([int(hit.id) for hit in found], [hit.score for hit in found])


def _never(*_: Any, **__: Any) -> None:
    return None


def _kind(section: str) -> str:
    """Its name without the number of its window or block."""
    head, _, tail = section.rpartition("/")
    return f"{head[0]}*/{tail}" if head[1:].isdigit() else section
