"""The file of API keys: names, hashes, scopes and limits; never a key itself.

    [search-frontend]
    sha256 = "9f86d081884c7d65..."      # of the key, 64 hexadecimal digits
    scopes = ["read"]                   # of read, write, admin; none implies another
    max_in_flight = 64                  # calls at once; 0, or left out, is no limit
    texts_per_second = 500.0            # to be encoded; 0, or left out, is no limit

A plain SHA-256, without salt or stretching, is right here and would be wrong for passwords:
a key is 256 random bits of our own making, so there is no list of likely ones to try, and
every call pays for the hash.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, NoReturn, cast, get_args

from spladed.errors import InvalidInput, NotFound

__all__ = ["Key", "Keys", "Scope", "digest", "new_key", "read_keys", "to_toml"]

Scope = Literal["read", "write", "admin"]

_SCOPES = get_args(Scope)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PREFIX = "spladed_"  # so that scanners for leaked secrets can know one


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of the file."""

    name: str
    sha256: str
    scopes: frozenset[Scope]
    max_in_flight: int = 0
    texts_per_second: float = 0.0


class Keys:
    """Keys to be found by what a caller presents."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._by_digest = {key.sha256: key for key in keys}

    def __len__(self) -> int:
        return len(self._by_digest)

    def find(self, presented: str) -> Key | None:
        """The key, or None.

        What is looked up is the digest: its digits are not for a caller to choose, so the time
        of the look-up tells nothing that helps to guess; the comparison's time tells nothing.
        """
        found = digest(presented)
        key = self._by_digest.get(found)
        return key if key and hmac.compare_digest(key.sha256, found) else None

    def has(self, key: Key) -> bool:
        """Whether the key still stands in the file, with the same name and scopes."""
        found = self._by_digest.get(key.sha256)
        return found is not None and (found.name, found.scopes) == (key.name, key.scopes)


def new_key() -> str:
    """256 random bits as text."""
    return _PREFIX + secrets.token_urlsafe(32)


def digest(key: str) -> str:
    """SHA-256 in 64 hexadecimal digits."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def to_toml(key: Key) -> str:
    """The key's lines of the file, which `read_keys` reads back; raises ValueError for a name or
    a scope that cannot be."""
    scopes = sorted(_scopes(key.name, list(key.scopes)), key=_SCOPES.index)
    lines = [f"[{_checked_name(key.name)}]", f'sha256 = "{key.sha256}"']
    lines.append(f"scopes = {json.dumps(scopes)}")
    limits = (("max_in_flight", key.max_in_flight), ("texts_per_second", key.texts_per_second))
    lines += [f"{name} = {value}" for name, value in limits if value]
    return "\n".join(lines) + "\n"


def read_keys(path: str) -> Keys:
    """All keys of a file; one without any lets nobody in.

    Raises NotFound or InvalidInput, reason API_KEYS, that names file, key and entry.
    """
    try:
        entries = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise NotFound(
            f"security.api_keys: cannot read {path}: {error.strerror}; give a file that this user "
            "may read",
            reason="API_KEYS",
            field="security.api_keys",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        _refuse(path, f"is not TOML: {error}")
    try:
        keys = [_key(name, entry) for name, entry in entries.items()]
    except ValueError as error:
        _refuse(path, str(error))
    if len({key.sha256 for key in keys}) < len(keys):
        _refuse(path, "has one sha256 under two names")
    return Keys(keys)


def _key(name: str, entry: object) -> Key:
    """Raises ValueError, without what stands in the entry: it may be a key by mistake."""
    if not isinstance(entry, Mapping):
        raise ValueError(f"{name}: expected a table, as [{name}] with its entries below")
    known = {each.name for each in fields(Key)} - {"name"}
    if unknown := set(entry) - known:
        raise ValueError(f"{name}: unknown {min(unknown)}; expected {', '.join(sorted(known))}")
    return Key(
        name=_checked_name(name),
        sha256=_sha256(name, entry.get("sha256")),
        scopes=_scopes(name, entry.get("scopes")),
        max_in_flight=int(_limit(name, entry, "max_in_flight", (int,))),
        texts_per_second=float(_limit(name, entry, "texts_per_second", (int, float))),
    )


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r}: a name is 1 to 63 of A-Z, a-z, 0-9, - and _")
    return name


def _sha256(name: str, found: object) -> str:
    if not isinstance(found, str) or not _SHA256.fullmatch(found):
        raise ValueError(f"{name}.sha256: expected 64 hexadecimal digits in lower case")
    return found


def _scopes(name: str, found: object) -> frozenset[Scope]:
    if not isinstance(found, list) or not found or not set(map(str, found)) <= set(_SCOPES):
        raise ValueError(f"{name}.scopes: expected a list of {', '.join(_SCOPES)}")
    return frozenset(cast(list[Scope], found))


def _limit(name: str, entry: Mapping[str, Any], limit: str, types: tuple[type, ...]) -> float:
    found = entry.get(limit, 0)
    if isinstance(found, bool) or not isinstance(found, types) or not 0 <= found < 1e9:
        raise ValueError(f"{name}.{limit}: expected a number from 0, which is no limit, to 1e9")
    return found


def _refuse(path: str, found: str) -> NoReturn:
    raise InvalidInput(
        f"security.api_keys {path} {found}; `spladed key new` makes an entry",
        reason="API_KEYS",
        field="security.api_keys",
    )
