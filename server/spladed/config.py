"""How does the server run? One TOML file; the environment over it; flags over both.

    [server]
    listen = "127.0.0.1:50051"        # SPLADED_SERVER_LISTEN, --listen
    ...

The sections are `settings`. An unknown section or key is an error, in the file and in the
environment alike. This is the only file that reads the environment, and writes it: that is
how a setting reaches what is imported later, and child processes.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from spladed.errors import InvalidInput, NotFound
from spladed.settings import (
    ConnectionsConfig,
    EncoderConfig,
    IndexConfig,
    Limits,
    SecurityConfig,
    ServerConfig,
    wrong,
)

__all__ = [
    "Access",
    "Config",
    "client_access",
    "kernel_cache",
    "load_config",
    "set_kernel_cache",
    "user_cache",
]

_PREFIX = "SPLADED"
_KERNEL_CACHE = f"{_PREFIX}_INDEX_KERNEL_CACHE"


@dataclass(frozen=True, slots=True)
class Config:
    """All sections."""

    server: ServerConfig = field(default_factory=ServerConfig)
    security: SecurityConfig = field(default_factory=SecurityConfig)
    connections: ConnectionsConfig = field(default_factory=ConnectionsConfig)
    limits: Limits = field(default_factory=Limits)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    index: IndexConfig = field(default_factory=IndexConfig)

    def to_toml(self) -> str:
        """The configuration as a file that `load_config` reads back to the same."""
        sections = []
        for section in fields(self):
            values = getattr(self, section.name)
            lines = [
                f"{each.name} = {json.dumps(getattr(values, each.name))}" for each in fields(values)
            ]
            sections.append("\n".join([f"[{section.name}]", *lines]))
        return "\n\n".join(sections) + "\n"


_SECTIONS: dict[str, type[Any]] = {
    "server": ServerConfig,
    "security": SecurityConfig,
    "connections": ConnectionsConfig,
    "limits": Limits,
    "encoder": EncoderConfig,
    "index": IndexConfig,
}


def load_config(
    path: str | Path | None = None,
    *,
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Config:
    """The configuration: defaults, then the file, then the environment, then the flags.

    flags are named "section.key"; a None means the flag was not given. Raises InvalidInput
    that names the section, the key, where it stood, what was found and what is expected.
    """
    values: dict[str, dict[str, Any]] = {name: {} for name in _SECTIONS}
    if path is not None:
        _merge(values, _read_file(Path(path)), str(path))
    _merge(values, _read_environment(os.environ if environment is None else environment), "")
    _merge(values, _read_flags(flags or {}), "")
    return Config(**{name: cls(**values[name]) for name, cls in _SECTIONS.items()})


@dataclass(frozen=True, slots=True)
class Access:
    """How the command line reaches a server; empty is what was not said.

    api_key:     SPLADED_API_KEY; no option, since arguments stand in every list of processes
    authority:   SPLADED_TLS_AUTHORITY, a PEM file, or "system"; speaks TLS
    certificate: SPLADED_TLS_CERTIFICATE, of this client
    key:         SPLADED_TLS_KEY, of that certificate
    server_name: SPLADED_TLS_SERVER_NAME, where the certificate does not name the target's host
    """

    api_key: str = ""
    authority: str = ""
    certificate: str = ""
    key: str = ""
    server_name: str = ""


def client_access(environment: Mapping[str, str] | None = None) -> Access:
    """What the environment says of reaching a server; nothing is checked."""
    found = os.environ if environment is None else environment
    tls = {
        name: found.get(f"{_PREFIX}_TLS_{name.upper()}", "")
        for name in ("authority", "certificate", "key", "server_name")
    }
    return Access(api_key=found.get(f"{_PREFIX}_API_KEY", ""), **tls)


def kernel_cache(environment: Mapping[str, str] | None = None) -> Path | None:
    """The folder of compiled kernels, for whoever in this process imports the index.

    SPLADED_INDEX_KERNEL_CACHE, else `spladed` in the user's cache folder (XDG_CACHE_HOME, else
    ~/.cache); None for a user without a home.
    """
    found = os.environ if environment is None else environment
    named = found.get(_KERNEL_CACHE)
    return Path(named).absolute() if named else user_cache(environment)


def user_cache(environment: Mapping[str, str] | None = None) -> Path | None:
    """`spladed` in the user's cache folder; None for a user without a home."""
    found = os.environ if environment is None else environment
    home = found.get("XDG_CACHE_HOME", "")  # its specification: what is relative is ignored
    try:
        return (Path(home) if Path(home).is_absolute() else Path.home() / ".cache") / "spladed"
    except RuntimeError:
        return None


def set_kernel_cache(folder: str) -> Path | None:
    """Name the folder for what is imported from now on and child processes; what `kernel_cache`
    then says."""
    os.environ[_KERNEL_CACHE] = folder
    return kernel_cache()


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise NotFound(
            f"cannot read the configuration {path}: {error.strerror}", reason="CONFIG_FILE",
            field="config",
        ) from error  # fmt: skip
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"{path} is not TOML: {error}", reason="CONFIG_FILE", field="config"
        ) from error


def _read_environment(environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """SPLADED_SECTION_KEY variables of known sections, converted to their key's type."""
    found: dict[str, dict[str, Any]] = {}
    for name, text in environment.items():
        prefix, _, rest = name.partition("_")
        section, _, key = rest.lower().partition("_")
        if prefix == _PREFIX and section in _SECTIONS and key:
            found.setdefault(section, {})[key] = _convert(section, key, text, name)
    return found


def _convert(section: str, key: str, text: str, variable: str) -> object:
    default = _defaults(section).get(key, text)
    if isinstance(default, bool):
        if text not in ("true", "false"):
            raise wrong(variable, text, "true or false")
        return text == "true"
    try:
        return type(default)(text)
    except ValueError as error:
        raise wrong(variable, text, f"a number ({type(default).__name__})") from error


def _read_flags(flags: Mapping[str, object]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, value in flags.items():
        section, _, key = name.partition(".")
        if value is not None:
            found.setdefault(section, {})[key] = value
    return found


def _merge(values: dict[str, dict[str, Any]], layer: Mapping[str, Any], where: str) -> None:
    prefix = f"{where}: " if where else ""
    for section, entries in layer.items():
        if section not in _SECTIONS or not isinstance(entries, Mapping):
            expected = ", ".join(f"[{name}]" for name in _SECTIONS)
            raise wrong(f"{prefix}[{section}]", section, f"one of the sections {expected}")
        defaults = _defaults(section)
        for key, value in entries.items():
            if key not in defaults:
                raise wrong(f"{prefix}{section}.{key}", key, f"one of {', '.join(defaults)}")
            values[section][key] = _typed(f"{prefix}{section}.{key}", value, defaults[key])


def _typed(where: str, value: object, default: object) -> object:
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        raise wrong(where, value, f"a value of type {type(default).__name__}")
    return value


def _defaults(section: str) -> dict[str, Any]:
    return {each.name: each.default for each in fields(_SECTIONS[section])}
