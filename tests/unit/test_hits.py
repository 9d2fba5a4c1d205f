"""Hits have the bytes of the public messages, whatever their ids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spladed.index.hits import Names, Ranked
from spladed.index.values import Document
from spladed.rpc.hits import write_hits
from spladed.rpc.wire import view
from spladed.v1 import index_pb2 as pb

scores = st.floats(min_value=0, exclude_min=True, allow_infinity=False, allow_subnormal=True)


def ranked(hits: list[tuple[str, float]], documents: list[Document] | None = None) -> Ranked:
    encoded = [id.encode() + b"\0" for id, _ in hits]
    starts = np.cumsum([0, *map(len, encoded)])
    found = np.array([score for _, score in hits], np.float64)
    return Ranked(Names(b"".join(encoded), starts), found, documents)


def plain(hits: list[tuple[str, float]]) -> pb.Hits:
    return pb.Hits(hits=[pb.Hit(id=id, score=score) for id, score in hits])


@given(st.lists(st.tuples(st.text(min_size=1, max_size=40), scores)))
def test_the_bytes_are_those_of_the_public_message(hits: list[tuple[str, float]]) -> None:
    assert write_hits(pb.Projection(), ranked(hits)) == plain(hits).SerializeToString()


@pytest.mark.parametrize("length", [1, 115, 116, 117, 126, 127, 128, 129, 511, 512])
def test_ids_of_every_length_of_length(length: int) -> None:
    hits = [("x" * length, 1.5), ("y", 1.25)]
    assert write_hits(pb.Projection(), ranked(hits)) == plain(hits).SerializeToString()


def test_documents_come_as_the_projection_asks() -> None:
    document = Document("a", "text", '{"n": 1}', {"year": (2019,)})
    hits = pb.Hits.FromString(
        write_hits(pb.Projection(text=True), ranked([("a", 2.0)], [document]))
    )
    assert hits == pb.Hits(hits=[pb.Hit(id="a", score=2.0, document=pb.Document(text="text"))])


def test_a_reply_has_the_bytes_of_the_public_message() -> None:
    results = [plain([("a", 2.0), ("b", 1.0)]), pb.Hits(), plain([("c", 0.5)])]
    rest = {"generation": 7, "token_counts": [3, 0, 700], "truncated": [False, True, False]}
    raw = [each.SerializeToString() for each in results]
    reply = view.SearchResponse(results=raw, **rest).SerializeToString()
    assert reply == pb.SearchResponse(results=results, **rest).SerializeToString()
