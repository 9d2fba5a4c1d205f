"""Which settings of a collection are refused. Pure."""

from __future__ import annotations

from typing import get_args

from spladed.errors import InvalidInput
from spladed.index.fields import check_declarations
from spladed.index.values import CollectionSettings, Formula, Scoring

__all__ = ["MAX_POWER", "check_settings"]

# A weight is at most 10,000: to this power it is still a float32 number.
MAX_POWER = 8.0


def check_settings(settings: CollectionSettings) -> None:
    """Raises InvalidInput FIELD_DECLARATION, SCORING for what no collection can be made with."""
    check_declarations(settings.fields)
    _check_scoring(settings.scoring)


def _check_scoring(scoring: Scoring) -> None:
    if scoring.formula not in get_args(Formula):
        formulas = ", ".join(get_args(Formula))
        raise _refused("settings.scoring", repr(scoring.formula), f"one of {formulas}")
    powers = {"query_power": scoring.query_power, "document_power": scoring.document_power}
    for name, power in powers.items():
        where = f"settings.scoring.{scoring.formula}.{name}"
        if not 0 < power <= MAX_POWER:
            raise _refused(where, str(power), f"a number above 0, at most {MAX_POWER:g}")
        if scoring.formula != "saturation" and power != 1:
            raise _refused(where, str(power), "1: only saturation has powers")


def _refused(where: str, found: str, expected: str) -> InvalidInput:
    return InvalidInput(f"{where} is {found}; expected {expected}", reason="SCORING", field=where)
