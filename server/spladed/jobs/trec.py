"""Runs as TREC run files: query Q0 document rank score tag, with blanks between."""

from __future__ import annotations

from pathlib import Path

from spladed.errors import InvalidInput
from spladed.jobs.compressed import numbered_lines
from spladed.jobs.dataset import Dataset
from spladed.jobs.run import Run

__all__ = ["check_ids", "read_run", "write_run"]


def write_run(path: Path, run: Run, tag: str) -> None:
    """Writes the run, ranks from 1, scores with all their digits.

    Ids and the tag hold no white space (`check_ids`); the tag's becomes "-".
    """
    name = "-".join(tag.split()) or "-"
    with path.open("w", encoding="utf-8") as file:
        for query, found in run.items():
            for rank, (document, score) in enumerate(found.items(), 1):
                file.write(f"{query} Q0 {document} {rank} {score!r} {name}\n")


def read_run(path: Path) -> Run:
    """The run in a file that any system wrote (.zst and .gz too), scores falling.

    Raises InvalidInput LINE, DUPLICATE_ID or FILE_EMPTY, and what `numbered_lines` raises.
    """
    run: dict[str, dict[str, float]] = {}
    for number, line in numbered_lines(path):
        query, document, score = _hit(line, f"{path}:{number}")
        found = run.setdefault(query, {})
        if document in found:
            raise InvalidInput(
                f"{path}:{number} repeats document {document!r} for query {query!r}",
                reason="DUPLICATE_ID",
                field=f"{path}:{number}",
            )
        found[document] = score
    if not run:
        raise InvalidInput(f"{path} holds no hits", reason="FILE_EMPTY", field=str(path))
    return {query: _falling(found) for query, found in run.items()}


def check_ids(dataset: Dataset) -> None:
    """Raises InvalidInput ID for an id that a run file cannot hold, as it splits at blanks."""
    for what, texts in (("document", dataset.documents), ("query", dataset.queries)):
        for text in texts:
            if len(text.id.split()) != 1 or text.id.strip() != text.id:
                raise InvalidInput(
                    f"the id of {what} {text.id!r} has white space in it, and a TREC run file "
                    "separates columns by that; rename it, or leave --run out",
                    reason="ID",
                    field="run",
                )


def _hit(line: str, where: str) -> tuple[str, str, float]:
    cells = line.split()
    try:
        query, _, document, _, score, _ = cells
        value = float(score)
    except ValueError as error:
        raise InvalidInput(
            f"{where} is not a hit of a TREC run ({error}); expected six columns: query Q0 "
            "document rank score tag",
            reason="LINE",
            field=where,
        ) from error
    if value != value:  # NaN has no place in an order
        raise InvalidInput(f"{where} has the score NaN", reason="LINE", field=where)
    return query, document, value


def _falling(found: dict[str, float]) -> dict[str, float]:
    return dict(sorted(found.items(), key=lambda hit: -hit[1]))
