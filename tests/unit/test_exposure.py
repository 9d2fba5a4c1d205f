from __future__ import annotations

import pytest

from spladed.rpc.exposure import warnings
from spladed.settings import SecurityConfig

TLS = SecurityConfig(certificate="c", key="k")
MTLS = SecurityConfig(certificate="c", key="k", client_ca="a")
KEYS = SecurityConfig(api_keys="f")
BOTH = SecurityConfig(certificate="c", key="k", api_keys="f")

CASES = [
    ("127.0.0.1:1", SecurityConfig(), []),
    ("127.9.9.9:1", SecurityConfig(), []),
    ("[::1]:1", SecurityConfig(), []),
    ("localhost:1", SecurityConfig(), []),
    ("0.0.0.0:1", SecurityConfig(), ["without TLS: texts", "without API keys"]),
    ("[::]:1", SecurityConfig(), ["without TLS: texts", "without API keys"]),
    ("10.0.0.7:1", KEYS, ["without TLS: API keys and texts"]),
    ("server.example:1", TLS, ["without API keys"]),
    ("0.0.0.0:1", MTLS, []),
    ("0.0.0.0:1", BOTH, []),
]


@pytest.mark.parametrize(("listen", "security", "expected"), CASES)
def test_what_lies_open_is_said(listen: str, security: SecurityConfig, expected: list[str]) -> None:
    found = list(warnings(listen, security))
    assert len(found) == len(expected)
    for sentence, words in zip(found, expected, strict=True):
        assert words in sentence
        assert listen in sentence
