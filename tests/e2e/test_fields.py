"""Declared fields over the wire: every type, every condition, and what is refused."""

from __future__ import annotations

import asyncio
import math
import signal
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from spladed import errors
from spladed.client.aio import AsyncClient
from spladed.client.client import Client
from spladed.client.filters import Filter, field, ids
from spladed.client.values import Document, Field, Scoring
from spladed.rpc.status import from_call
from spladed.sparse import SparseBatch
from spladed.v1 import index_pb2 as pb
from tests.conftest import ServerProcess
from tests.e2e.stubs import SECONDS, Stubs

V = 20
FIELDS = [
    Field("word", "keyword"),
    Field("tags", "keyword", list=True),
    Field("year", "integer"),
    Field("years", "integer", list=True),
    Field("price", "float"),
    Field("open", "boolean"),
    Field("at", "time"),
]
NOW = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)
# d-3 has every value at an end of its type, d-4 none.
VALUES: list[dict[str, Any]] = [
    {"word": "fox", "tags": ["red", "quick"], "year": 2019, "price": 0.5, "open": True, "at": NOW},
    {"word": "dog", "tags": ["lazy"], "year": 2020, "years": [1, 5], "price": 3.0, "open": False},
    {"word": "été", "tags": ["red"], "years": [7], "at": NOW - timedelta(days=400)},
    {
        "word": "",
        "year": -(2**63),
        "years": (2**63 - 1, 0),
        "price": -math.inf,
        "at": datetime(1, 1, 1, tzinfo=UTC),
    },
    {},
]


def rows(count: int) -> SparseBatch:
    """Document i scores 1 + i / 4 for term 0."""
    return SparseBatch.from_rows(V, [([0], [1 + row / 4]) for row in range(count)])


def fill(client: Client, name: str) -> str:
    client.create_collection(name, dimension=V, fields=FIELDS)
    documents = [
        Document(f"d-{row}", vector_row=row, fields=values) for row, values in enumerate(VALUES)
    ]
    client.upsert(name, documents, vectors=rows(len(VALUES)))
    return name


@pytest.fixture(scope="module")
def filled(client: Client) -> str:
    return fill(client, "with-fields")


@pytest.fixture(scope="module")
def stubs(server: ServerProcess) -> Iterator[Stubs]:
    with Stubs(server) as stubs:
        yield stubs


