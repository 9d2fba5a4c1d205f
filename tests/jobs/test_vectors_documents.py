"""What comes with a vector: fields of JSON lines, columns of Parquet, and who is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spladed.errors import InvalidInput, Mismatch, SpladedError
from spladed.index.values import Document
from spladed.jobs.vectors import Options, open_vectors
from spladed.jobs.vectors import open as opening
from tests.jobs.vector_files import FIELDS, read_whole

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def lines(folder: Path, **said: Any) -> Path:
    path = folder / "rows.jsonl"
    path.write_text(json.dumps({"id": "a", "vector": {}} | said))
    return path


def test_fields_of_a_line_get_their_types(tmp_path: Path) -> None:
    given = {
        "lang": "en", "tags": ["x", "y"], "year": 2026, "price": 3, "live": True,
        "at": "2026-01-31T13:00:00+01:00",
    }  # fmt: skip
    (document,) = (
        read_whole(
            lines(tmp_path, fields=given, text="t", metadata={"ü": 1}), dimension=9, fields=FIELDS
        ).documents
        or []
    )
    assert document == Document(
        "a", "t", '{"ü":1}',
        {"lang": ("en",), "tags": ("x", "y"), "year": (2026,), "price": (3.0,), "live": (True,),
         "at": (NOON,)},
    )  # fmt: skip
    assert document.fields["at"][0].tzinfo is UTC
    (bare,) = (
        read_whole(
            lines(tmp_path, fields={"lang": None, "tags": []}), dimension=9, fields=FIELDS
        ).documents
        or []
    )
    assert bare == Document("a")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"lang": 5}, "fields.lang.values[0] is '5', integer; expected keyword"),
        ({"lang": ["a", "b"]}, "fields.lang has 2 values; expected one"),
        ({"year": True}, "fields.year.values[0] is 'True', boolean"),
        ({"year": 2**63}, "expected a signed 64-bit integer"),
        ({"live": 1}, "fields.live.values[0] is '1', integer"),
        ({"at": "yesterday"}, "fields.at.values[0] is 'yesterday'"),
        ({"at": "2026-01-31T12:00:00"}, "without a time zone"),
        ({"tags": [["x"]]}, "fields.tags.values[0]"),
        ({"colour": "red"}, "declared: lang (keyword), tags (list of keyword)"),
    ],
)
def test_a_bad_field_is_named(given: Any, words: str, tmp_path: Path) -> None:
    path = lines(tmp_path, fields=given)
    with pytest.raises(InvalidInput) as caught:
        read_whole(path, dimension=9, fields=FIELDS)
    assert f"{path}:1" in caught.value.message
    assert words in caught.value.message


# Parquet as others write it


def parquet(folder: Path, columns: dict[str, Any], **metadata: str) -> Path:
    path = folder / "rows.parquet"
    table = pa.table(columns).replace_schema_metadata(metadata or None)
    pq.write_table(table, path, row_group_size=2)
    return path


def vectors(
    indices: Any = None, values: Any = None, ids: Any = None, kinds: Any = (None, None)
) -> dict[str, Any]:
    indices = [[1, 5], [], [2]] if indices is None else indices
    values = [[0.5, 1.5], [], [2.0]] if values is None else values
    return {
        "id": pa.array(ids or ["a", "b", "c"]),
        "indices": pa.array(indices, kinds[0] or pa.list_(pa.int64())),
        "values": pa.array(values, kinds[1] or pa.list_(pa.float64())),
    }


@pytest.mark.parametrize(
    "kinds",
    [
        (pa.list_(pa.int32()), pa.list_(pa.float32())),
        (pa.list_(pa.uint32()), pa.list_(pa.float64())),
        (pa.large_list(pa.int64()), pa.large_list(pa.float16())),
        (pa.list_(pa.int16()), pa.list_(pa.float32())),
    ],
)
def test_lists_of_any_width_are_read(kinds: Any, tmp_path: Path) -> None:
    values = [np.array([0.5, 1.5], np.float16), np.array([], np.float16), np.array([2.0], "f2")]
    columns = vectors(values=values if "half" in str(kinds[1]) else None, kinds=kinds)
    found = read_whole(parquet(tmp_path, columns, dimension="9"))
    assert (found.vectors.dimension, found.ids) == (9, ["a", "b", "c"])
    assert found.vectors.indptr.tolist() == [0, 2, 2, 3]
    assert found.vectors.indices.tolist() == [1, 5, 2]
    assert found.vectors.values.tolist() == [0.5, 1.5, 2.0]


def test_fixed_lists_slices_and_numbers_as_ids(tmp_path: Path) -> None:
    columns = {
        "id": pa.array([7, 8], pa.int64()),
        "indices": pa.array([[1, 2], [3, 4]], pa.list_(pa.int32(), 2)),
        "values": pa.array([[1, 2], [3, 4]], pa.list_(pa.float32(), 2)),
    }
    found = read_whole(parquet(tmp_path, columns), dimension=9)
    assert found.ids == ["7", "8"]
    assert found.vectors.indices.tolist() == [1, 2, 3, 4]


def test_columns_named_like_fields_are_read_and_others_passed_over(tmp_path: Path) -> None:
    zone = timezone(timedelta(hours=1))
    columns = vectors() | {
        "text": pa.array(["t", None, ""]).dictionary_encode(),
        "metadata": pa.array(['{"a": 1}', None, ""]),
        "lang": pa.array(["en", None, "de"]).dictionary_encode(),
        "tags": pa.array([["x", "y"], [], None]),
        "at": pa.array([NOON.astimezone(zone), None, NOON], pa.timestamp("ns", "Europe/Berlin")),
        "url": pa.array(["passed", "over", ""]),
    }
    path = parquet(tmp_path, columns, dimension="9", space_id="sp-1", bundle_id="bu-1")
    file = open_vectors(path, Options(fields=FIELDS))
    assert (file.total, file.space_id, file.bundle_id) == (3, "sp-1", "bu-1")
    assert read_whole(file).documents == [
        Document("a", "t", '{"a": 1}', {"lang": ("en",), "tags": ("x", "y"), "at": (NOON,)}),
        Document("b"),
        Document("c", fields={"lang": ("de",), "at": (NOON,)}),
    ]
    assert [chunk.documents for chunk in open_vectors(parquet(tmp_path, vectors()),
            Options(dimension=9)).chunks] == [None]  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"x": [1]}, "has the columns x and no id"),
        (vectors() | {"id": pa.array([1.5, 2, 3])}, "has id as double"),
        (vectors() | {"values": pa.array(["a", "b", "c"])}, "has values as string"),
        (vectors() | {"text": pa.array([1, 2, 3])}, "has text as int64"),
        (vectors(ids=["a", None, "c"]), "row 1 has null as its id"),
        (vectors(ids=["a", "b", ""]), "row 2 has an empty id"),
        (vectors(indices=[[1, 5], [], None]), "row 2 has null as its indices"),
        (vectors(values=[[0.5, None], [], [1]]), "row 0 has values with a null in it"),
        (vectors(values=[[0.5, 1], [], [1, 2]]), "row 2 has 1 indices and 2 values"),
        (vectors(indices=[[1, 5], [], [9]]), "row 2 has term 9"),
        (vectors(values=[[0.5, 1], [], [-1]]), "row 2 has weight -1.0"),
        (vectors(indices=[[1, 1], [], [2]]), "row 0 has term 1 twice"),
        (vectors() | {"metadata": pa.array(["{}", "no", "{}"])}, "row 1: metadata is 'no'"),
        (vectors() | {"metadata": pa.array(["{}", "{}", "[]"])}, "row 2: metadata"),
        (vectors() | {"year": pa.array(["x", "y", "z"])}, "row 0: fields.year.values[0] is 'x'"),
        (vectors() | {"at": pa.array([NOON.replace(tzinfo=None)] * 3)}, "without a time zone"),
    ],
)
def test_a_bad_parquet_says_what_is_wrong(columns: Any, words: str, tmp_path: Path) -> None:
    path = parquet(tmp_path, columns)
    with pytest.raises(InvalidInput) as caught:
        read_whole(path, dimension=9, fields=FIELDS)
    assert words in caught.value.message
    assert str(path) in caught.value.message


def test_a_parquet_needs_a_dimension_that_is_one(tmp_path: Path) -> None:
    for said, words in (({}, "give --dimension"), ({"dimension": "many"}, "b'many'")):
        with pytest.raises(SpladedError, match=words):
            read_whole(parquet(tmp_path, vectors(), **said))


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow")

    monkeypatch.setattr(opening, "import_module", missing)
    with pytest.raises(Mismatch, match=r"parquet needs pyarrow: pip install 'spladed\[jobs\]'"):
        open_vectors(tmp_path / "rows.parquet")
