"""Which documents are kept, by their ids. Pure.

Every combination of id sets by and, or and not is again a set of ids, or all ids but those:
so a filter is one of the two, and combining costs no tree.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Filter"]


@dataclass(frozen=True, slots=True)
class Filter:
    """Keeps the documents of these ids, or with `excluding` all others."""

    ids: frozenset[str]
    excluding: bool = False

    def keeps(self, id: str) -> bool:
        """Whether a document of this id is kept."""
        return (id in self.ids) != self.excluding

    def __invert__(self) -> Filter:
        return Filter(self.ids, not self.excluding)

    def __and__(self, other: Filter) -> Filter:
        if self.excluding and other.excluding:
            return Filter(self.ids | other.ids, True)
        if self.excluding:
            return Filter(other.ids - self.ids)
        return Filter(self.ids - other.ids if other.excluding else self.ids & other.ids)

    def __or__(self, other: Filter) -> Filter:
        return ~(~self & ~other)
