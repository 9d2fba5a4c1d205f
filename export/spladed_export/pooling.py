"""Which pooling does a source ask for? sentence-transformers says; a bare masked-LM does not.

A `SparseEncoder` folder lists its modules: a transformer and a SpladePooling. There,
"relu" means log(1 + relu(x)), and "log1p_relu" means log(1 + log(1 + relu(x))).
Without such a list the source is a plain masked-LM, and pooling is what SPLADE v2 and its
successors use: the maximum of log(1 + relu(x)).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spladed.bundle import Activation, Pooling
from spladed.errors import Corrupt, InvalidInput, Unimplemented

__all__ = ["SourcePooling", "read_pooling"]

_POOLINGS: Mapping[str, Pooling] = {"max": "max", "sum": "sum"}
_ACTIVATIONS: Mapping[str, Activation] = {"relu": "log1p_relu", "log1p_relu": "log1p_log1p_relu"}
_TRANSFORMERS = ("Transformer", "MLMTransformer")


@dataclass(frozen=True, slots=True)
class SourcePooling:
    """transformer: path of the transformer's folder below the source's."""

    transformer: str = ""
    pooling: Pooling = "max"
    activation: Activation = "log1p_relu"


def read_pooling(
    root: Path, pooling: Pooling | None = None, activation: Activation | None = None
) -> SourcePooling:
    """What modules.json and its pooling say; where there is none, what is asked for, or the
    defaults.

    Raises InvalidInput for pooling that is unknown, or another one than was asked for,
    Unimplemented for modules (a query side of its own, normalisation) and prompts that this
    version would have to leave out.
    """
    if not (root / "modules.json").is_file():
        return SourcePooling(pooling=pooling or "max", activation=activation or "log1p_relu")
    modules = _read(root / "modules.json")
    kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in modules]
    if len(kinds) != 2 or kinds[0] not in _TRANSFORMERS or kinds[1] != "SpladePooling":
        raise Unimplemented(
            f"{root / 'modules.json'} lists {kinds}; this version exports a transformer "
            "followed by SpladePooling",
            reason="SOURCE_MODULES",
            field="source",
        )
    _refuse_prompts(root / "config_sentence_transformers.json")
    settings = _read(root / modules[1]["path"] / "config.json")
    found = SourcePooling(
        str(modules[0]["path"]),
        _word(settings, "pooling_strategy", "max", _POOLINGS, root),
        _word(settings, "activation_function", "relu", _ACTIVATIONS, root),
    )
    _check_asked("pooling", pooling, found.pooling, root)
    _check_asked("activation", activation, found.activation, root)
    return found


def _check_asked(field: str, asked: str | None, stated: str, root: Path) -> None:
    if asked not in (None, stated):
        raise InvalidInput(
            f"{field} is {asked!r}, and {root / 'modules.json'} states {stated!r}; leave it out",
            reason="POOLING_STATED",
            field=field,
        )


def _refuse_prompts(path: Path) -> None:
    """A prompt is put before every text; without it the rows would be others."""
    prompts = _read(path).get("prompts") or {} if path.is_file() else {}
    named = {name: prompt for name, prompt in prompts.items() if prompt}
    if named:
        raise Unimplemented(
            f"{path} puts prompts before texts ({named}); this version does not",
            reason="SOURCE_PROMPTS",
            field="source",
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


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Corrupt(
            f"{path} cannot be read ({error}); download the model again",
            reason="SOURCE_JSON",
            field="source",
        ) from error
