"""Any order of writes, reads and restarts against a dict and brute force."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from spladed.index import Collection, Document, WeightFormat, grid

from .oracle import Row, batch, brute_force, collection, hits, rows_of

DIMENSION = 12
ids = st.sampled_from([*"abcdefgh", "ü", "a\x00b", "文" * 170])
rows = st.dictionaries(
    st.integers(0, DIMENSION - 1), st.floats(2**-14, 15.875, width=32), max_size=5
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


class CollectionModel(RuleBasedStateMachine):
    """`stored` is id -> (document, rounded row), in the order of acceptance."""

    @initialize(weight_format=st.sampled_from(["fixed16", "float32"]))
    def make(self, weight_format: WeightFormat) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.format: WeightFormat = weight_format
        self.collection = collection(self.folder, DIMENSION, weight_format)
        self.stored: dict[str, tuple[Document, Row]] = {}
        self.generation = 0

    @rule(items=st.dictionaries(ids, st.tuples(rows, texts, texts), max_size=6))
    def upsert(self, items: dict[str, tuple[Row, str, str]]) -> None:
        documents = [Document(id, text, meta) for id, (_, text, meta) in items.items()]
        vectors = batch(DIMENSION, *(row for row, _, _ in items.values()))
        self.generation += bool(items)
        assert self.collection.upsert(documents, vectors) == self.generation
        rounded = rows_of(grid.vectors(grid.to_grid(vectors, self.format), DIMENSION))
        for document, row in zip(documents, rounded, strict=True):
            self.stored.pop(document.id, None)
            self.stored[document.id] = (document, row)

    @rule(wanted=st.lists(ids, max_size=6))
    def delete(self, wanted: list[str]) -> None:
        there = [id for id in dict.fromkeys(wanted) if self.stored.pop(id, None)]
        self.generation += bool(there)
        assert self.collection.delete(wanted) == (len(there), self.generation)

    @rule()
    def reopen(self) -> None:
        self.collection.close()
        self.collection = Collection.open(self.folder / "c")

    @rule(wanted=st.lists(ids, max_size=6))
    def get(self, wanted: list[str]) -> None:
        found = self.collection.get(wanted, with_vectors=True)
        there = [id for id in wanted if id in self.stored]
        assert found.documents == [self.stored[id][0] for id in there]
        assert rows_of(found.vectors) == [self.stored[id][1] for id in there]
        assert found.missing == [id for id in wanted if id not in self.stored]

    @rule(query=rows, k=st.integers(1, 12))
    def search(self, query: Row, k: int) -> None:
        stored = [(id, row) for id, (_, row) in self.stored.items()]
        expected = brute_force(stored, query, k)
        assert hits(self.collection, batch(DIMENSION, query), k) == expected
        found, _ = self.collection.search(batch(DIMENSION, query), k, with_documents=True)
        assert [hit.document for hit in found[0]] == [self.stored[id][0] for id, _ in expected]

    @precondition(lambda self: self.stored)
    @rule(data=st.data(), query=rows)
    def explain(self, data: st.DataObject, query: Row) -> None:
        id = data.draw(st.sampled_from(sorted(self.stored)))
        (explained,) = self.collection.explain(batch(DIMENSION, query), [id])
        expected = brute_force([(id, self.stored[id][1])], query, 1)
        assert explained.score == (expected[0][1] if expected else 0.0)

    @invariant()
    def counts(self) -> None:
        stats = self.collection.stats()
        assert stats.generation == self.collection.generation == self.generation
        assert stats.documents == len(self.stored)
        assert stats.nnz == sum(len(row) for _, row in self.stored.values())
        assert stats.segments <= 5

    def teardown(self) -> None:
        if hasattr(self, "collection"):
            self.collection.close()
            shutil.rmtree(self.folder)


TestCollectionModel = CollectionModel.TestCase
TestCollectionModel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
