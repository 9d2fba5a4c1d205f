"""Any order of writes, reads, upkeep and restarts against a dict and brute force."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from spladed.index import Collection, Document, Field, Scoring, Upkeep, WeightFormat
from spladed.index.filter import AllOf, AnyOf, Exists, Filter, Ids, Membership, Not, Range
from spladed.index.scan import Scan
from spladed.index.values import Value
from spladed.index.view import View

from .declared import keeps
from .oracle import FORMATS, SCORINGS, Row, batch, brute_force, collection, rounded, rows_of, score

DIMENSION = 12
FIELDS = (Field("color", "keyword"), Field("n", "integer", list=True))

ids = st.sampled_from([*"abcdefgh", "ü", "a\x00b", "文" * 170])
rows = st.dictionaries(
    st.integers(0, DIMENSION - 1), st.floats(2**-14, 15.875, width=32), max_size=5
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
colors = st.sampled_from(["", "red", "green", "ü"])
numbers = st.integers(-3, 3) | st.sampled_from([-(2**63), 2**63 - 1])


def with_fields(color: str | None, ns: list[int]) -> dict[str, tuple[Value, ...]]:
    found: dict[str, tuple[Value, ...]] = {} if color is None else {"color": (color,)}
    return found | ({"n": tuple(ns)} if ns else {})


fields = st.builds(with_fields, st.none() | colors, st.lists(numbers, max_size=3))
items = st.dictionaries(ids, st.tuples(rows, texts, texts, fields), max_size=6)
leaves: st.SearchStrategy[Filter] = (
    st.builds(Ids, st.frozensets(ids))
    | st.sampled_from([Exists("color"), Exists("n")])
    | st.builds(Membership, st.just("color"), st.frozensets(colors, min_size=1))
    | st.builds(Membership, st.just("n"), st.frozensets(numbers, min_size=1))
    | st.builds(lambda low: Range("n", at_least=low), numbers)
    | st.builds(lambda high: Range("color", at_most=high), colors)
)
filters = st.recursive(
    leaves,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(AllOf, st.lists(inner, min_size=1, max_size=2))
        | st.builds(AnyOf, st.lists(inner, min_size=1, max_size=2))
    ),
    max_leaves=3,
)

# id -> (document, rounded row), in the order of acceptance.
Stored = dict[str, tuple[Document, Row]]


class CollectionModel(RuleBasedStateMachine):
    """`stored` is what the collection must hold, `kept` the backup and what it holds."""

    background = False

    @initialize(
        weight_format=st.sampled_from(FORMATS),
        how=st.sampled_from(SCORINGS),
        flush_documents=st.sampled_from([2, 5, 10_000]),
    )
    def make(self, weight_format: WeightFormat, how: Scoring, flush_documents: int) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.format: WeightFormat = weight_format
        self.how = how
        self.upkeep = Upkeep(flush_documents, max_flushes=1_000, background=self.background)
        self.collection = collection(
            self.folder, DIMENSION, weight_format, scoring=how, fields=FIELDS, upkeep=self.upkeep
        )
        self.path = self.folder / "c"
        self.stored: Stored = {}
        self.generation = 0
        self.kept: tuple[Path, Stored, int] | None = None
        self.held = ExitStack()
        self.views: list[tuple[View, Stored, int]] = []
        self.folders = 0

    # Writes.

    def replace(self, documents: list[Document], given: list[Row]) -> None:
        numbers = rounded(batch(DIMENSION, *given), self.format)
        for document, row in zip(documents, numbers, strict=True):
            self.stored.pop(document.id, None)
            self.stored[document.id] = (document, row)

    @rule(items=items)
    def upsert(self, items: dict[str, tuple[Row, str, str, dict[str, tuple[Value, ...]]]]) -> None:
        documents = [Document(id, one[1], one[2], one[3]) for id, one in items.items()]
        given = [row for row, *_ in items.values()]
        self.generation += bool(items)
        assert self.collection.upsert(documents, batch(DIMENSION, *given)) == self.generation
        self.replace(documents, given)

    @rule(parts=st.lists(st.lists(st.tuples(ids, rows, texts), max_size=6), max_size=3))
    def load(self, parts: list[list[tuple[str, Row, str]]]) -> None:
        """The last of each id counts; the order is that of those."""
        every = [one for part in parts for one in part]
        before = len(self.stored)
        with self.collection.load() as load:
            for part in parts:
                documents = [Document(id, text) for id, _, text in part]
                vectors = batch(DIMENSION, *(row for _, row, _ in part))
                load.add([id for id, _, _ in part], vectors, documents)
        last = {id: number for number, (id, _, _) in enumerate(every)}
        chosen = [every[number] for number in sorted(last.values())]
        self.replace([Document(id, text) for id, _, text in chosen], [row for _, row, _ in chosen])
        assert load.loaded == load.durable == len(every)
        assert load.replaced == before + len(every) - len(self.stored)
        self.generation += bool(every)

    @rule(wanted=st.lists(ids, max_size=6))
    def delete(self, wanted: list[str]) -> None:
        there = [id for id in dict.fromkeys(wanted) if self.stored.pop(id, None)]
        self.generation += bool(there)
        assert self.collection.delete(wanted) == (len(there), self.generation)

    @rule(keep=filters)
    def delete_kept(self, keep: Filter) -> None:
        gone = [id for id, (one, _) in self.stored.items() if keeps(keep, id, one.fields)]
        for id in gone:
            del self.stored[id]
        self.generation += bool(gone)
        assert self.collection.delete_kept(keep) == (len(gone), self.generation)

    # What changes nothing.

    @rule()
    def flush(self) -> None:
        assert self.collection.flush() == self.generation

    @rule()
    def compact(self) -> None:
        assert self.collection.compact().generation == self.generation
        assert self.collection.stats().segments <= 1
        assert self.collection.stats().deleted == 0

    @rule()
    def reopen(self) -> None:
        self.release()
        self.collection.close()
        self.collection = Collection.open(self.path, upkeep=self.upkeep)

    @rule()
    def backup(self) -> None:
        self.folders += 1
        folder = self.folder / f"backup-{self.folders}"
        assert self.collection.backup(folder).generation == self.generation
        self.kept = folder, dict(self.stored), self.generation

    @precondition(lambda self: self.kept)
    @rule()
    def restore(self) -> None:
        """Everything goes on from the backup."""
        assert self.kept is not None
        self.release()
        self.collection.close()
        self.folders += 1
        self.path = self.folder / f"c-{self.folders}"
        folder, self.stored, self.generation = self.kept[0], dict(self.kept[1]), self.kept[2]
        Collection.restore(folder, self.path).close()
        self.collection = Collection.open(self.path, upkeep=self.upkeep)

    @precondition(lambda self: len(self.views) < 3)
    @rule()
    def hold(self) -> None:
        view = self.held.enter_context(self.collection.snapshot())
        self.views.append((view, dict(self.stored), self.generation))

    @rule()
    def release(self) -> None:
        self.held.close()
        self.views.clear()

    # Reads.

    @rule(wanted=st.lists(ids, max_size=6))
    def get(self, wanted: list[str]) -> None:
        found = self.collection.get(wanted, with_vectors=True)
        there = [id for id in wanted if id in self.stored]
        assert found.documents == [self.stored[id][0] for id in there]
        assert rows_of(found.vectors) == [self.stored[id][1] for id in there]
        assert found.missing == [id for id in wanted if id not in self.stored]

    @rule(query=rows, k=st.integers(1, 12), keep=st.none() | filters)
    def search(self, query: Row, k: int, keep: Filter | None) -> None:
        vectors, expected = batch(DIMENSION, query), self.best(self.stored, query, k, keep)
        found, generation = self.collection.search(vectors, k, keep=keep, with_documents=True)
        assert [(hit.id, hit.score) for hit in found[0]] == expected
        assert [hit.document for hit in found[0]] == [self.stored[id][0] for id, _ in expected]
        assert generation == self.generation

    @rule(query=rows, keep=st.none() | filters)
    def search_what_is_held(self, query: Row, keep: Filter | None) -> None:
        for view, stored, generation in self.views:
            (found,) = view.search(batch(DIMENSION, query), 5, keep=keep, with_documents=True)
            expected = self.best(stored, query, 5, keep)
            assert [(hit.id, hit.score) for hit in found] == expected
            assert [hit.document for hit in found] == [stored[id][0] for id, _ in expected]
            assert (view.generation, len(view)) == (generation, len(stored))
            got = view.get(list(stored), with_vectors=True)
            assert rows_of(got.vectors) == [row for _, row in stored.values()]

    @rule(query=rows)
    def explain(self, query: Row) -> None:
        explained = self.collection.explain(batch(DIMENSION, query), list(self.stored))
        for one in explained:
            row = self.stored[one.id][1]
            assert one.score == score(query, row, self.how)
            assert {term.term for term in one.terms} == query.keys() & row.keys()
            assert all(term.document_weight == row[term.term] for term in one.terms)

    @rule(size=st.integers(1, 4), keep=st.none() | filters)
    def scan(self, size: int, keep: Filter | None) -> None:
        expected = [
            (one, row) for id, (one, row) in self.stored.items()
            if keep is None or keeps(keep, id, one.fields)
        ]  # fmt: skip
        scan = self.collection.scan(keep=keep, with_vectors=True)
        assert scanned(scan, size) == expected

    @rule(query=rows)
    def follow(self, query: Row) -> None:
        """A reader beside it sees what it wrote."""
        with Collection.open(self.path, read_only=True) as reader:
            assert scanned(reader.scan(with_vectors=True), 100) == list(self.stored.values())
            found, generation = reader.search(batch(DIMENSION, query), 5)
            expected = self.best(self.stored, query, 5, None)
            assert [(hit.id, hit.score) for hit in found[0]] == expected
            assert generation == reader.generation == self.generation

    def best(
        self, stored: Stored, query: Row, k: int, keep: Filter | None
    ) -> list[tuple[str, float]]:
        kept = [
            (id, row) for id, (one, row) in stored.items()
            if keep is None or keeps(keep, id, one.fields)
        ]  # fmt: skip
        return brute_force(kept, query, k, self.how)

    @invariant()
    def counts(self) -> None:
        stats = self.collection.stats()
        assert stats.generation == self.collection.generation == self.generation
        assert stats.documents == len(self.stored)
        assert stats.nnz == sum(len(row) for _, row in self.stored.values())
        assert stats.segments <= 12 or self.background

    def teardown(self) -> None:
        if hasattr(self, "collection"):
            self.held.close()
            self.collection.close()
            shutil.rmtree(self.folder)


def scanned(scan: Scan, size: int) -> list[tuple[Document, Row]]:
    """All documents and rows, in pages of this size."""
    found: list[tuple[Document, Row]] = []
    while (page := scan.page(max_documents=size, max_bytes=10_000)).documents:
        found += zip(page.documents, rows_of(page.vectors), strict=True)
    scan.close()
    return found


class BackgroundModel(CollectionModel):
    """The same, while child processes flush and merge whenever they come to it."""

    background = True


TestCollectionModel = CollectionModel.TestCase
TestCollectionModel.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestBackgroundModel = BackgroundModel.TestCase
TestBackgroundModel.settings = settings(max_examples=3, stateful_step_count=40, deadline=None)
