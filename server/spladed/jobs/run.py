"""A run: what one system found for each query, best first. The room's currency."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["DEPTH", "Run"]

# query id -> document id -> score, scores falling; queries that found nothing are empty
Run = Mapping[str, Mapping[str, float]]

# R@100 is the deepest measure.
DEPTH = 100
