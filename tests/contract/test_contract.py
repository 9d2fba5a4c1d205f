"""What the outside relies on: names, methods, and what is not built saying so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import spladed
from spladed import errors
from spladed.rpc.status import TABLE
from spladed.v1 import admin_pb2, encoder_pb2, index_pb2

ROOT = Path(__file__).parents[2]


def test_the_public_names_are_these() -> None:
    assert spladed.__all__ == [
        "AsyncClient",
        "Client",
        "Collection",
        "Document",
        "Encoder",
        "Field",
        "Pruning",
        "Scoring",
        "SparseBatch",
        "SpladedError",
        "__version__",
        "field",
        "ids",
    ]
    assert spladed.Client.__module__ == "spladed.client.client"


def test_the_methods_of_the_contract_are_these() -> None:
    services = {
        service.name: [method.name for method in service.methods]
        for file in (encoder_pb2, index_pb2, admin_pb2)
        for service in file.DESCRIPTOR.services_by_name.values()
    }
    assert services == {
        "Encoder": ["Encode", "EncodeStream", "Tokenize", "GetInfo", "GetVocabulary"],
        "Index": [
            "CreateCollection",
            "DeleteCollection",
            "ListCollections",
            "GetCollection",
            "Upsert",
            "UpsertStream",
            "Delete",
            "DeleteByFilter",
            "Get",
            "Scan",
            "Search",
            "Explain",
            "GetStats",
        ],
        "Admin": ["Flush", "Compact", "Backup", "LoadBundle", "SetAlias", "Drain"],
    }


LIGHT = """
import sys
for name in ("onnxruntime", "numba", "tokenizers", "torch", "transformers", "typer", "uvloop"):
    sys.modules[name] = None  # importing it fails, as where it is not installed
from spladed import Client, SparseBatch, SpladedError
Client("127.0.0.1:1").close()
import spladed
for name, extra in (("Encoder", "encoder,cpu"), ("Collection", "index")):
    try:
        getattr(spladed, name)
    except ModuleNotFoundError as error:
        assert f"spladed[{extra}]" in str(error), error
    else:
        raise SystemExit(f"spladed.{name} loaded without its extra")
"""


def test_the_client_needs_the_base_install_alone() -> None:
    subprocess.run([sys.executable, "-c", LIGHT], check=True)


def test_the_readme_has_the_table_of_errors() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", readme, re.MULTILINE)
    assert rows == [(cls.__name__, code.name) for cls, code in TABLE]


@pytest.mark.parametrize("cls", [cls for cls, _ in TABLE])
def test_the_error_tree_in_the_docstring_is_complete(cls: type[errors.SpladedError]) -> None:
    assert re.search(rf"\b{cls.__name__}\b", errors.__doc__ or "")
