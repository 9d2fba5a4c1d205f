from __future__ import annotations

import pytest
from google.protobuf.descriptor import MethodDescriptor

from spladed.rpc.rules import RULES
from spladed.v1 import admin_pb2, encoder_pb2, index_pb2
from spladed.v1.sparse_pb2 import SparseBatch

METHODS = {
    method.full_name: method
    for file in (encoder_pb2, index_pb2, admin_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


def test_every_method_of_the_contract_has_a_rule_and_nothing_else_has() -> None:
    assert set(RULES) == set(METHODS)


def test_what_operates_the_server_asks_for_admin() -> None:
    assert {RULES[name].scope for name in METHODS if ".Admin." in name} == {"admin"}


CHANGES = ("Upsert", "UpsertStream", "Delete", "DeleteByFilter")


def test_what_changes_documents_asks_for_write_and_only_that() -> None:
    assert {name.rpartition(".")[2] for name in RULES if RULES[name].scope == "write"} == set(
        CHANGES
    )


def _has_texts(method: MethodDescriptor) -> bool:
    fields = method.input_type.fields_by_name
    if "request" in fields:
        fields = fields["request"].message_type.fields_by_name
    return bool({"texts", "text", "documents"} & set(fields))


@pytest.mark.parametrize("name", METHODS)
def test_texts_are_counted_wherever_a_request_has_some(name: str) -> None:
    assert (RULES[name].texts is not None) == _has_texts(METHODS[name])


DOCUMENTS = [
    index_pb2.Document(id="a", text="t"),
    index_pb2.Document(id="b", text="kept", vector_row=0),
    index_pb2.Document(id="c", text="t"),
]
UPSERT = index_pb2.UpsertRequest(documents=DOCUMENTS)
ENCODE = encoder_pb2.EncodeRequest(texts=["a", "b", "c"])
COUNTED = [
    ("Encoder.Encode", ENCODE, 3),
    ("Encoder.EncodeStream", encoder_pb2.EncodeStreamRequest(request=ENCODE), 3),
    ("Encoder.Tokenize", encoder_pb2.TokenizeRequest(texts=["a"]), 1),
    ("Index.Search", index_pb2.SearchRequest(texts=["a", "b"]), 2),
    ("Index.Search", index_pb2.SearchRequest(vectors=SparseBatch(dimension=3)), 0),
    ("Index.Explain", index_pb2.ExplainRequest(text="a"), 1),
    ("Index.Explain", index_pb2.ExplainRequest(), 0),
    ("Index.Upsert", UPSERT, 2),
    ("Index.UpsertStream", index_pb2.UpsertStreamRequest(request=UPSERT), 2),
]


@pytest.mark.parametrize(("name", "request_", "texts"), COUNTED)
def test_texts_that_go_to_the_encoder_are_counted(name: str, request_: object, texts: int) -> None:
    count = RULES[f"spladed.v1.{name}"].texts
    assert count is not None
    assert count(request_) == texts
