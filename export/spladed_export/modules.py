"""What does a folder of sentence-transformers say of itself? Its modules, prompts and limits.

A `SparseEncoder` folder lists its modules: a transformer and a SpladePooling. There, "relu"
means log(1 + relu(x)), and "log1p_relu" means log(1 + log(1 + relu(x))). A Router in their
place has a chain of modules for queries and one for documents; the queries' may be a single
SparseStaticEmbedding, a table of weights.

A folder without such a list is a plain masked-LM, and pooling is what SPLADE v2 and its
successors use: the maximum of log(1 + relu(x)).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spladed.errors import Corrupt, InvalidInput, Unimplemented
from spladed.manifest import Activation, Kind, Pooling

__all__ = ["Modules", "Network", "StaticEmbedding", "read_modules"]

_POOLINGS: Mapping[str, Pooling] = {"max": "max", "sum": "sum"}
_ACTIVATIONS: Mapping[str, Activation] = {"relu": "log1p_relu", "log1p_relu": "log1p_log1p_relu"}
_TRANSFORMERS = ("Transformer", "MLMTransformer")
_POOLING, _STATIC, _ROUTER = "SpladePooling", "SparseStaticEmbedding", "Router"

# What `encode_query` and `encode_document` of sentence-transformers look for, in this order.
_PROMPTS: Mapping[Kind, tuple[str, ...]] = {
    "query": ("query",),
    "document": ("document", "passage", "corpus"),
}


@dataclass(frozen=True, slots=True)
class Network:
    """A transformer, and the pooling of its logits. folder: of the transformer."""

    folder: Path
    pooling: Pooling = "max"
    activation: Activation = "log1p_relu"


@dataclass(frozen=True, slots=True)
class StaticEmbedding:
    """A weight for each token. folder: of the weights and their tokenizer."""

    folder: Path


@dataclass(frozen=True, slots=True)
class Modules:
    """query: None where queries are encoded as documents are; prompts: empty where there is none.

    max_active_dims: heaviest terms that are kept of every row, 0 for all
    """

    document: Network
    query: Network | StaticEmbedding | None = None
    prompts: Mapping[Kind, str] = field(default_factory=lambda: {"query": "", "document": ""})
    max_active_dims: int = 0


@dataclass(frozen=True, slots=True)
class _Module:
    """kind: its class's last name; folder: of its settings."""

    kind: str
    folder: Path


def read_modules(
    root: Path, pooling: Pooling | None = None, activation: Activation | None = None
) -> Modules:
    """What modules.json and what it names say; where there is none, what is asked for, or the
    defaults.

    Raises InvalidInput for pooling that is unknown, or another one than was asked for, and
    Unimplemented for modules that this version does not know.
    """
    if not (root / "modules.json").is_file():
        return Modules(Network(root, pooling or "max", activation or "log1p_relu"))
    listed = [
        _Module(_kind(each["type"]), root / str(each["path"]))
        for each in _read(root / "modules.json")
    ]
    chains = _chains(listed)
    document = _network(chains["document"], root)
    _check_asked("pooling", pooling, document.pooling, root)
    _check_asked("activation", activation, document.activation, root)
    query = _query_side(chains["query"], root) if "query" in chains else None
    settings = root / "config_sentence_transformers.json"
    said = _read(settings) if settings.is_file() else {}
    return Modules(document, query, _prompts(said), int(said.get("max_active_dims") or 0))


def _chains(listed: Sequence[_Module]) -> dict[str, list[_Module]]:
    """The modules of documents, and of queries where a Router tells them apart."""
    if not listed or listed[0].kind != _ROUTER:
        return {"document": list(listed)}
    folder, rest = listed[0].folder, list(listed[1:])
    router = _read(folder / "router_config.json")
    structure = router["structure"]
    mapped = router.get("parameters", {}).get("route_mappings")
    if set(structure) != {"query", "document"} or mapped:
        raise Unimplemented(
            f"{folder / 'router_config.json'} has the routes {sorted(structure)}, mapped by "
            f"{mapped or 'name'}; this version exports 'query' and 'document'",
            reason="SOURCE_MODULES",
            field="source",
        )
    types = router["types"]
    return {
        route: [_Module(_kind(types[name]), folder / name) for name in names] + rest
        for route, names in structure.items()
    }


def _query_side(chain: Sequence[_Module], root: Path) -> Network | StaticEmbedding:
    if [each.kind for each in chain] == [_STATIC]:
        return StaticEmbedding(chain[0].folder)
    return _network(chain, root)


def _network(chain: Sequence[_Module], root: Path) -> Network:
    kinds = [each.kind for each in chain]
    if len(kinds) != 2 or kinds[0] not in _TRANSFORMERS or kinds[1] != _POOLING:
        raise Unimplemented(
            f"{root / 'modules.json'} leads to {kinds}; this version exports a transformer "
            f"followed by {_POOLING}, and {_STATIC} for queries",
            reason="SOURCE_MODULES",
            field="source",
        )
    settings = _read(chain[1].folder / "config.json")
    return Network(
        chain[0].folder,
        _word(settings, "pooling_strategy", "max", _POOLINGS, root),
        _word(settings, "activation_function", "relu", _ACTIVATIONS, root),
    )


def _prompts(said: Mapping[str, Any]) -> dict[Kind, str]:
    """The prompt of each kind, which sentence-transformers would put before its texts."""
    prompts = said.get("prompts") or {}
    default = prompts.get(said.get("default_prompt_name")) or ""
    return {
        kind: next((prompts[name] or "" for name in names if name in prompts), default)
        for kind, names in _PROMPTS.items()
    }


def _check_asked(field: str, asked: str | None, stated: str, root: Path) -> None:
    if asked not in (None, stated):
        raise InvalidInput(
            f"{field} is {asked!r}, and {root / 'modules.json'} states {stated!r}; leave it out",
            reason="POOLING_STATED",
            field=field,
        )


def _word(
    settings: Mapping[str, Any], key: str, default: str, known: Mapping[str, Any], root: Path
) -> Any:
    found = settings.get(key, default)
    if found not in known:
        raise InvalidInput(
            f"{root}: {key} is {found!r}; expected one of {', '.join(known)}",
            reason="SOURCE_POOLING",
            field=key,
        )
    return known[found]


def _kind(dotted: object) -> str:
    return str(dotted).rsplit(".", 1)[-1]


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Corrupt(
            f"{path} cannot be read ({error}); download the model again",
            reason="SOURCE_JSON",
            field="source",
        ) from error
