"""Fields of a collection: filters keep what brute force keeps, wherever documents lie."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spladed.errors import InvalidInput
from spladed.index import Collection, CollectionSettings, Document, Field
from spladed.index.filter import Exists, Filter, Membership, Range, checked
from spladed.sparse import SparseBatch
from tests.index import declared
from tests.index.declared import Values

V = 10
FIELDS = (
    Field("a", "keyword"),
    Field("b", "keyword", True),
    Field("c", "integer", True),
    Field("d", "float"),
    Field("e", "boolean"),
    Field("f", "time"),
)
QUERY = SparseBatch.from_rows(V, [([1], [1.0])])


def rows(count: int) -> SparseBatch:
    return SparseBatch.from_rows(V, [([1], [1.0])] * count)


def upsert(collection: Collection, documents: Mapping[str, Values]) -> None:
    named = [Document(id, fields=fields) for id, fields in documents.items()]
    collection.upsert(named, rows(len(named)))


def ids_of(collection: Collection, filter: Filter) -> list[str]:
    """What the filter keeps, as a search and a scan agree on it."""
    hits, _ = collection.search(QUERY, 10_000, keep=filter)
    scan = collection.scan(keep=filter, with_documents=False)
    page = scan.page(max_documents=10_000, max_bytes=1 << 30)
    scan.close()
    assert [hit.id for hit in hits[0]] == [each.id for each in page.documents]
    return [hit.id for hit in hits[0]]


class Mirror:
    """A collection and what must be in it, in the order of writing."""

    def __init__(self, collection: Collection, filters: list[Filter]) -> None:
        self.collection = collection
        self.documents: dict[str, Values] = {}
        self.filters = filters

    def upsert(self, documents: Mapping[str, Values]) -> None:
        upsert(self.collection, documents)
        for id, fields in documents.items():
            self.documents.pop(id, None)
            self.documents[id] = fields
        self.check()

    def delete_kept(self, filter: Filter) -> None:
        gone = [id for id, fields in self.documents.items() if declared.keeps(filter, id, fields)]
        assert self.collection.delete_kept(filter)[0] == len(gone)
        for id in gone:
            del self.documents[id]
        self.check()

    def check(self) -> None:
        for filter in self.filters:
            assert ids_of(self.collection, filter) == [
                id for id, fields in self.documents.items() if declared.keeps(filter, id, fields)
            ]
        found = self.collection.get(list(self.documents)).documents
        assert {each.id: dict(each.fields) for each in found} == self.documents


def accepted(filter: Filter) -> bool:
    try:
        checked(filter, FIELDS)
    except InvalidInput:
        return False
    return True


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fields")


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_filters_see_the_same_in_buffer_segment_and_merge(
    folders: Path, data: st.DataObject
) -> None:
    path = folders / f"c-{len(list(folders.iterdir()))}"
    filters = data.draw(st.lists(declared.filters(FIELDS).filter(accepted), min_size=4, max_size=8))
    batches = [data.draw(declared.documents(FIELDS, max_size=30)) for _ in range(4)]
    collection = Collection.create(path, CollectionSettings(V, fields=FIELDS))
    mirror = Mirror(collection, filters)
    for number, batch in enumerate(batches):
        # Each batch replaces some of the one before.
        mirror.upsert({f"id-{number * 7 + row}": fields for row, fields in enumerate(batch)})
        if number % 2:
            collection.flush()
            mirror.check()
    mirror.delete_kept(filters[0])
    collection.compact()
    mirror.check()
    collection.close()
    with Collection.open(path) as mirror.collection:
        mirror.check()
        mirror.delete_kept(filters[1])


@pytest.fixture
def collection(tmp_path: Path) -> Any:
    with Collection.create(tmp_path / "c", CollectionSettings(V, fields=FIELDS)) as collection:
        yield collection


def test_what_does_not_fit_changes_nothing(collection: Collection) -> None:
    with pytest.raises(InvalidInput, match=r"documents\[1\]\.fields\.c\.values\[1\]") as caught:
        upsert(collection, {"x": {"c": (1, 2)}, "y": {"c": (1, "2")}})
    assert caught.value.reason == "FIELD_TYPE"
    with pytest.raises(InvalidInput, match="declared: a "):
        upsert(collection, {"x": {"nobody": (1,)}})
    assert collection.generation == 0
    for filter in (Exists("nobody"), Range("e", above=False), Membership("a", {1})):
        with pytest.raises(InvalidInput):
            collection.search(QUERY, 1, keep=filter)
        with pytest.raises(InvalidInput):
            collection.delete_kept(filter)


def test_values_are_what_they_were_after_merges(collection: Collection) -> None:
    rng = np.random.default_rng(0)
    written: dict[str, Values] = {}
    for turn in range(6):
        batch: dict[str, Values] = {
            f"{turn}-{row}": {"d": (float(rng.standard_normal()),), "b": (f"w{turn}", f"w{row}")}
            for row in range(50)
        }
        upsert(collection, batch)
        written |= batch
        collection.flush()
    collection.compact()
    found = collection.get(list(written)).documents
    assert {each.id: dict(each.fields) for each in found} == written
