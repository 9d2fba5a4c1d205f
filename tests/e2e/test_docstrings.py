"""The examples in the docstrings of the clients and the library run as they stand."""

from __future__ import annotations

import doctest
import importlib

import pytest

from tests.conftest import ServerProcess

MODULES = [
    "spladed.client.client",
    "spladed.client.aio",
    "spladed.client.shapes",
    "spladed.encoder.encoder",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_show(name: str, server: ServerProcess) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs={"target": server.target})
    assert result.attempted > 0
    assert result.failed == 0
