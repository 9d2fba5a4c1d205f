"""Parts in memory: what was written and is not yet in a segment file. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from spladed.index import build, merge
from spladed.index.batch import Source
from spladed.index.container import Container, to_bytes
from spladed.index.segment import Segment
from spladed.index.snapshot import Part
from spladed.index.union import Union
from spladed.index.values import CollectionSettings

__all__ = ["in_memory", "merged", "part_of"]


def part_of(source: Source, settings: CollectionSettings) -> Part:
    """These documents as a part that can be searched."""
    sections = build.segment_sections(source, settings)
    return Part.of(Segment(Container.of(to_bytes(sections), "a segment in memory")))


def in_memory(parts: Sequence[Part], after_seq: int = -1) -> list[Part]:
    """The parts in memory beyond a seq, which are the last ones."""
    return [part for part in parts if not part.segment.name and part.segment.first_seq > after_seq]


def merged(
    parts: tuple[Part, ...], settings: CollectionSettings, frozen_through: int
) -> tuple[Part, ...]:
    """The same documents, the parts in memory behind `frozen_through` merged so that few
    remain (see `merge`); those up to it are about to become a segment file."""
    loose = in_memory(parts, frozen_through)
    kept = parts[: len(parts) - len(loose)]
    loose = [part for part in loose if part.live_count]
    while (group := merge.due([part.sizes for part in loose], smallest=1)) is not None:
        start, stop = group
        loose[start:stop] = [part_of(Union(loose[start:stop], settings.fields), settings)]
    return (*kept, *loose)
