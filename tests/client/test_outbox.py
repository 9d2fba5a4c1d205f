"""Bulk work against a server that fails in every way it can: a simulation without I/O."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spladed.client.outbox import Chunk, ChunkSize, Outbox, cut
from spladed.errors import Exhausted, InvalidInput, NotFound, Unavailable

BAD = 99


@dataclass(frozen=True)
class Item:
    key: str
    value: int


items = st.lists(st.builds(Item, st.sampled_from("abcdef"), st.integers(0, 100)), max_size=25)
sizes = st.builds(ChunkSize, items=st.integers(1, 5), bytes=st.integers(1, 8))


def key(item: Item) -> str:
    return item.key


def chunks_of(work: list[Item], size: ChunkSize) -> list[Chunk[Item]]:
    return list(cut(work, size, lambda item: 1 + item.value % 3, key))


@given(items, sizes)
def test_chunks_hold_every_item_once_in_order_within_the_limits(
    work: list[Item], size: ChunkSize
) -> None:
    chunks = chunks_of(work, size)
    assert [item for chunk in chunks for item in chunk.items] == work
    assert [at for chunk in chunks for at in chunk.positions] == list(range(len(work)))
    assert [chunk.sequence for chunk in chunks] == list(range(len(chunks)))
    for chunk in chunks:
        assert 1 <= len(chunk.items) <= size.items
        assert len({item.key for item in chunk.items}) == len(chunk.items)
        used = sum(1 + item.value % 3 for item in chunk.items)
        assert used <= size.bytes or len(chunk.items) == 1


class Server:
    """Applies chunks in the order received, all or nothing, and may lose the answer."""

    def __init__(self) -> None:
        self.stored: dict[str, int] = {}
        self.received: list[Chunk[Item]] = []

    def answer(self, outbox: Outbox[Item], fate: str) -> None:
        chunk = self.received.pop(0)
        bad = [at for at, item in enumerate(chunk.items) if item.value == BAD]
        if fate == "busy":
            full = Exhausted("full", reason="QUEUE_FULL", retry_after_seconds=1)
            outbox.refused(chunk.sequence, full)
        elif bad:
            error = InvalidInput("bad", reason="X", field=f"documents[{bad[0]}].text")
            outbox.refused(chunk.sequence, error)
        else:
            self.stored.update((item.key, item.value) for item in chunk.items)
            if fate == "lost":
                self.received.clear()
                outbox.broken()
            else:
                outbox.answered(chunk.sequence)


@settings(max_examples=400)
@given(items, sizes, st.data())
def test_whatever_breaks_every_item_arrives_and_the_last_of_a_key_remains(
    work: list[Item], size: ChunkSize, data: st.DataObject
) -> None:
    source = iter(chunks_of(work, size))
    outbox: Outbox[Item] = Outbox(key=key)
    server = Server()
    troubles = 0
    while not outbox.is_over:
        if outbox.wants_more:
            chunk = next(source, None)
            if chunk is None:
                outbox.close()
            else:
                outbox.add(chunk)
        if outbox.flying < 3 and (chunk := outbox.next()):
            server.received.append(Chunk(chunk.sequence, [*chunk.items], [*chunk.positions]))
        fates = ["answered", "late"] if troubles > 12 else ["answered", "late", "busy", "lost"]
        fate = data.draw(st.sampled_from(fates)) if outbox.flying < 3 else "answered"
        if server.received and fate != "late":
            troubles += fate in ("busy", "lost")
            server.answer(outbox, fate)
    expected = {item.key: item.value for item in work if item.value != BAD}
    assert server.stored == expected
    refused = {failure.position for failure in outbox.failures}
    last_bad = {at for at, item in enumerate(work) if item.value == BAD}
    assert refused <= last_bad


def test_an_error_that_names_no_item_ends_the_work() -> None:
    outbox: Outbox[str] = Outbox()
    outbox.add(Chunk(0, ["a"], [0]))
    outbox.next()
    with pytest.raises(NotFound):
        outbox.refused(0, NotFound("no collection", reason="COLLECTION", field="collection"))


def test_an_item_that_is_not_in_the_chunk_is_not_blamed() -> None:
    outbox: Outbox[str] = Outbox()
    outbox.add(Chunk(0, ["a"], [0]))
    outbox.next()
    with pytest.raises(InvalidInput):
        outbox.refused(0, InvalidInput("?", reason="X", field="documents[1].text"))


def test_a_chunk_that_the_server_was_too_busy_for_goes_out_again() -> None:
    outbox: Outbox[str] = Outbox()
    outbox.add(Chunk(0, ["a", "b"], [0, 1]))
    outbox.close()
    outbox.next()
    outbox.refused(0, Unavailable("draining", reason="SHUTTING_DOWN"))
    again = outbox.next()
    assert again is not None
    assert again.items == ["a", "b"]
    outbox.answered(0)
    assert outbox.is_over
