"""Writes that a number decides, so that whoever knows how many were done knows the result."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from spladed.index import Collection, Document
from spladed.index.filter import Ids

from .oracle import Row, batch
from .stored import Content

__all__ = ["DIMENSION", "QUERIES", "Write", "applied", "perform", "write_of"]

DIMENSION = 1000
QUERIES: tuple[Row, ...] = ({500: 1.0}, {500: 0.5, 3: 2.0, 40: 1.0}, {7: 1.0, 8: 1.0, 9: 3.0})
_SLOTS = 60  # ids of one writer
How = Literal["upsert", "load", "delete", "delete by filter"]
_HOWS: tuple[How, ...] = ("upsert", "load", "delete", "delete by filter")
_WEIGHTS = (16, 1, 2, 2)


@dataclass(frozen=True, slots=True)
class Write:
    """One call: documents to upsert or load with their rows, or ids to delete."""

    how: How
    ids: tuple[str, ...]
    text: str = ""
    rows: tuple[Row, ...] = ()

    @property
    def is_delete(self) -> bool:
        return not self.rows


def write_of(writer: int, number: int) -> Write:
    """The n-th write of this writer, whose ids are its own."""
    chance = random.Random(f"{writer}/{number}")
    slots = chance.sample(range(_SLOTS), chance.randint(1, 20))
    ids = tuple(f"{writer}-{slot}" for slot in slots)
    how = chance.choices(_HOWS, _WEIGHTS)[0]
    if how.startswith("delete"):
        return Write(how, ids)
    return Write(how, ids, f"{writer}:{number}", tuple(_row(chance) for _ in ids))


def _row(chance: random.Random) -> Row:
    terms = {500, *(chance.randrange(60) for _ in range(chance.randint(0, 8)))}
    return {term: chance.randint(1, 64) / 16 for term in sorted(terms)}


def applied(content: Content, write: Write) -> Content:
    """The content after the write, in the order of acceptance."""
    kept = {id: one for id, one in content.items() if id not in write.ids}
    if write.is_delete:
        return kept
    added = zip(write.ids, write.rows, strict=True)
    return {**kept, **{id: (write.text, row) for id, row in added}}


def perform(collection: Collection, write: Write) -> None:
    """The write, acknowledged when this returns."""
    documents = [Document(id, write.text) for id in write.ids]
    vectors = batch(DIMENSION, *write.rows)
    match write.how:
        case "upsert":
            collection.upsert(documents, vectors)
        case "load":  # one chunk, and so all or nothing too
            with collection.load() as load:
                load.add(write.ids, vectors, documents)
        case "delete":
            collection.delete(write.ids)
        case "delete by filter":
            collection.delete_kept(Ids(write.ids))
