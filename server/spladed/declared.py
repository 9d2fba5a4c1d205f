"""What a collection declares when it is made: the fields that filters may use, its scoring."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

__all__ = ["Field", "FieldType", "Formula", "Scoring", "Value"]

FieldType = Literal["keyword", "integer", "float", "boolean", "time"]
Formula = Literal["dot", "cosine", "saturation"]
# Of a declared field; a time is aware, UTC, in whole microseconds.
Value = str | int | float | bool | datetime


@dataclass(frozen=True, slots=True)
class Field:
    """A field that filters may use; only a `list` field takes several values a document."""

    name: str
    type: FieldType
    list: bool = False


@dataclass(frozen=True, slots=True)
class Scoring:
    """How a score is made of weights: the sum over shared terms of query impact times
    document impact.

    dot:        an impact is the weight
    cosine:     the weight over the length of its row (Euclidean norm)
    saturation: the weight to the power of its side, above 0 and at most 8
    """

    formula: Formula = "dot"
    query_power: float = 1.0
    document_power: float = 1.0
