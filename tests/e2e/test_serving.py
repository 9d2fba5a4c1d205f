"""The straight line over a real socket: encode, index, search, explain, delete."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

import spladed
from spladed.bundle import Bundle
from spladed.client.aio import AsyncClient
from spladed.client.client import Client
from spladed.client.values import Document, SearchResult
from spladed.pruning import Pruning
from spladed.sparse import SparseBatch
from spladed.v1 import encoder_pb2, index_pb2
from tests.conftest import ServerProcess
from tests.e2e.stubs import SECONDS, Stubs

FOX = [
    Document("quick", "The quick brown fox jumps over the lazy dog."),
    Document("agile", "A fast, agile fox leaps across a sleeping canine."),
    Document("train", "How to train your dog for agility.", metadata={"lang": "en", "n": 3}),
    Document("history", "The history of the fox as a wild animal."),
]
QUERY = "fox and dog agility"


@pytest.fixture(scope="module")
def fox(client: Client) -> str:
    client.create_collection("fox")
    client.upsert("fox", FOX)
    return "fox"


@pytest.mark.parametrize(
    "how",
    [Pruning(top_terms=8), Pruning(threshold=0.5), Pruning(max_ratio=0.4), Pruning(alpha_mass=0.6)],
)
def test_light_terms_are_dropped_from_what_a_call_encodes(client: Client, how: Pruning) -> None:
    texts = [document.text for document in FOX]
    whole = client.encode(texts, kind="document").vectors
    expected = how.apply(whole)
    assert 0 < expected.nnz < whole.nnz
    found = client.encode(texts, kind="document", pruning=how).vectors
    (part,) = client.encode_many(texts, kind="document", pruning=how)
    for rows in (found, part.encoded.vectors):
        np.testing.assert_array_equal(rows.indptr, expected.indptr)
        np.testing.assert_array_equal(rows.indices, expected.indices)
        np.testing.assert_array_equal(rows.values, expected.values)


def test_light_terms_are_dropped_from_documents_and_queries(
    server: ServerProcess, client: Client
) -> None:
    how = Pruning(top_terms=6)
    options = encoder_pb2.EncodeOptions(pruning=encoder_pb2.Pruning(top_terms=6))
    client.create_collection("light")
    with Stubs(server) as stubs:
        documents = [index_pb2.Document(id=each.id, text=each.text) for each in FOX]
        upsert = index_pb2.UpsertRequest(collection="light", documents=documents, options=options)
        stubs.index.Upsert(upsert, timeout=SECONDS)
        search = index_pb2.SearchRequest(collection="light", texts=[QUERY], options=options)
        (hits,) = stubs.index.Search(search, timeout=SECONDS).results
    stored = client.get("light", [each.id for each in FOX], vectors=True).vectors
    assert stored is not None
    assert np.diff(stored.indptr).tolist() == [6] * len(FOX)
    query = how.apply(client.encode([QUERY], kind="query").vectors)
    assert [hit.id for hit in hits.hits] == [
        hit.id for hit in client.search("light", vectors=query).hits[0]
    ]


def test_golden_texts_come_back_as_the_exporter_wrote_them(client: Client) -> None:
    manifest = Bundle.open("builtin").manifest
    for golden, (indices, values) in zip(
        manifest.golden, manifest.golden_rows().rows(), strict=True
    ):
        encoded = client.encode([golden.text], kind=golden.kind)
        row = encoded.vectors.row(0)
        assert row[0].tolist() == indices.tolist()
        np.testing.assert_allclose(row[1], values, atol=1e-5)
        assert encoded.space_id == manifest.space_id
        assert encoded.bundle_id == manifest.bundle_id


def test_many_callers_at_once_get_their_own_rows(client: Client) -> None:
    texts = [f"{word} number {number}" for number in range(40) for word in ("dog", "a long river")]
    alone = [client.encode([text]).vectors.row(0) for text in texts]
    answers: list[SparseBatch] = [SparseBatch.empty(0)] * len(texts)

    def call(number: int) -> None:
        answers[number] = client.encode([texts[number]]).vectors

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(texts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answer, (indices, values) in zip(answers, alone, strict=True):
        assert answer.indices.tolist() == indices.tolist()
        np.testing.assert_allclose(answer.values, values, atol=1e-5)


def test_counts_and_truncation_are_told(client: Client) -> None:
    encoded = client.encode(["dog", "dog " * 1000], kind="document")
    longest = client.info().bundles[0].document_max_length
    assert list(encoded.token_counts) == [3, longest]
    assert list(encoded.truncated) == [False, True]
    assert list(client.encode(["dog " * 50], max_length=10).token_counts) == [10]


def test_a_long_text_in_windows_has_the_terms_of_them_all(client: Client) -> None:
    halves = ["the fox jumps over a river", "mortgage rates of a spring bank"]
    long = " ".join(halves)
    options = {"kind": "document", "max_length": 8, "chunk_overlap": 0}
    parts = client.encode(halves, kind="document").vectors
    whole = client.encode([long, halves[0]], long_text="chunk_max", **options)
    merged, alone = whole.vectors.row(0), whole.vectors.row(1)
    expected = parts.merged([2])
    assert merged[0].tolist() == expected.indices.tolist()
    np.testing.assert_allclose(merged[1], expected.values, atol=1e-5)
    assert alone[0].tolist() == parts.row(0)[0].tolist()
    (tokens, other) = client.tokenize([long, halves[0]], long_text="chunk_max", **options)
    assert [tokens.tokens.count("[CLS]"), other.tokens.count("[CLS]")] == [2, 1]
    assert list(whole.token_counts) == [len(tokens.tokens), len(other.tokens)] == [16, 8]
    assert list(whole.truncated) == [False, False]
    assert list(client.encode([long], **options).truncated) == [True]


def test_documents_and_queries_are_encoded_as_asked(client: Client) -> None:
    long = Document("long", "the fox jumps over a river and mortgage rates of a bank in spring")
    client.create_collection("windows")
    few = Pruning(top_terms=4)
    client.upsert("windows", [long], max_length=8)
    assert client.search("windows", texts=["bank mortgage"], pruning=few).hits == [[]]
    client.upsert("windows", [long], long_text="chunk_max", max_length=8)
    client.upsert_many("windows", [Document("cut", long.text)], max_length=8)
    (hits,) = client.search("windows", texts=["bank mortgage"], pruning=few).hits
    assert [hit.id for hit in hits] == ["long"]
    (why,) = client.explain("windows", "bank mortgage", ["long"], pruning=few)
    assert why.score == hits[0].score
    assert len(why.terms) <= 4


def test_tokens_and_vocabulary_agree(client: Client) -> None:
    (tokenized,) = client.tokenize(["Agility, of course"])
    vocabulary = client.vocabulary()
    assert tokenized.tokens[0] == "[CLS]"
    assert "##ility" in tokenized.tokens
    assert [vocabulary[token] for token in tokenized.ids] == tokenized.tokens
    assert len(vocabulary) == client.info().bundles[0].dimension


def test_the_tutorials_case_is_ranked_by_meaning(client: Client, fox: str) -> None:
    result = client.search(fox, texts=[QUERY], text=True, metadata=True)
    hits = result.hits[0]
    assert [hit.id for hit in hits] == ["train", "agile", "quick", "history"]
    assert hits[0].text == FOX[2].text
    assert hits[0].metadata == {"lang": "en", "n": 3}
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_a_vector_finds_what_its_text_finds(client: Client, fox: str) -> None:
    query = client.encode([QUERY], kind="query").vectors
    by_text = client.search(fox, texts=[QUERY]).hits[0]
    assert [(hit.id, hit.score) for hit in client.search(fox, vectors=query).hits[0]] == [
        (hit.id, hit.score) for hit in by_text
    ]


def test_several_queries_are_answered_in_order(client: Client, fox: str) -> None:
    texts = [QUERY, "wild animals of the past", "lazy canine"]
    together = client.search(fox, texts=texts, k=2).hits
    assert [len(hits) for hits in together] == [2, 2, 2]
    for text, hits in zip(texts, together, strict=True):
        alone = client.search(fox, texts=[text], k=2).hits[0]
        assert [hit.id for hit in hits] == [hit.id for hit in alone]


def test_an_approximate_search_takes_an_effort(
    server: ServerProcess, client: Client, fox: str
) -> None:
    exact = client.search(fox, texts=[QUERY]).hits[0]
    scores = {hit.id: hit.score for hit in exact}
    for effort in (0.0, 0.5, 0.9, 1.0):
        found = client.search(fox, texts=[QUERY], effort=effort).hits[0]
        assert all(scores[hit.id] == hit.score for hit in found), "what is found scores the same"
    assert found == exact, "an effort of 1 is exact"

    async def ask() -> SearchResult:
        async with AsyncClient(server.target) as other:
            return await other.search(fox, texts=[QUERY], effort=0.5)

    assert {hit.id for hit in asyncio.run(ask()).hits[0]} <= scores.keys()


def test_many_queries_at_once_get_what_each_gets_alone(client: Client) -> None:
    """Enough to be spread over the server's threads; ids of every kind of length."""
    rng = np.random.default_rng(5)
    terms = np.sort(rng.permuted(np.tile(np.arange(40), (2_400, 1)), axis=1)[:, :12])
    rows = SparseBatch.from_rows(40, [(each, rng.random(12) + 0.1) for each in terms])
    client.create_collection("crowd", dimension=40)
    for start in range(0, 2_000, 500):
        numbers = range(start, start + 500)
        documents = [Document(f"{'né' * (n % 80)}{n}", vector_row=n - start) for n in numbers]
        client.upsert("crowd", documents, vectors=rows.slice(start, start + 500))
    queries = rows.slice(2_000, 2_400)
    together = client.search("crowd", vectors=queries, k=20).hits
    assert [len(hits) for hits in together] == [20] * 400
    for number in range(0, 400, 7):
        alone = client.search("crowd", vectors=queries.slice(number, number + 1), k=20).hits[0]
        assert together[number] == alone


