"""What the model card says of the licence, and what is said of it before an export."""

from __future__ import annotations

from pathlib import Path

import pytest

from spladed_export.export import export
from spladed_export.licence import licence_of, warning


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        ("license: apache-2.0", "apache-2.0"),
        ("license: 'mit'", "mit"),
        ("license:\n- cc-by-4.0\n- mit", "cc-by-4.0"),
        ("license: other\nlicense_name: research-nc-1.0", "research-nc-1.0"),
        ("license: other", "other"),
        ("license:\nlanguage:\n- en", ""),
        ("language: en", ""),
    ],
)
def test_the_licence_is_what_the_card_states(tmp_path: Path, front: str, expected: str) -> None:
    card = tmp_path / "README.md"
    card.write_text(f"---\n{front}\ntags:\n- splade\n---\nlicense: in the text\n")
    assert licence_of(card) == expected


def test_no_card_and_a_card_without_front_matter_state_none(tmp_path: Path) -> None:
    assert licence_of(tmp_path / "README.md") == ""
    (tmp_path / "README.md").write_text("license: mit\n")
    assert licence_of(tmp_path / "README.md") == ""


@pytest.mark.parametrize(
    "licence",
    ["cc-by-nc-4.0", "cc-by-nc-sa-4.0", "CC-BY-NC-ND-3.0", "research-nc", "x-non-commercial"],
)
def test_licences_that_forbid_commercial_use_are_named(licence: str) -> None:
    said = warning("owner/name", licence)
    assert said is not None
    assert licence in said
    assert "forbids commercial use" in said


@pytest.mark.parametrize("licence", ["apache-2.0", "mit", "cc-by-sa-4.0", "ncsa", "openrail"])
def test_others_are_not(licence: str) -> None:
    assert warning("owner/name", licence) is None


def test_an_export_tells_of_both_sides_and_of_each_once(copy: Path, bert: Path) -> None:
    (copy / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    said: list[str] = []
    out = copy.parent / "out"
    bundle = export(copy, out, query_source=bert, progress=said.append)
    warned = [line for line in said if line.startswith("WARNING")]
    assert len(warned) == 2
    assert "copy is licensed cc-by-nc-4.0" in warned[0]
    assert "tiny-bert states no licence" in warned[1]
    assert bundle.manifest.source.licence == "cc-by-nc-4.0"
    assert said.index(warned[0]) < next(n for n, each in enumerate(said) if "exporting" in each)
