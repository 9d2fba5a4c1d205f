"""The card's figures are those of the JSON beside it, and no others."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from spladed.bundle import Bundle

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results" / "model_card.json"
BUILTIN = ("spladed-tiny-en", "int8")


@pytest.fixture(scope="module")
def page() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "bench" / "model_card_page.py"))


def test_the_card_is_made_of_the_results(page: dict[str, Any]) -> None:
    section = page["section_of"](json.loads(RESULTS.read_text()))
    assert f"{page['BEGIN']}\n{section}\n{page['END']}" in page["CARD"].read_text()


def test_only_what_is_between_the_markers_is_written(page: dict[str, Any], tmp_path: Path) -> None:
    results = json.loads(RESULTS.read_text())
    card = tmp_path / "README.md"
    card.write_text("# A model\n\nIts story.\n")
    page["write_card"](results, card)
    once = card.read_text()
    assert once.startswith(f"# A model\n\nIts story.\n\n{page['BEGIN']}\n## Measured quality")
    card.write_text(once + "\nMore.\n")
    page["write_card"](results, card)
    assert card.read_text() == once + "\nMore.\n"


def test_every_row_has_its_commit_and_its_bundle() -> None:
    for row in json.loads(RESULTS.read_text())["rows"]:
        assert row["commit"]
        assert row["bundle"] == "BM25" or row["bundle_id"].startswith("bu-")


def test_no_table_mixes_two_exports_of_one_checkpoint() -> None:
    rows = json.loads(RESULTS.read_text())["rows"]
    exports = {(row["bundle"], row["precision"], row["bundle_id"]) for row in rows}
    assert len(exports) == len({(bundle, precision) for bundle, precision, _ in exports})
    builtin = {id for bundle, precision, id in exports if (bundle, precision) == BUILTIN}
    assert builtin == {Bundle.open("builtin").manifest.bundle_id}
