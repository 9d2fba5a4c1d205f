"""A group of writes is what the same writes are one after another."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spladed.index import CollectionSettings, Field, columns, grid
from spladed.index.commit import Change
from spladed.index.container import Container
from spladed.index.draft import Delete, Draft, Upsert, Write, draft, draft_of_rows
from spladed.index.ids import Ids
from spladed.index.packed import pack
from spladed.index.segment import Segment
from spladed.index.snapshot import Snapshot

from .oracle import batch, rows_of

DIMENSION = 20
FLOATS = CollectionSettings(DIMENSION, weight_format="float32", fields=(Field("n", "integer"),))
EMPTY = Snapshot(0, ())

names = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=5, unique=True)
kinds = st.sampled_from(["upsert", "upsert", "delete"])
writes = st.lists(st.tuples(kinds, names, st.sampled_from(["", "b1", "b2"])), max_size=7)
Plan = list[tuple[str, list[str], str]]


def made(plan: Plan, *, first: int = 0) -> list[Write]:
    """The writes of a plan; every document has a weight, a field and a payload of its own."""
    made: list[Write] = []
    for number, (kind, names, bundle_id) in enumerate(plan, first):
        if kind == "delete":
            made.append(Delete(names, Ids.of(names)))
            continue
        rows = [{n: number + 1.0, 19: 0.5} for n in range(len(names))]
        stored = pack(grid.to_grid(batch(DIMENSION, *rows), "float32"), wide=False)
        fields = columns.encode(FLOATS.fields, [{"n": (number,)} for _ in names])
        payloads = [f"{number} {name}".encode() * (name != "c") for name in names]
        made.append(Upsert(names, Ids.of(names), stored, fields, payloads, bundle_id))
    return made


class Catalog:
    """What commits leave: the sets of the dead, batches, payloads and runs of bundles."""

    def __init__(self, frozen_through: int = -1) -> None:
        self.snapshot = EMPTY
        self.frozen_through = frozen_through
        self.next_seq = 0
        self.batches: list[Segment] = []
        self.payloads: list[tuple[int, bytes]] = []
        self.bundles: list[tuple[int, str]] = []
        self.dead: set[int] = set()
        self.results: list[tuple[int, int]] = []

    def commit(self, group: list[Write]) -> Draft:
        last = self.bundles[-1][1] if self.bundles else ""
        drafted = draft(
            self.snapshot, group, FLOATS, next_seq=self.next_seq, last_bundle=last,
            frozen_through=self.frozen_through,
        )  # fmt: skip
        self._store(drafted.change)
        self.results += drafted.results
        self.snapshot = drafted.after
        return drafted

    def _store(self, change: Change) -> None:
        for seq in change.dead.tolist():
            assert seq not in self.dead, "who is dead dies again"
            self.dead.add(seq)
        if (added := change.added) is not None:
            assert added.first_seq == self.next_seq
            self.next_seq = added.last_seq + 1
            self.batches.append(Segment(Container.of(added.batch, "a batch")))
            self.payloads += added.payloads
            self.bundles += added.bundles

    def live(self) -> list[tuple[int, str, dict[int, float], Any]]:
        """(seq, id, row, fields) of those in batches that are not dead."""
        found = []
        for one in self.batches:
            rows = rows_of(grid.vectors(one.rows(np.arange(one.documents)), DIMENSION))
            fields = columns.values(FLOATS.fields, one.columns, np.arange(one.documents))
            found += [
                (seq, one.id(row), rows[row], fields[row])
                for row, seq in enumerate(one.seqs.tolist())
                if seq not in self.dead
            ]
        return found


def seen(snapshot: Snapshot) -> list[tuple[int, str, dict[int, float], Any]]:
    """(seq, id, row, fields) of the live documents, in order."""
    found = []
    for part in snapshot.parts:
        segment, rows = part.segment, part.live_rows_by_seq()
        numbers = rows_of(grid.vectors(segment.rows(rows), DIMENSION))
        fields = columns.values(FLOATS.fields, segment.columns, rows)
        seqs = segment.seqs[rows].tolist()
        ids = [segment.id(row) for row in rows.tolist()]
        found += list(zip(seqs, ids, numbers, fields, strict=True))
    return found


@settings(max_examples=150, deadline=None)
@given(writes, writes, writes, st.integers(-1, 12))
def test_a_group_of_writes_equals_the_same_writes_one_by_one(
    before: Plan, plan: Plan, after: Plan, frozen_through: int
) -> None:
    together, apart = Catalog(frozen_through), Catalog(frozen_through)
    for write in made(before):
        together.commit([write])
        apart.commit([write])
    group = made(plan, first=len(before))
    if group:
        together.commit(group)
    for write in group:
        apart.commit([write])
    for write in made(after, first=len(before) + len(plan)):
        together.commit([write])
        apart.commit([write])
    assert together.results == apart.results
    assert seen(together.snapshot) == seen(apart.snapshot)
    assert together.live() == apart.live() == seen(together.snapshot)
    assert together.snapshot.generation == apart.snapshot.generation
    for name in ("dead", "payloads", "bundles", "next_seq"):
        assert getattr(together, name) == getattr(apart, name), name


@settings(max_examples=150, deadline=None)
@given(writes.filter(len))
def test_the_last_write_of_an_id_wins_and_counts_are_those_of_a_dict(plan: Plan) -> None:
    catalog = Catalog()
    catalog.commit(made(plan))
    stored: dict[str, int] = {}
    results: list[tuple[int, int]] = []
    seq = generation = 0
    for kind, names, _ in plan:
        died = 0
        for name in names:
            there = stored.pop(name, None) is not None
            if kind == "upsert":
                stored[name], seq = seq, seq + 1
            else:
                died += there
        generation += kind == "upsert" or died > 0
        results.append((died, generation))
    assert catalog.results == results
    assert [(id, seq) for seq, id, *_ in seen(catalog.snapshot)] == list(stored.items())
    assert (catalog.snapshot.generation, catalog.next_seq) == (generation, seq)


@settings(max_examples=100, deadline=None)
@given(writes.filter(len), st.data())
def test_deleting_rows_is_deleting_their_documents(plan: Plan, data: st.DataObject) -> None:
    catalog = Catalog()
    catalog.commit(made(plan))
    before = catalog.snapshot
    chosen = [
        np.array(sorted(data.draw(st.sets(st.sampled_from(part.live_rows().tolist() or [0])))
                        if part.live_count else []), np.int64)
        for part in before.parts
    ]  # fmt: skip
    drafted = draft_of_rows(before, chosen)
    died = {
        int(part.segment.seqs[row])
        for part, rows in zip(before.parts, chosen, strict=True)
        for row in rows.tolist()
    }
    assert set(drafted.change.dead.tolist()) == died
    assert drafted.results == [(len(died), before.generation + bool(died))]
    assert seen(drafted.after) == [one for one in seen(before) if one[0] not in died]


def test_what_a_flush_is_building_stays_apart_from_what_is_written_meanwhile() -> None:
    catalog = Catalog()
    for name in "abc":
        catalog.commit(made([("upsert", [name], "")]))
    frozen = [part.segment for part in catalog.snapshot.parts]
    catalog.frozen_through = 2
    for name in "adefg":
        catalog.commit(made([("upsert", [name], "")]))
    kept = [part.segment for part in catalog.snapshot.parts][: len(frozen)]
    assert all(one is other for one, other in zip(kept, frozen, strict=True))
    assert [id for _, id, *_ in seen(catalog.snapshot)] == list("bcadefg")


def test_a_snapshot_that_is_held_does_not_change() -> None:
    catalog = Catalog()
    catalog.commit(made([("upsert", ["a", "b"], "")]))
    held = catalog.snapshot
    before = seen(held)
    catalog.commit(made([("delete", ["a"], ""), ("upsert", ["b", "c"], "")]))
    assert seen(held) == before
    assert [id for _, id, *_ in seen(catalog.snapshot)] == ["b", "c"]