def test_an_explanation_adds_up_to_the_score_in_readable_words(client: Client, fox: str) -> None:
    hits = client.search(fox, texts=[QUERY]).hits[0]
    explanations = client.explain(fox, QUERY, [hit.id for hit in hits])
    for hit, explanation in zip(hits, explanations, strict=True):
        assert explanation.id == hit.id
        assert explanation.score == hit.score
        assert sum(term.contribution for term in explanation.terms) == pytest.approx(hit.score)
        for term in explanation.terms:
            assert term.contribution == pytest.approx(term.query_weight * term.document_weight)
    train = dict(explanations[0].words())
    assert "agility" in train  # "ag" and "##ility", joined
    assert not any(word.startswith(("##", "-ility")) for word in train)


def test_explaining_a_vector_gives_the_same_numbers(client: Client, fox: str) -> None:
    query = client.encode([QUERY], kind="query").vectors
    by_vector, by_text = (
        client.explain(fox, query, ["agile"]),
        client.explain(fox, QUERY, ["agile"]),
    )
    assert [(term.term, term.contribution) for term in by_vector[0].terms] == [
        (term.term, term.contribution) for term in by_text[0].terms
    ]


def test_get_returns_the_stored_numbers_for_ever(client: Client, fox: str) -> None:
    sent = client.encode([FOX[0].text], kind="document").vectors
    found = client.get(fox, ["quick", "nobody"], vectors=True)
    assert found.vectors is not None
    assert list(found.missing_ids) == ["nobody"]
    assert found.documents[0].text == FOX[0].text
    grid = np.round(sent.values * 4096) / 4096
    assert found.vectors.values.tolist() == grid[grid > 0].tolist()
    again = client.get(fox, ["quick"], vectors=True).vectors
    assert again is not None
    assert again.values.tobytes() == found.vectors.values.tobytes()


