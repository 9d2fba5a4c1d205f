"""The parity page: what it measures, and that it speaks of every family."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from spladed.manifest import Precision
from spladed_export.parity import CASES, Line, measured, page
from spladed_export.tiny import FAMILIES

from .conftest import REPOSITORY


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_family_keeps_to_the_limits(
    checkpoint: Callable[[str], Path], tmp_path: Path, precision: Precision
) -> None:
    line = measured(checkpoint("xlm-roberta"), "xlm-roberta", precision, tmp_path / "out")
    assert line.ok
    assert line.positions == 100
    assert len(line.away) == len(CASES)
    assert all(each > 0 for each in line.away)  # rows are compared, and not with themselves
    assert 20 < line.terms < 50


@pytest.mark.parametrize("change", [{"away": (0.0, 0.0, 2e-4, 0.0)}, {"changed": 2e-5},
                                    {"away": (math.nan, 0.0, 0.0, 0.0)}])  # fmt: skip
def test_a_line_beyond_a_limit_is_not_ok(change: dict[str, object]) -> None:
    good = Line("bert", "fp32", 128, (1e-6,) * 4, 0.0, 30.0)
    assert good.ok
    bad = replace(good, **change)  # type: ignore[arg-type]
    assert not bad.ok
    assert "**no**" in page([bad])


def test_the_page_has_every_family_in_every_precision() -> None:
    text = (REPOSITORY / "docs" / "parity.md").read_text("utf-8")
    for family in FAMILIES:
        for precision in ("fp32", "int8"):
            (line,) = (each for each in text.splitlines() if f"| {family} | {precision} |" in each)
            assert line.endswith("| yes |")
