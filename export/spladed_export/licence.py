"""Under which licence are the weights? What the model card says, and what whoever exports
should hear of it."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["licence_of", "warning"]

# "cc-by-nc-sa-4.0" and its like: the letters stand between separators.
_NON_COMMERCIAL = re.compile(r"(^|[-_. ])nc([-_. ]|$)|non-?commercial", re.IGNORECASE)
_UNNAMED = "other"  # the hub's word for a licence whose name stands in license_name


def licence_of(card: Path) -> str:
    """`license:` of the model card's front matter, as written; empty without one."""
    if not card.is_file():
        return ""
    front = re.match(r"---\n(.*?)\n---", card.read_text("utf-8", errors="replace"), re.DOTALL)
    if front is None:
        return ""
    found = _value("license", front.group(1))
    return (found == _UNNAMED and _value("license_name", front.group(1))) or found


def warning(name: str, licence: str) -> str | None:
    """What to say before the weights of `name` are exported; None where nothing need be."""
    if not licence:
        return (
            f"WARNING: {name} states no licence (`license:` in README.md): ask its authors what "
            "you may do with it"
        )
    if _NON_COMMERCIAL.search(licence):
        return (
            f"WARNING: {name} is licensed {licence}, which forbids commercial use, and so is "
            "every bundle made of it"
        )
    return None


def _value(key: str, front: str) -> str:
    """A word, or the first of a list, behind `key:`."""
    found = re.search(rf"^{key}:[ \t]*(?:\n[ \t]*-[ \t]*)?(\S+)", front, re.MULTILINE)
    return found.group(1).strip("'\"") if found else ""
