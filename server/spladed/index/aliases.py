"""Second names of collections, durable. The file's layout stands in the room's docstring."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from spladed.errors import Corrupt, Mismatch
from spladed.index import folder, storage

__all__ = ["ALIASES_NAME", "load", "save"]

ALIASES_NAME = "ALIASES"
FORMAT_VERSION = 1


def load(parent: Path) -> dict[str, str]:
    """alias -> collection, as last saved in this folder; none where never.

    Raises Corrupt ALIASES for a file that is not what was written, Mismatch FORMAT_VERSION.
    """
    path = parent / ALIASES_NAME
    if not path.exists():
        return {}
    try:
        content = json.loads(storage.read(path))
        version, aliases, sha256 = (content[key] for key in ("format", "aliases", "sha256"))
    except (ValueError, KeyError, TypeError) as error:
        raise _corrupt(path) from error
    if version != FORMAT_VERSION:
        raise Mismatch(
            f"{path} has format version {version}, this spladed reads {FORMAT_VERSION}",
            reason="FORMAT_VERSION",
        )
    if _checksum(aliases) != sha256:
        raise _corrupt(path)
    return aliases


def save(parent: Path, aliases: Mapping[str, str]) -> None:
    """All aliases at once: durable on return, or the ones before; raises Unavailable STORAGE."""
    content = {"format": FORMAT_VERSION, "aliases": aliases, "sha256": _checksum(aliases)}
    folder.replace(parent / ALIASES_NAME, json.dumps(content, sort_keys=True).encode())


def _checksum(aliases: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(aliases, sort_keys=True).encode()).hexdigest()


def _corrupt(path: Path) -> Corrupt:
    return Corrupt(
        f"{path} is not what was written; restore it, or remove it and set the aliases anew",
        reason="ALIASES",
    )