def as_given(values: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    return {
        name: tuple(each) if isinstance(each, (list, tuple)) else (each,)
        for name, each in values.items()
    }


def test_settings_come_back_as_declared(client: Client, filled: str) -> None:
    described = client.collection(filled)
    assert (described.fields, described.scoring) == (FIELDS, Scoring())
    for number, scoring in enumerate([Scoring("cosine"), Scoring("saturation", 0.5, 0.75)]):
        made = client.create_collection(f"scored-{number}", dimension=V, scoring=scoring)
        assert made.scoring == scoring
        assert client.collection(f"scored-{number}") == made


def test_values_come_back_with_their_types(client: Client, filled: str) -> None:
    found = client.get(filled, [f"d-{row}" for row in range(5)], vectors=True)
    assert [each.fields for each in found.documents] == [as_given(each) for each in VALUES]
    assert repr(found.documents[0].fields["at"]) == repr((NOW,))
    (page,) = client.scan(filled)
    assert [each.fields for each in page.documents] == [as_given(each) for each in VALUES]
    search = client.search(filled, vectors=rows(1), fields=True)
    assert [hit.fields for hit in search.hits[0]] == [as_given(each) for each in VALUES[::-1]]
    bare = client.get(filled, ["d-0"], fields=False).documents[0]
    assert bare.fields == {}
    assert client.search(filled, vectors=rows(1)).hits[0][4].fields == {}


word, tags, year, years = field("word"), field("tags"), field("year"), field("years")
price, open_, at = field("price"), field("open"), field("at")

KEPT: dict[str, tuple[Filter, list[int]]] = {
    "a keyword": (word == "dog", [1]),
    "an empty keyword": (word == "", [3]),
    "one of several keywords": (word.is_in(["été", "fox", "nobody"]), [0, 2]),
    "keywords by their bytes": (word > "fox", [2]),
    "a tag of a list": (tags == "red", [0, 2]),
    "a range over a list": (tags.within(at_least="m", below="r"), [0]),
    "an integer": (year == 2020, [1]),
    "a range of integers": (year.within(at_least=2019, below=2020), [0]),
    "the least integer": (year <= -(2**63), [3]),
    "nothing above the greatest": (years > 2**63 - 1, []),
    "one value within, of a list": (years.within(above=1, below=5), []),
    "any value of a list": ((years > 1) & (years < 5), [1, 3]),
    "a float": (price == 0.5, [0]),
    "an integer for a float": (price >= 3, [1]),
    "below every number": (price < -1e308, [3]),
    "true": (open_ == True, [0]),  # noqa: E712  # a filter, no truth
    "false": (open_ == False, [1]),  # noqa: E712
    "a time": (at == NOW.astimezone(timezone(timedelta(hours=5))), [0]),
    "a time, a microsecond later": (at > NOW - timedelta(microseconds=1), [0]),
    "before a time": (at < NOW, [2, 3]),
    "what has a value": (price.exists(), [0, 1, 3]),
    "what has none": (~open_.exists(), [2, 3, 4]),
    "not equal, or no value": (year != 2020, [0, 2, 3, 4]),
    "ids": (ids(["d-1", "d-4", "nobody"]), [1, 4]),
    "all of": ((tags == "red") & (year == 2019) & ~ids(["d-2"]), [0]),
    "any of": ((word == "dog") | (at < NOW) | ids(["d-4"]), [1, 2, 3, 4]),
    "nested": (~((tags == "red") | (open_.exists() & (year > 2019))), [3, 4]),
}


@pytest.mark.parametrize("name", KEPT)
def test_a_filter_keeps_what_it_says(client: Client, filled: str, name: str) -> None:
    filter, kept = KEPT[name]
    expected = [f"d-{row}" for row in kept]
    pages = client.scan(filled, filter=filter, fields=False)
    assert [each.id for page in pages for each in page.documents] == expected
    found = client.search(filled, vectors=rows(1), k=10, filter=filter)
    assert [hit.id for hit in found.hits[0]] == expected[::-1]
    best = client.search(filled, vectors=rows(1), k=1, filter=filter)
    assert [hit.id for hit in best.hits[0]] == expected[::-1][:1], "the best of the kept"


def test_deleting_by_filter(client: Client) -> None:
    name = fill(client, "deleted-by-field")
    before = client.stats(name).generation
    assert client.delete_by_filter(name, (tags == "red") | (year < 0)).deleted == 3
    assert [each.id for page in client.scan(name) for each in page.documents] == ["d-1", "d-4"]
    assert client.delete_by_filter(name, tags == "red").deleted == 0
    assert client.delete_by_filter(name, ~word.exists()).generation == before + 2


def test_a_replacement_has_its_own_values(client: Client) -> None:
    name = fill(client, "replaced-fields")
    client.upsert(name, [Document("d-0", vector_row=0, fields={"year": 1}),
                         Document("d-1", vector_row=0)], vectors=rows(1))  # fmt: skip
    found = client.search(name, vectors=rows(1), filter=year.exists(), fields=True)
    assert [(hit.id, hit.fields) for hit in found.hits[0]] == [
        ("d-3", as_given(VALUES[3])),
        ("d-0", {"year": (1,)}),
    ]


def test_the_asyncio_client_says_the_same(server: ServerProcess, filled: str) -> None:
    async def ask() -> None:
        async with AsyncClient(server.target) as client:
            made = await client.create_collection(
                "aio-fields", dimension=V, fields=FIELDS, scoring=Scoring("cosine")
            )
            assert (made.fields, made.scoring) == (FIELDS, Scoring("cosine"))
            pages = [page async for page in client.scan(filled, filter=year == 2020)]
            assert [each.fields for page in pages for each in page.documents] == [
                as_given(VALUES[1])
            ]
            found = await client.search(filled, vectors=rows(1), filter=year > 0, fields=True)
            assert [hit.id for hit in found.hits[0]] == ["d-1", "d-0"]
            got = await client.get(filled, ["d-0"])
            assert got.documents[0].fields == as_given(VALUES[0])
            document = Document("x", vector_row=0, fields={"year": 7})
            await client.upsert("aio-fields", [document], vectors=rows(1))
            assert (await client.delete_by_filter("aio-fields", year == 7)).deleted == 1
            with pytest.raises(errors.InvalidInput):
                async for _ in client.scan(filled, filter=field("x").exists()):
                    pass

    asyncio.run(ask())


def upserting(fields: dict[str, Any]) -> Callable[[Client, str], object]:
    document = Document("new", vector_row=0, fields=fields)
    return lambda client, name: client.upsert(
        name, [Document("ok", vector_row=0), document], vectors=rows(1)
    )


def searching(filter: Filter) -> Callable[[Client, str], object]:
    return lambda client, name: client.search(name, vectors=rows(1), filter=filter)


def scanning(filter: Filter) -> Callable[[Client, str], object]:
    return lambda client, name: list(client.scan(name, filter=filter))


def deleting(filter: Filter) -> Callable[[Client, str], object]:
    return lambda client, name: client.delete_by_filter(name, filter)


def declaring(*fields: Field) -> Callable[[Client, str], object]:
    return lambda client, _: client.create_collection("never", dimension=V, fields=fields)


def scoring(scoring: Scoring) -> Callable[[Client, str], object]:
    return lambda client, _: client.create_collection("never", dimension=V, scoring=scoring)


REFUSED: dict[str, tuple[Callable[[Client, str], object], str, str]] = {
    "a document's undeclared field": (
        upserting({"colour": "red"}), "FIELD", "documents[1].fields"
    ),
    "a document's wrong type": (
        upserting({"year": "2020"}), "FIELD_TYPE", "documents[1].fields.year.values[0]"
    ),
    "a wrong type in a list": (
        upserting({"tags": ["a", 1]}), "FIELD_TYPE", "documents[1].fields.tags.values[1]"
    ),
    "several values of no list": (
        upserting({"year": [1, 2]}), "FIELD_VALUE", "documents[1].fields.year"
    ),
    "not a number": (
        upserting({"price": math.nan}), "FIELD_VALUE", "documents[1].fields.price.values[0]"
    ),
    "a keyword of too many bytes": (
        upserting({"word": "é" * 16_384}), "FIELD_VALUE", "documents[1].fields.word.values[0]"
    ),
    "an undeclared field searched": (
        searching((year > 1) & field("colour").exists()), "FIELD",
        "filter.all_of.filters[1].exists",
    ),
    "an undeclared field scanned": (
        scanning(field("colour") == "red"), "FIELD", "filter.membership.field"
    ),
    "an undeclared field deleted": (
        deleting(~(field("colour") < "red")), "FIELD", "filter.negation.range.field"
    ),
    "a wrong type searched": (
        searching(year.is_in([1, "2020"])), "FIELD_TYPE", "filter.membership.values[1]"
    ),
    "a wrong type scanned": (scanning(word >= 1), "FIELD_TYPE", "filter.range.at_least"),
    "a wrong type deleted": (deleting(open_ == 1), "FIELD_TYPE", "filter.membership.values[0]"),
    "a range of booleans": (searching(open_ >= False), "FILTER", "filter.range.field"),
    "an empty range": (deleting(year.within(above=5, below=5)), "FILTER", "filter.range"),
    "no values": (deleting(~year.is_in([])), "FILTER", "filter.negation.membership.values"),
    "NaN as a bound": (searching(price > math.nan), "FIELD_VALUE", "filter.range.above"),
    "a name twice": (
        declaring(Field("a", "float"), Field("a", "time")), "FIELD_DECLARATION",
        "settings.fields[1].name",
    ),
    "no name": (declaring(Field("", "float")), "FIELD_DECLARATION", "settings.fields[0].name"),
    "a long name": (
        declaring(Field("n" * 33, "float")), "FIELD_DECLARATION", "settings.fields[0].name"
    ),
    "a power of 0": (
        scoring(Scoring("saturation", 0.0, 1.0)), "SCORING",
        "settings.scoring.saturation.query_power",
    ),
    "a negative power": (
        scoring(Scoring("saturation", 1.0, -2.0)), "SCORING",
        "settings.scoring.saturation.document_power",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_named(client: Client, filled: str, name: str) -> None:
    call, reason, place = REFUSED[name]
    with pytest.raises(errors.InvalidInput) as caught:
        call(client, filled)
    assert (caught.value.reason, caught.value.field) == (reason, place)
    assert client.stats(filled).documents == 5, "nothing was written"
    assert "never" not in [each.name for each in client.collections()]


def test_an_undeclared_field_comes_with_those_declared(client: Client, filled: str) -> None:
    with pytest.raises(errors.InvalidInput, match=r"'colour'.*word \(keyword\), tags \(list of"):
        client.search(filled, vectors=rows(1), filter=field("colour").exists())


def test_of_many_only_what_does_not_fit_is_left_out(client: Client) -> None:
    client.create_collection("bulk-fields", dimension=V, fields=FIELDS)
    documents = [
        Document(f"d-{row}", vector_row=0, fields={"year": "7" if row == 5 else row})
        for row in range(10)
    ]
    done = client.upsert_many("bulk-fields", documents, vectors=rows(1))
    assert done.upserted == 9
    (failure,) = done.failures
    assert (failure.position, failure.error.reason) == (5, "FIELD_TYPE")
    found = client.search("bulk-fields", vectors=rows(1), filter=year.within(at_least=3, below=7))
    assert [hit.id for hit in found.hits[0]] == ["d-3", "d-4", "d-6"]


def refused(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error = from_call(caught.value)
    assert type(error) is errors.InvalidInput
    return error.reason, error.field


def test_what_only_another_language_can_send_is_named(stubs: Stubs, filled: str) -> None:
    fine = pb.FieldValue(time=Timestamp(seconds=1, nanos=1))
    for given, place in ((fine, ".time"), (pb.FieldValue(), "")):
        document = pb.Document(id="x", text="x", fields={"at": pb.FieldValues(values=[given])})
        upsert = pb.UpsertRequest(collection=filled, documents=[document])
        assert refused(lambda upsert=upsert: stubs.index.Upsert(upsert, timeout=SECONDS)) == (
            "FIELD_VALUE",
            f"documents[0].fields.at.values[0]{place}",
        )
    untyped = pb.FieldDeclaration(name="a")
    assert refused(lambda: stubs.create("never", dimension=V, fields=[untyped])) == (
        "ENUM",
        "settings.fields[0].type",
    )


def test_saturation_and_cosine_score_as_they_say(client: Client) -> None:
    vectors = SparseBatch.from_rows(V, [([1, 2], [3.0, 4.0]), ([1], [0.25])])
    documents = [Document("a", vector_row=0), Document("b", vector_row=1)]
    query = SparseBatch.from_rows(V, [([1], [2.25])])
    expected = {
        Scoring("cosine"): [("b", 1.0), ("a", 0.6)],
        Scoring("saturation", 0.5, 0.5): [("a", 1.5 * math.sqrt(3)), ("b", 0.75)],
    }
    for number, (scoring, hits) in enumerate(expected.items()):
        name = f"formula-{number}"
        client.create_collection(name, dimension=V, scoring=scoring)
        client.upsert(name, documents, vectors=vectors)
        found = client.search(name, vectors=query).hits[0]
        assert [hit.id for hit in found] == [id for id, _ in hits]
        assert [hit.score for hit in found] == pytest.approx([score for _, score in hits])
        explained = client.explain(name, query, [hit.id for hit in found])
        assert [each.score for each in explained] == [hit.score for hit in found]


def test_fields_outlive_a_restart(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server()
    with Client(server.target) as client:
        fill(client, "kept-fields")
    server.end(signal.SIGKILL)
    server.start()
    with Client(server.target) as client:
        (page,) = client.scan("kept-fields", filter=word.exists())
        assert [each.fields for each in page.documents] == [as_given(each) for each in VALUES[:4]]
        assert client.collection("kept-fields").fields == FIELDS
