"""`check` finds bounds that are not those of the postings, and names where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from spladed.index import Collection, CollectionSettings, Scoring, Upkeep, sound
from spladed.index.container import Container, to_bytes
from spladed.index.describe import inspect
from spladed.index.values import WeightFormat
from spladed.index.verify import check
from spladed.sparse import SparseBatch

Arrays = dict[str, npt.NDArray[Any]]

DOCUMENTS = 140_000  # three windows, with bounds
SETTINGS = CollectionSettings(3000)


def vectors(dimension: int) -> SparseBatch:
    """Rows of a few terms, some of them frequent and most rare."""
    rng = np.random.default_rng(3)
    often = rng.integers(0, 80, (DOCUMENTS, 3))
    seldom = rng.integers(80, dimension, (DOCUMENTS, 2))
    terms = np.sort(np.concatenate([often, seldom], axis=1), axis=1)
    keep = np.ones(terms.shape, np.bool_)
    keep[:, 1:] = terms[:, 1:] != terms[:, :-1]
    weights = (rng.integers(1, 60_000, terms.shape) / 4096).astype(np.float32)
    indptr = np.concatenate([[0], np.cumsum(keep.sum(axis=1))])
    return SparseBatch(dimension, indptr, terms[keep].astype(np.int32), weights[keep])


def make(folder: Path, settings: CollectionSettings, rows: SparseBatch | None = None) -> Path:
    rows = rows or vectors(settings.dimension)
    with Collection.create(folder, settings, upkeep=Upkeep(background=False)) as collection:
        with collection.load() as load:
            load.add([str(number) for number in range(DOCUMENTS)], rows)
        collection.flush()
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("bounds") / "c", SETTINGS)


@pytest.fixture(scope="module")
def sections(folder: Path) -> Arrays:
    (path,) = folder.glob("*.segment")
    container = Container.of(path.read_bytes(), "")
    return {name: container[name] for name in container.names}


def test_bounds_as_they_are_written_are_sound(folder: Path, sections: Arrays) -> None:
    assert {"frequent", "w2/members", "b0/rare"} <= set(sections)
    assert len(sections["frequent"]) == 80
    assert check(folder).problems == []
    (segment,) = inspect(folder).segments
    sizes = {each.name: each.bytes for each in segment.sections}
    assert sizes["b*/rows"] == sections["b0/rows"].nbytes
    assert sizes["w*/rows"] == sum(sections[f"w{number}/rows"].nbytes for number in range(3))


@pytest.mark.parametrize(
    ("weight_format", "scoring"),
    [("float32", Scoring()), ("fixed16", Scoring("cosine")), ("float32", Scoring("saturation"))],
)
def test_bounds_of_other_numbers_are_sound(
    tmp_path: Path, weight_format: WeightFormat, scoring: Scoring
) -> None:
    settings = CollectionSettings(70_000, weight_format=weight_format, scoring=scoring)
    assert check(make(tmp_path / "c", settings)).problems == []


def test_impacts_of_0_have_no_bounds(tmp_path: Path) -> None:
    """The eighth power of a tiny weight is 0 in float32: nobody's superblocks, nor records."""
    rows = vectors(3000)
    tiny = np.repeat(np.arange(DOCUMENTS) % 3 > 0, np.diff(rows.indptr))
    values = np.where(tiny, np.float32(1e-20), rows.values)
    settings = CollectionSettings(
        3000, weight_format="float32", scoring=Scoring("saturation", 1.0, 8.0)
    )
    folder = make(tmp_path / "c", settings, SparseBatch(3000, rows.indptr, rows.indices, values))
    assert check(folder).problems == []


def less(name: str) -> Callable[[Arrays], None]:
    """The first number that is not 0, one lower; of a float, a thousandth."""

    def change(arrays: Arrays) -> None:
        place = int(np.flatnonzero(arrays[name])[0])
        arrays[name][place] -= arrays[name].dtype.type(
            arrays[name][place] / 1000 if arrays[name].dtype.kind == "f" else 1
        )

    return change


def put(name: str, place: int, value: int) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name][place] = value

    return change


def cut(name: str) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name] = arrays[name][:-1]

    return change


def without(name: str) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        del arrays[name]

    return change


def other_member(arrays: Arrays) -> None:
    """One bit of the last bitmap, which is of a document, the other way."""
    arrays["w1/members"][-1] ^= np.uint64(1 << 40)


def code_of_nobody(arrays: Arrays) -> None:
    rows = arrays["b0/rows"]
    rows[int(np.flatnonzero(rows == 0)[0])] = 1


LIES: dict[str, tuple[Callable[[Arrays], None], str]] = {
    "a lower code": (less("b0/rows"), "b0/rows: "),
    "a code of nobody": (code_of_nobody, "b0/rows: has"),
    "a lower scale": (less("b0/scales"), "b0/rows: window 0"),
    "a document less": (other_member, "w1/members: are not those"),
    "presence": (less("w0/members"), "w0/members: are not those"),
    "a record moved": (put("w2/member_starts", 3, 1), "w2/member_starts: are not those"),
    "frequencies": (less("b0/frequencies"), "b0/frequencies: slot 0 is in"),
    "a lower rare code": (less("b0/rare"), "b0/rare: "),
    "a lower rare scale": (less("b0/rare_scales"), "b0/rare: window"),
    "another rare superblock": (put("b0/rare", 0, 0xFFFF), "b0/rare: a list of window 0 has other"),
    "a rare list moved": (put("b0/rare_starts", 1, 0), "b0/rare: a list of window 0 is short"),
    "rare starts fall": (put("b0/rare_starts", 5, 1 << 30), "b0/rare_starts: do not rise"),
    "a rare term less": (put("b0/rare_terms", 0, 79), "b0/rare_terms: lack term 80"),
    "rare terms fall": (put("b0/rare_terms", 0, 2999), "b0/rare_terms: do not rise"),
    "a rare entry less": (cut("b0/rare"), "b0/rare_starts: do not rise"),
    "a scale less": (cut("b0/scales"), "b0/scales: has 239 entries, expected 240"),
    "a slot twice": (put("frequent_slots", 0, 1), "frequent: "),
    "frequent terms fall": (put("frequent", 0, 70), "frequent: "),
    "another frequent term": (put("frequent", -1, 500), "b0/"),
    "no members": (without("w1/members"), "do not fit together"),
    "no codes": (without("b0/rows"), "do not fit together"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_found(sections: Arrays, lie: str) -> None:
    change, words = LIES[lie]
    arrays = {name: array.copy() for name, array in sections.items()}
    change(arrays)
    container = Container.of(to_bytes(arrays.items()), "lie")
    problems = sound.problems(container, SETTINGS, is_batch=False)
    assert any(words in each for each in problems), problems
