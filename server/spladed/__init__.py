"""spladed: the SPLADE daemon. Export, encode, index and search with learned sparse vectors.

`import spladed` stays light: each public name is loaded when it is first used, and one
whose extra is not installed says which extra that is.
"""

from __future__ import annotations

from importlib import import_module, metadata
from typing import TYPE_CHECKING

from spladed.declared import Field, Scoring
from spladed.errors import SpladedError
from spladed.pruning import Pruning
from spladed.sparse import SparseBatch

if TYPE_CHECKING:
    from spladed.client.aio import AsyncClient
    from spladed.client.client import Client
    from spladed.client.filters import field, ids
    from spladed.client.values import Document
    from spladed.encoder.encoder import Encoder
    from spladed.index.collection import Collection

__all__ = [
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

__version__ = metadata.version("spladed")

_LAZY = {
    "AsyncClient": ("spladed.client.aio", ""),
    "Client": ("spladed.client.client", ""),
    "Document": ("spladed.client.values", ""),
    "field": ("spladed.client.filters", ""),
    "ids": ("spladed.client.filters", ""),
    "Encoder": ("spladed.encoder.encoder", "encoder,cpu"),
    "Collection": ("spladed.index.collection", "index"),
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'spladed' has no attribute {name!r}")
    module, extra = _LAZY[name]
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("spladed"):
            raise
        raise ModuleNotFoundError(
            f"spladed.{name} needs {error.name}: pip install 'spladed[{extra}]'", name=error.name
        ) from error
