"""The one table of what each method of the contract asks of its callers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from spladed.rpc.key_file import Scope

__all__ = ["REFLECTION", "RULES", "Rule"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What one method asks.

    scope:  that a key must have
    texts:  how many texts of a request, or of a chunk, go to the encoder; None where none can
    bounded: whether a call without a deadline gets the server's
    """

    scope: Scope
    texts: Callable[[Any], int] | None = None
    bounded: bool = True


def _texts(request: Any) -> int:
    return len(request.texts)


def _text(request: Any) -> int:
    return int(request.HasField("text"))


def _documents(request: Any) -> int:
    return sum(not each.HasField("vector_row") for each in request.documents)


def _of_chunk(texts: Callable[[Any], int]) -> Callable[[Any], int]:
    return lambda chunk: texts(chunk.request)


# Which collections there are is for operators, what is in them for writers: a key that leaks
# from an ingest job must not be able to drop a collection, or to make thousands.
RULES: Mapping[str, Rule] = {
    "spladed.v1.Encoder.Encode": Rule("read", _texts),
    "spladed.v1.Encoder.EncodeStream": Rule("read", _of_chunk(_texts)),
    "spladed.v1.Encoder.Tokenize": Rule("read", _texts),
    "spladed.v1.Encoder.GetInfo": Rule("read"),
    "spladed.v1.Encoder.GetVocabulary": Rule("read"),
    "spladed.v1.Index.CreateCollection": Rule("admin"),
    "spladed.v1.Index.DeleteCollection": Rule("admin"),
    "spladed.v1.Index.ListCollections": Rule("read"),
    "spladed.v1.Index.GetCollection": Rule("read"),
    "spladed.v1.Index.Upsert": Rule("write", _documents),
    "spladed.v1.Index.UpsertStream": Rule("write", _of_chunk(_documents)),
    "spladed.v1.Index.Delete": Rule("write"),
    "spladed.v1.Index.DeleteByFilter": Rule("write"),
    "spladed.v1.Index.Get": Rule("read"),
    "spladed.v1.Index.Scan": Rule("read"),
    "spladed.v1.Index.Search": Rule("read", _texts),
    "spladed.v1.Index.Explain": Rule("read", _text),
    "spladed.v1.Index.GetStats": Rule("read"),
    "spladed.v1.Admin.Flush": Rule("admin"),
    "spladed.v1.Admin.Compact": Rule("admin", bounded=False),
    "spladed.v1.Admin.Backup": Rule("admin", bounded=False),
    "spladed.v1.Admin.LoadBundle": Rule("admin", bounded=False),
    "spladed.v1.Admin.SetAlias": Rule("admin"),
    "spladed.v1.Admin.Drain": Rule("admin"),
}

# The contract is public, but which version a server runs need not be.
REFLECTION = Rule("read")
