"""The services as a client of another language has them: generated stubs, nothing of ours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2

from spladed import errors
from spladed.rpc.status import from_call, from_status
from spladed.v1 import admin_pb2_grpc, encoder_pb2_grpc, index_pb2_grpc
from spladed.v1 import index_pb2 as pb
from tests.conftest import ServerProcess

SECONDS = 60


class Stubs:
    """The three services of one server, on a channel of their own."""

    def __init__(self, server: ServerProcess) -> None:
        self.channel = grpc.insecure_channel(server.target)
        self.encoder = encoder_pb2_grpc.EncoderStub(self.channel)
        self.index = index_pb2_grpc.IndexStub(self.channel)
        self.admin = admin_pb2_grpc.AdminStub(self.channel)

    def __enter__(self) -> Stubs:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def create(self, name: str, **settings: Any) -> str:
        request = pb.CreateCollectionRequest(name=name, settings=pb.CollectionSettings(**settings))
        return self.index.CreateCollection(request, timeout=SECONDS).collection.name

    def collections(self) -> list[str]:
        reply = self.index.ListCollections(pb.ListCollectionsRequest(), timeout=SECONDS)
        return [each.name for each in reply.collections]


def told(status: status_pb2.Status) -> tuple[type[errors.SpladedError], str, str]:
    error = from_status(status)
    return type(error), error.reason, error.field


def ended(replies: Iterable[Any]) -> errors.SpladedError:
    with pytest.raises(grpc.RpcError) as caught:
        for _ in replies:
            pass
    return from_call(caught.value)


def ids_of(stubs: Stubs, collection: str, **options: Any) -> list[str]:
    request = pb.ScanRequest(collection=collection, **options)
    return [
        each.id for page in stubs.index.Scan(request, timeout=SECONDS) for each in page.documents
    ]
