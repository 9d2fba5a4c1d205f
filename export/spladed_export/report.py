"""A verification report: named checks, each with what was measured and the limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from spladed.errors import Mismatch

__all__ = ["Check", "Report", "failed"]


@dataclass(frozen=True, slots=True)
class Check:
    """measured must be at most (or at least) limit; `about` says of what, in words."""

    name: str
    measured: float
    limit: float
    side: Literal["at most", "at least"]
    about: str

    @property
    def ok(self) -> bool:
        """Whether the limit holds; NaN holds no limit."""
        if self.side == "at most":
            return self.measured <= self.limit
        return self.measured >= self.limit


@dataclass(slots=True)
class Report:
    """The checks made so far; the first that fails ends the export.

    reference: what rows are compared with, in words
    """

    reference: str
    versions: Mapping[str, str]
    progress: Callable[[str], None]
    checks: list[Check] = field(default_factory=list)

    def at_most(self, name: str, measured: float, limit: float, about: str) -> None:
        """Records a check; raises Mismatch (VERIFY_<NAME>) if it fails."""
        self._add(Check(name, measured, limit, "at most", about))

    def at_least(self, name: str, measured: float, limit: float, about: str) -> None:
        """Records a check; raises Mismatch (VERIFY_<NAME>) if it fails."""
        self._add(Check(name, measured, limit, "at least", about))

    def to_mapping(self) -> dict[str, Any]:
        """The report as the manifest holds it; numbers to four digits, so that it is stable."""
        checks = {
            check.name: {
                "measured": float(f"{check.measured:.4g}"),
                check.side.replace(" ", "_"): check.limit,
                "about": check.about,
            }
            for check in self.checks
        }
        return {
            "reference": self.reference,
            "versions": dict(self.versions),
            "checks": checks,
        }

    def _add(self, check: Check) -> None:
        self.checks.append(check)
        if not check.ok:
            raise failed(
                check.name,
                f"{check.about}: measured {check.measured:.4g}, {check.side} {check.limit:g} "
                "is allowed",
            )
        self.progress(f"verified {check.name}: {check.measured:.3g} ({check.side} {check.limit:g})")


def failed(name: str, about: str) -> Mismatch:
    """The error of a check that failed, or could not even be measured."""
    return Mismatch(
        f"verification failed: {name}: {about}; no bundle was written",
        reason=f"VERIFY_{name.upper()}",
        field="verification",
    )