def test_delete_and_replace(client: Client) -> None:
    client.create_collection("changes")
    first = client.upsert("changes", FOX)
    deleted = client.delete("changes", ["quick", "nobody", "history"])
    assert (deleted.deleted, deleted.generation > first.generation) == (2, True)
    assert {hit.id for hit in client.search("changes", texts=[QUERY]).hits[0]} == {"agile", "train"}
    client.upsert("changes", [Document("agile", "Bread is baked from flour and water.")])
    found = client.get("changes", ["agile"])
    assert found.documents[0].text == "Bread is baked from flour and water."
    assert client.collection("changes").documents == 2
    client.delete_collection("changes")
    assert "changes" not in {each.name for each in client.collections()}


def test_texts_and_vectors_may_stand_in_one_upsert(client: Client) -> None:
    client.create_collection("mixed")
    rows = client.encode(["bread and flour", "rivers and lakes"], kind="document").vectors
    documents = [
        Document("lake", "kept as it is", vector_row=1),
        Document("dog", "How to train your dog"),
        Document("bread", vector_row=0),
    ]
    upserted = client.upsert("mixed", documents, vectors=rows)
    assert [count > 0 for count in upserted.token_counts] == [False, True, False]
    for query, best in (("flour", "bread"), ("lakes", "lake"), ("dogs", "dog")):
        assert client.search("mixed", texts=[query]).hits[0][0].id == best
    assert client.get("mixed", ["lake"]).documents[0].text == "kept as it is"


