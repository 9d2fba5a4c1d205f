"""Errors of the real server name no place on its machine."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from spladed.client.client import Client
from spladed.client.values import Document
from spladed.errors import Corrupt, SpladedError
from tests.conftest import ServerProcess

Start = Callable[..., ServerProcess]


def test_a_damaged_collection_is_told_of_without_where_it_lies(start_server: Start) -> None:
    server = start_server()
    with Client(server.target) as client:
        client.create_collection("outside", dimension=4)
        client.create_collection("inside")
        client.upsert("inside", [Document("a", "a text")])
    server.end(signal.SIGTERM)
    (catalog,) = (server.folder / "data" / "outside").glob("catalog*")
    catalog.write_bytes(b"no catalog" * 100)
    server.start()
    with Client(server.target) as client:
        errors: list[SpladedError] = []
        for call in (client.collection, client.stats):
            with pytest.raises(Corrupt) as caught:
                call("outside")
            errors.append(caught.value)
        assert client.get("inside", ["a"]).documents
    for error in errors:
        assert catalog.name in error.message
        assert str(server.folder) not in error.message
        assert not any(part in error.message for part in server.folder.parts[1:])
    assert str(catalog) in server.log_text(), "the operator reads where"
