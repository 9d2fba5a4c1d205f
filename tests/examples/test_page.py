"""docs/from-another-language.md says what the source says."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import pytest

from spladed.rpc.rules import RULES
from spladed.rpc.status import TABLE
from spladed.settings import Limits
from spladed.v1.sparse_pb2 import SparseBatch
from tests.examples.reasons import reasons

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/from-another-language.md").read_text("utf-8")
STATUS = {cls.__name__: code.name for cls, code in TABLE}


def test_it_has_the_table_of_errors() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.+) \|$", PAGE.split("## Errors")[1], re.M)
    assert [row[:2] for row in rows[: len(TABLE)]] == list(STATUS.items())
    readme = (ROOT / "README.md").read_text("utf-8")
    for error, status, again in rows[: len(TABLE)]:
        assert f"| `{error}` | `{status}` | {again} |\n" in readme


def test_it_has_every_reason_of_the_source_with_its_status() -> None:
    told = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", PAGE.split("### Reasons")[1], re.M)
    assert set(told) == {(reason, STATUS[cls]) for reason, cls in reasons()}
    assert len(told) == len(set(told))


def test_the_reasons_are_found_however_they_are_passed() -> None:
    found = reasons()
    assert ("QUEUE_FULL", "Exhausted") in found  # by name
    assert ("VECTOR_INDEX_ORDER", "InvalidInput") in found  # by place, through a function
    assert {("ID", "InvalidInput"), ("TEXT", "InvalidInput")} <= found  # one or the other
    assert ("ALIAS_NAME", "InvalidInput") in found  # through a function of another file


def test_the_bytes_are_those_of_the_batch() -> None:
    (block,) = re.findall(r"```hex\n(.*?)```", PAGE, re.S)
    lines = [re.match(r"(?:[0-9a-f]{2} )+", line) for line in block.splitlines()]
    raw = bytes.fromhex("".join(line[0] for line in lines if line))
    batch = SparseBatch(
        dimension=10, indptr=[0, 2, 2, 3], indices=[3, 7, 0], values=[1.5, 0.25, 2.0]
    )
    assert raw == batch.SerializeToString()


@pytest.mark.parametrize("limit", sorted(asdict(Limits())))
def test_the_limits_are_the_defaults(limit: str) -> None:
    default = getattr(Limits(), limit)
    units = {"16 MiB": 1 << 24, "4 MiB": 1 << 22, "256 KiB": 1 << 18}
    (row,) = re.findall(rf"^\| `{limit}` \| (.+?) \|", PAGE, re.M)
    number = next((n for unit, n in units.items() if row.startswith(unit)), 0)
    assert default == (number or int(re.match(r"[\d,]+", row)[0].replace(",", "")))


def test_the_scopes_are_those_of_the_table() -> None:
    rows = dict(re.findall(r"^\| `(read|write|admin)` \| (.+?) \|$", PAGE, re.M))
    told = {scope: set(re.findall(r"\b[A-Z]\w+", text)) for scope, text in rows.items()}
    for name, rule in RULES.items():
        service, method = name.split(".")[-2:]
        whole = f"all of {service}" in rows[rule.scope]
        assert whole or method in told[rule.scope]
        others = told.keys() - {rule.scope}
        assert not any(method in told[other] for other in others)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", PAGE))))
def test_its_links_lead_somewhere(target: str) -> None:
    assert (ROOT / "docs" / target).exists()