def test_bare_vectors_need_no_model(client: Client) -> None:
    description = client.create_collection("bare", dimension=7, weight_format="float32")
    assert (description.space_id, description.dimension) == ("", 7)
    rows = SparseBatch.from_rows(7, [([0, 3], [1.5, 100.25]), ([6], [0.1]), ([], [])])
    client.upsert("bare", [Document(str(row), vector_row=row) for row in range(3)], vectors=rows)
    query = SparseBatch.from_rows(7, [([0, 6], [2.0, 1.0])])
    hits = client.search("bare", vectors=query).hits[0]
    assert [(hit.id, round(hit.score, 5)) for hit in hits] == [("0", 3.0), ("1", 0.1)]
    (explanation,) = client.explain("bare", query, ["0"])
    assert [(term.term, term.token) for term in explanation.terms] == [(0, "")]


def test_stats_count_what_is_there(client: Client, fox: str) -> None:
    stats = client.stats(fox)
    assert stats.documents == 4
    assert stats.weights > 100
    assert stats.disk_bytes > 0
    assert stats.generation == client.collection(fox).generation


def test_health_and_reflection_answer(server: ServerProcess) -> None:
    with grpc.insecure_channel(server.target) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", "spladed.v1.Encoder", "spladed.v1.Index"):
            reply = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
            assert reply.status == health_pb2.HealthCheckResponse.SERVING
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        (reply,) = stub.ServerReflectionInfo(iter([request]), timeout=10)
        names = {service.name for service in reply.list_services_response.service}
        assert {"spladed.v1.Encoder", "spladed.v1.Index", "spladed.v1.Admin"} <= names


def test_the_library_and_the_server_make_the_same_rows(client: Client) -> None:
    encoder = spladed.Encoder.load("builtin")
    texts = [each.text for each in FOX]
    ours, theirs = encoder.encode(texts, kind="document"), client.encode(texts).vectors
    assert ours.indices.tolist() == theirs.indices.tolist()
    np.testing.assert_allclose(ours.values, theirs.values, atol=1e-5)


def test_the_package_holds_the_bundle_and_its_report() -> None:
    folder = Path(spladed.__file__).with_name("builtin")
    report = json.loads((folder / "spladed.json").read_text("utf-8"))["verification"]
    assert report
    assert sum(file.stat().st_size for file in folder.iterdir()) < 12_000_000
