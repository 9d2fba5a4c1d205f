"""What makes rows of token ids: a bundle's graphs, opened, or its table for queries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spladed.bundle import Bundle
from spladed.encoder.table import QueryTable
from spladed.encoder.tuning import Setup
from spladed.ort import Session

__all__ = ["Network", "open_networks"]


@dataclass(frozen=True, slots=True)
class Network:
    """A graph that makes rows of token ids. longest: tokens that it takes."""

    session: Session
    longest: int


def open_networks(
    bundle: Bundle, setup: Setup, *, device: str, spinning: bool
) -> tuple[Network, Network | QueryTable]:
    """For documents and for queries; one for both where they are encoded the same.

    Raises what `Session` and `QueryTable.open` raise.
    """
    model, query_model = bundle.manifest.model, bundle.manifest.query_model
    # Every batch that runs brings a thread of its own, and they share the session's others:
    # a session for each batch would hold the weights as many times.
    threads = max(1, setup.threads - setup.parallel_batches + 1)

    def network(graph: Path, longest: int) -> Network:
        session = Session(
            graph,
            dimension=model.vocabulary_size,
            device=device,
            threads=threads,
            spinning=spinning,
        )
        return Network(session, longest)

    documents = network(bundle.graph, model.max_length)
    if query_model is not None:
        return documents, network(bundle.query_graph, query_model.max_length)
    if model.query_side == "table":
        return documents, QueryTable.open(bundle.query_table, dimension=model.vocabulary_size)
    return documents, documents
