"""Files that are broken, foreign or do not fit: each is refused by name, none half-read."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spladed.errors import InvalidInput, Mismatch, NotFound, SpladedError
from spladed.jobs.vectors import Options, format_of, open_vectors, write_vectors
from tests.jobs.vector_files import (
    DIMENSION,
    VOCABULARY,
    read_whole,
    same_rows,
    some_chunk,
    vocabulary_file,
)

CHUNK = some_chunk([((1, 7), (0.5, 2.0)), ((), ()), ((2, 3, 699), (1.0, 3.25, 0.01))])
SUFFIXES = ["csr", "npz", "parquet", "jsonl", "anserini.jsonl", "anserini.jsonl.gz", "ciff.gz"]


def options(folder: Path, suffix: str) -> Options:
    if "anserini" in suffix or "ciff" in suffix:
        return Options(vocabulary=str(vocabulary_file(folder)), scale=100, dimension=DIMENSION)
    return Options(dimension=DIMENSION)


@pytest.fixture(params=[*SUFFIXES, "ciff"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Options]:
    """A file of CHUNK in each format, and what it is read with."""
    path = tmp_path / f"rows.{request.param}"
    given = options(tmp_path, request.param)
    vocabulary = VOCABULARY if given.vocabulary else ()
    write_vectors(path, [CHUNK], dimension=DIMENSION, vocabulary=vocabulary)
    return path, given


def refused(path: Path, given: Options, **how: Any) -> SpladedError:
    with pytest.raises(SpladedError) as caught:
        list(open_vectors(path, given, **how).chunks)
    assert str(path) in caught.value.message
    assert len(caught.value.message) < 700
    return caught.value


def test_every_format_reads_what_it_wrote(file: tuple[Path, Options]) -> None:
    same_rows(read_whole(open_vectors(*file)).vectors, CHUNK.vectors)


def test_a_file_cut_anywhere_is_refused(file: tuple[Path, Options]) -> None:
    path, given = file
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        if path.name.endswith("jsonl"):  # whole lines are a whole file, and no line
            cut = whole[:length]
            if not cut or cut.endswith((b"\n", b"}")):
                continue
        error = refused(path, given)
        assert isinstance(error, InvalidInput), (length, error)


def test_a_file_that_is_not_there_is_named(file: tuple[Path, Options]) -> None:
    path, given = file
    path.unlink()
    assert isinstance(refused(path, given), NotFound)
    path.mkdir()
    assert isinstance(refused(path, given), NotFound)


@pytest.mark.parametrize("format", ["csr", "npz", "parquet", "jsonl", "anserini", "ciff"])
def test_a_file_of_another_format_is_refused(
    format: Any, file: tuple[Path, Options], tmp_path: Path
) -> None:
    path, _ = file
    if format in path.name or (format == "jsonl" and "jsonl" in path.name):
        return
    given = options(tmp_path, format)
    error = refused(path, given, format=format)
    assert isinstance(error, InvalidInput)


def test_a_file_with_a_byte_changed_is_refused_or_differs(file: tuple[Path, Options]) -> None:
    """Never another kind of error, whatever the byte; and nothing goes on for ever."""
    path, given = file
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            list(open_vectors(path, given).chunks)
        except SpladedError as error:
            assert str(path) in error.message
            assert "bug" not in error.message


def test_names_say_the_format() -> None:
    cases = {
        "a.parquet": "parquet", "a.PARQUET": "parquet", "a.b.npz": "npz", "a.csr": "csr",
        "a.jsonl": "jsonl", "a.jsonl.gz": "jsonl", "a.json.zst": "jsonl", "a.ciff": "ciff",
        "a.ciff.gz": "ciff", "docs.jsonl.zst": "jsonl",
    }  # fmt: skip
    assert {name: format_of(Path(name)) for name in cases} == cases
    assert format_of(Path("a.jsonl.gz"), by_token=True) == "anserini"
    for name in ("a", "a.txt", "a.gz", "a.tar.gz"):
        with pytest.raises(InvalidInput, match="has no extension of a format"):
            format_of(Path(name))
    with pytest.raises(InvalidInput, match="unpack it"):
        format_of(Path("base_full.csr.gz"))
    with pytest.raises(InvalidInput, match="plain or as"):
        format_of(Path("index.ciff.zst"))


def test_ids_come_from_a_file_beside_the_rows(tmp_path: Path) -> None:
    path, ids = tmp_path / "rows.csr", tmp_path / "ids.txt"
    write_vectors(path, [CHUNK], dimension=DIMENSION)
    ids.write_text("a\n ü \nc\n", encoding="utf-8")
    assert read_whole(path, ids=ids).ids == ["a", " ü ", "c"]
    packed = tmp_path / "ids.txt.gz"
    packed.write_bytes(gzip.compress(ids.read_bytes()))
    assert read_whole(path, ids=packed).ids == ["a", " ü ", "c"]
    for text, words in (
        ("a\nb\n", "has 2 lines for 3 rows"),
        ("a\nb\nc\nd\n", "has 4 lines for 3 rows"),
        ("a\n\nc\n", "ids.txt:2 is blank"),
        ("", "has 0 lines"),
    ):
        ids.write_text(text)
        with pytest.raises(SpladedError, match=words):
            read_whole(path, ids=ids)
    with pytest.raises(NotFound):
        read_whole(path, ids=tmp_path / "nowhere")


def test_options_that_a_format_has_no_use_for_are_refused(file: tuple[Path, Options]) -> None:
    path, given = file
    if not given.vocabulary:
        how = {"format": "jsonl"} if path.suffix == ".jsonl" else {}
        with pytest.raises(InvalidInput, match="--vocabulary has no use"):
            open_vectors(path, Options(vocabulary="builtin"), **how)
    if path.suffix not in (".csr", ".npz"):
        with pytest.raises(InvalidInput, match=r"--ids has no use .* with csr and npz"):
            open_vectors(path, Options(vocabulary=given.vocabulary, ids=path))


# .csr


def csr(rows: int, columns: int, nnz: int, indptr: Any, indices: Any, data: Any) -> bytes:
    return b"".join([
        np.array([rows, columns, nnz], "<i8").tobytes(), np.array(indptr, "<i8").tobytes(),
        np.array(indices, "<i4").tobytes(), np.array(data, "<f4").tobytes(),
    ])  # fmt: skip


def test_a_csr_of_big_ann_is_read(tmp_path: Path) -> None:
    path = tmp_path / "base.csr"
    path.write_bytes(csr(2, 9, 3, [0, 2, 3], [5, 1, 8], [0.5, 1.5, 2]))
    file = open_vectors(path)
    assert (file.dimension, file.total) == (9, 2)
    found = read_whole(file)
    assert found.ids == ["0", "1"]
    assert [(i.tolist(), v.tolist()) for i, v in found.vectors.rows()] == [
        ([1, 5], [1.5, 0.5]),
        ([8], [2.0]),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"short", "is 5 bytes long"),
        (csr(-1, 9, 0, [], [], []), "a header of -1 rows"),
        (csr(1, 9, 2, [0, 1], [1], [1]), "expected a .csr file"),
        (csr(1, 9, 1, [0, 1], [1], [1]) + b"x", "expected a .csr file"),
        (csr(2**60, 9, 2**60, [0, 1], [1], [1]), "expected a .csr file"),
        (csr(2, 9, 1, [0, 2, 1], [1], [1]), "indptr falls at row 1"),
        (csr(1, 9, 1, [0, 1], [9], [1]), "row 0 has term 9"),
        (csr(1, 9, 1, [0, 1], [1], [-1]), "row 0 has weight -1.0"),
        (csr(1, 9, 2, [0, 2], [1, 1], [1, 1]), "row 0 has term 1 twice"),
        (csr(1, 0, 0, [0, 0], [], []), "give --dimension"),
    ],
)
def test_a_bad_csr_says_what_is_wrong(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "base.csr"
    path.write_bytes(content)
    assert words in refused(path, Options()).message


def test_more_terms_than_wanted_are_refused_by_the_header(tmp_path: Path) -> None:
    for suffix in ("csr", "npz", "parquet"):
        path = tmp_path / f"rows.{suffix}"
        write_vectors(path, [CHUNK], dimension=DIMENSION)
        error = refused(path, Options(dimension=DIMENSION - 1))
        assert isinstance(error, Mismatch)
        assert "vectors of 700 terms, more than the 699" in error.message
        wider = read_whole(path, dimension=DIMENSION + 1)
        assert wider.vectors.dimension == DIMENSION + 1


# npz


def test_scipy_reads_and_writes_the_same_npz(tmp_path: Path) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    path = tmp_path / "rows.npz"
    write_vectors(path, [CHUNK], dimension=DIMENSION)
    matrix = sparse.load_npz(path)
    assert matrix.shape == (3, DIMENSION)
    assert matrix[2, 3] == 3.25
    for compressed in (True, False):
        for changed in (matrix, matrix.astype(np.float64), sparse.csr_array(matrix)):
            sparse.save_npz(path, changed, compressed=compressed)
            same_rows(read_whole(path).vectors, CHUNK.vectors)
    sparse.save_npz(path, matrix.tocsc())
    assert "layout 'csc'; expected 'csr'" in refused(path, Options()).message


def npz(path: Path, **changed: Any) -> None:
    arrays: dict[str, Any] = {
        "indices": np.array([1, 2], np.int32), "indptr": np.array([0, 1, 2], np.int32),
        "format": np.array(b"csr"), "shape": np.array([2, 9]),
        "data": np.array([1, 2], np.float32),
    } | changed  # fmt: skip
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, ""),
        ({"format": None}, "and no format.npy"),
        ({"data": None}, "and no data.npy"),
        ({"format": np.array("coo")}, "layout 'coo'"),
        ({"indices": np.array([[1, 2]])}, "has indices of shape (1, 2)"),
        ({"indices": np.array([1.0, 2.0])}, "dtype float64"),
        ({"data": np.array(["a", "b"])}, "dtype <U1"),
        ({"data": np.array([1, 2, 3.0])}, "has 2 indices and 3 weights"),
        ({"shape": np.array([3, 9])}, "3 offsets in indptr and 3 rows"),
        ({"shape": np.array([2])}, "has the shape [2]"),
        ({"indptr": np.array([0, 2, 1])}, "indptr goes from 0 to 1"),
        ({"data": np.array([1, np.nan])}, "row 1 has weight nan for term 2"),
        ({"indices": np.array([1, 9])}, "row 1 has term 9"),
        ({"data": np.array([{}, {}])}, "dtype object"),
        ({"format": np.array([{}])}, "no word in format.npy"),
    ],
)
def test_a_bad_npz_says_what_is_wrong(changed: Any, words: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.npz"
    npz(path, **changed)
    if words:
        assert words in refused(path, Options()).message
    else:
        read_whole(path)


def test_a_damaged_npz_is_told_by_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "rows.npz"
    npz(path)
    data = path.read_bytes()
    at = data.index(np.array([1, 2], np.float32).tobytes())
    path.write_bytes(data[: at + 2] + b"\x01" + data[at + 3 :])
    assert "Bad CRC-32" in refused(path, Options()).message


def test_an_npz_of_a_strange_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.npz"
    held = io.BytesIO()
    np.save(held, np.array(b"csr"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("format.npy", held.getvalue())
        archive.writestr("shape.npy", b"no array")
    assert "no array in shape.npy" in refused(path, Options()).message


# JSON lines

GOOD = {"id": "a", "vector": {"indices": [1], "values": [0.5]}}


def test_lines_have_their_vector_in_several_shapes(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [
        {"id": "a", "vector": {"indices": [7, 1], "values": [2, 0.5]}, "more": None},
        {"id": 2, "vector": {"7": 2.0, "1": 0.5}},
        {"id": "c", "indices": [1, 7], "values": [0.5, 2.0], "text": None},
        {"id": "d", "vector": {}},
        {"id": "e", "indices": [], "values": []},
    ]
    path.write_text("\n\n".join(map(json.dumps, lines)))
    found = read_whole(path, dimension=9)
    assert found.ids == ["a", "2", "c", "d", "e"]
    assert found.vectors.indices.tolist() == [1, 7] * 3
    assert found.vectors.values.tolist() == [0.5, 2.0] * 3
    assert found.vectors.indptr.tolist() == [0, 2, 4, 6, 6, 6]


@pytest.mark.parametrize(
    ("line", "reason", "words"),
    [
        ("{", "LINE", "JSONDecodeError"),
        ("[]", "LINE", "it is a list"),
        ("[" * 100_000, "LINE", "RecursionError"),
        ("{}", "LINE", "no id"),
        ('{"id": "x"}', "LINE", "no vector"),
        ('{"id": "", "vector": {}}', "ID", "id is ''"),
        ('{"id": null, "vector": {}}', "ID", "NoneType"),
        ('{"id": true, "vector": {}}', "ID", "bool"),
        ('{"id": 1.5, "vector": {}}', "ID", "float"),
        ('{"id": "\\ud800", "vector": {}}', "ID", "surrogate"),
        ('{"id": "x", "vector": [1]}', "LINE", "its vector is a list"),
        ('{"id": "x", "vector": {"dog": 1}}', "LINE", "--format anserini and --vocabulary"),
        ('{"id": "x", "vector": {"1": 1, "1": 2}}', "LINE", "'1' stands twice"),
        ('{"id": "x", "vector": {"1": 1, "01": 2}}', "VECTOR_INDEX_ORDER", "term 1 twice"),
        ('{"id": "x", "vector": {"1": "2"}}', "LINE", "values has '2'"),
        ('{"id": "x", "vector": {"1": true}}', "LINE", "values has True"),
        ('{"id": "x", "vector": {"1": null}}', "LINE", "values has None"),
        ('{"id": "x", "vector": {"1": NaN}}', "VECTOR_WEIGHT", "weight nan"),
        ('{"id": "x", "vector": {"1": -1}}', "VECTOR_WEIGHT", "weight -1.0"),
        ('{"id": "x", "vector": {"1": 1e999}}', "VECTOR_WEIGHT", "weight inf"),
        ('{"id": "x", "vector": {"1": 1%s}}' % ("0" * 400), "LINE", "values has 1000"),
        ('{"id": "x", "vector": {"9": 1}}', "VECTOR_INDEX_RANGE", "term 9; expected 0 to 8"),
        ('{"id": "x", "vector": {"indices": [1], "values": []}}', "LINE", "1 indices and 0 values"),
        ('{"id": "x", "vector": {"indices": [1]}}', "LINE", "not two lists"),
        ('{"id": "x", "vector": {"indices": 1, "values": 1}}', "LINE", "not two lists"),
        ('{"id": "x", "vector": {"indices": [1.0], "values": [1]}}', "LINE", "indices has 1.0"),
        ('{"id": "x", "vector": {"indices": [true], "values": [1]}}', "LINE", "indices has True"),
        ('{"id": "x", "vector": {"indices": [[1]], "values": [1]}}', "LINE", "indices has [1]"),
        (
            '{"id": "x", "vector": {"indices": [%s], "values": [1]}}' % (10**30),
            "LINE",
            "indices has 1000",
        ),
        ('{"id": "x", "vector": {}, "text": 5}', "TEXT", "text is '5' (int)"),
        ('{"id": "x", "vector": {}, "text": "\\udc00"}', "TEXT", "surrogate"),
        ('{"id": "x", "vector": {}, "metadata": "a"}', "METADATA", "expected an object"),
        ('{"id": "x", "vector": {}, "fields": []}', "", ""),
        ('{"id": "x", "vector": {}, "fields": [1]}', "FIELD_TYPE", "expected an object of"),
        ('{"id": "x", "vector": {}, "fields": {"l": 1}}', "FIELD", "does not declare"),
    ],
)
def test_a_bad_line_is_named(line: str, reason: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n\n{line}\n{json.dumps(GOOD)}\n")
    if not reason:
        read_whole(path, dimension=9)
        return
    error = refused(path, Options(dimension=9))
    assert error.reason == reason
    assert error.field.startswith(f"{path}:3")
    assert f"{path}:3" in error.message
    assert words in error.message


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b'\n{"id": "\xff"}\n')
    assert f"{path}:2 is not UTF-8" in refused(path, Options(dimension=9)).message


def test_lines_need_a_dimension(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(GOOD))
    assert "give --dimension" in refused(path, Options()).message
