"""The index in figures, read from the collections when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from spladed.errors import SpladedError
from spladed.index.collections import Collections
from spladed.index.values import Stats

__all__ = ["IndexCollector"]

# Figure of `Stats`, its name behind spladed_collection_, and what it says.
_FIGURES: Mapping[str, tuple[str, Callable[[Stats], int]]] = {
    "documents": ("Documents that can be found.", lambda stats: stats.documents),
    "deleted": ("Rows of documents that are gone, until a merge.", lambda stats: stats.deleted),
    "weights": ("Weights of its documents.", lambda stats: stats.nnz),
    "segments": ("Parts that a search reads.", lambda stats: stats.segments),
    "buffered_documents": (
        "Documents that wait for a flush.", lambda stats: stats.buffered_documents,
    ),
    "merges_due": ("Merges that are due.", lambda stats: stats.merges_due),
    "memory_bytes": ("Memory of its own.", lambda stats: stats.memory_bytes),
    "mapped_bytes": ("Files that are mapped.", lambda stats: stats.mapped_bytes),
    "disk_bytes": ("Its folder.", lambda stats: stats.disk_bytes),
    "generation": ("Its generation.", lambda stats: stats.generation),
}  # fmt: skip


class IndexCollector(Collector):
    """Figures of every collection that is open; one that is closed meanwhile is left out."""

    def __init__(self, collections: Collections) -> None:
        self._collections = collections

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """One family a figure."""
        found = dict(self._stats())
        for figure, (about, read) in _FIGURES.items():
            family = GaugeMetricFamily(f"spladed_collection_{figure}", about, labels=["collection"])
            for name, stats in found.items():
                family.add_metric([name], read(stats))
            yield family
        broken = GaugeMetricFamily(
            "spladed_collections_failed", "Collections that could not be opened."
        )
        broken.add_metric([], len(self._collections.failures()))
        yield broken

    def _stats(self) -> Iterable[tuple[str, Stats]]:
        for name in self._collections.names():
            try:
                yield name, self._collections.get(name).stats()
            except SpladedError:
                continue
