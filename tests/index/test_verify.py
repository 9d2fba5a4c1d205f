"""`check` finds whatever is not as it was written, and names where; and nothing else."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from spladed.errors import Mismatch, NotFound
from spladed.index import Collection, CollectionSettings, Document, Field, Scoring, Upkeep, build
from spladed.index.container import Container, to_bytes
from spladed.index.segment import Segment
from spladed.index.snapshot import Part
from spladed.index.union import Union
from spladed.index.values import WeightFormat
from spladed.index.verify import check

from .oracle import random_batch

Arrays = dict[str, npt.NDArray[Any]]

DIMENSION = 60
FIELDS = (Field("year", "integer"), Field("tags", "keyword", list=True), Field("new", "boolean"))
HERE = Upkeep(background=False)


def document(number: int) -> Document:
    fields: dict[str, Any] = {"year": (1900 + number,), "tags": (f"tag {number % 7}", "all")}
    return Document(f"id-{number}", f"text {number}", "{}", fields if number % 3 else {})


def upsert(collection: Collection, numbers: range, bundle_id: str = "") -> None:
    rng = np.random.default_rng(numbers.start)
    rows = random_batch(rng, collection.settings.dimension, len(numbers), 6)
    collection.upsert([document(number) for number in numbers], rows, bundle_id=bundle_id)


def make(folder: Path, **settings: Any) -> Path:
    """A collection with two segments, two batches, deletes in all, texts and bundles."""
    made = CollectionSettings(**{"dimension": DIMENSION, "fields": FIELDS, **settings})
    with Collection.create(folder / "c", made, upkeep=HERE) as collection:
        upsert(collection, range(150), "bundle-1")
        collection.flush()
        upsert(collection, range(100, 220), "bundle-2")
        collection.delete([f"id-{number}" for number in range(20)])
        collection.flush()
        upsert(collection, range(200, 240), "bundle-2")
        upsert(collection, range(300, 310))
        collection.delete(["id-21", "id-210", "id-305"])
    return folder / "c"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path)


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.segment"))


@contextmanager
def catalog(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(folder / "catalog.sqlite")) as connection, connection:
        yield connection


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0x10
    path.write_bytes(data)


@pytest.mark.parametrize("weight_format", ["fixed16", "float32"])
@pytest.mark.parametrize("dimension", [DIMENSION, 100_000])
@pytest.mark.parametrize(
    "scoring", [Scoring(), Scoring("cosine"), Scoring("saturation", 0.5, 0.75)], ids=str
)
def test_what_was_written_is_sound(
    tmp_path: Path, weight_format: WeightFormat, dimension: int, scoring: Scoring
) -> None:
    folder = make(tmp_path, weight_format=weight_format, dimension=dimension, scoring=scoring)
    report = check(folder)
    assert (report.problems, report.leftovers) == ([], [])
    assert (report.generation, report.files, report.documents) == (6, 2, 150 + 120 + 40 + 10)
    with Collection.open(folder, upkeep=HERE) as collection:
        collection.flush()
        collection.compact()
        assert check(folder).problems == []
        stats = collection.stats()
        after = check(folder)
        assert (after.documents, after.weights, after.files) == (stats.documents, stats.nnz, 1)
        assert after.bytes == stats.mapped_bytes


def test_an_empty_collection_is_sound(tmp_path: Path) -> None:
    Collection.create(tmp_path / "c", CollectionSettings(10)).close()
    report = check(tmp_path / "c")
    assert (report.problems, report.generation, report.documents) == ([], 0, 0)


def test_a_flipped_byte_is_found_in_every_section(folder: Path) -> None:
    path = segments(folder)[0]
    container, data = Container.of(path.read_bytes(), ""), path.read_bytes()
    names = container.names
    assert {"meta", "ids", "w0/rows", "w0/impacts", "fields/tags/words"} <= set(names)
    for name in names:
        for place in {0, container.size(name) // 2, container.size(name) - 1}:
            flip(path, container.offset(name) + place)
            (problem,) = check(folder).problems
            assert problem == f"{path.name}: {name}: does not have its checksum"
            path.write_bytes(data)


def test_a_flipped_byte_is_found_outside_of_sections(folder: Path) -> None:
    path = segments(folder)[1]
    data = path.read_bytes()
    container = Container.of(data, "")
    last = container.names[-1]
    gaps = [8, 13, 20, container.offset("by_seq") - 1]
    table = container.offset(last) + container.size(last)
    for place in (0, *gaps, table, table + 90, *range(len(data) - 32, len(data))):
        flip(path, place)
        problems = check(folder).problems
        # The trailer's own version is read nowhere: the head's counts.
        assert problems or place in range(len(data) - 12, len(data) - 8), place
        assert all(path.name in each for each in problems)
        path.write_bytes(data)


@pytest.mark.parametrize("length", [0, 1, 40, 1000, -1])
def test_a_cut_file_is_found(folder: Path, length: int) -> None:
    path = segments(folder)[0]
    path.write_bytes(path.read_bytes()[:length])
    (problem,) = check(folder).problems
    assert path.name in problem


def test_a_missing_file_is_found(folder: Path) -> None:
    path = segments(folder)[0]
    path.unlink()
    (problem,) = check(folder).problems
    assert f"{path} is missing" in problem


def rewrite(folder: Path, path: Path, change: Callable[[Arrays], Arrays | None]) -> None:
    """The file with other sections, whose checksums are right, and named by the catalog."""
    container = Container.of(path.read_bytes(), "")
    arrays = {name: container[name].copy() for name in container.names}
    arrays = change(arrays) or arrays
    path.write_bytes(to_bytes(arrays.items()))
    fingerprint = f"{Container.of(path.read_bytes(), '').fingerprint:016x}"
    with catalog(folder) as connection:
        update = "UPDATE segments SET fingerprint = ? WHERE name = ?"
        connection.execute(update, (fingerprint, path.name))


def swap(name: str, one: int, other: int) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name][[one, other]] = arrays[name][[other, one]]

    return change


def put(name: str, place: int, value: Any) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name][place] = value

    return change


def cut(name: str) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name] = arrays[name][:-1]

    return change


def cast(name: str, dtype: str) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name] = arrays[name].astype(dtype)

    return change


def without(name: str) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        del arrays[name]

    return change


def told(text: str, other: str) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        meta = arrays["meta"].tobytes()
        assert text.encode() in meta
        arrays["meta"] = np.frombuffer(meta.replace(text.encode(), other.encode()), np.uint8)

    return change


def swapped_posting(arrays: Arrays) -> None:
    """Two documents of one term in the other order, each with its own impact."""
    counts = np.diff(arrays["w0/starts"])
    start = int(arrays["w0/starts"][np.flatnonzero(counts > 1)[0]])
    for name in ("w0/docs", "w0/impacts"):
        swap(name, start, start + 1)(arrays)


def same_id_twice(arrays: Arrays) -> None:
    """The second id becomes the first one, the hash index right."""
    starts, blob = arrays["id_starts"], arrays["ids"].tobytes()
    ids = [blob[starts[row] : starts[row + 1]] for row in range(len(starts) - 1)]
    row, other = (int(np.flatnonzero(arrays["id_rows"] == each)[0]) for each in (0, 1))
    ids[1] = ids[0]
    hashes = arrays["id_hashes"]
    hashes[other] = hashes[row]
    order = np.argsort(hashes, kind="stable")
    arrays["id_hashes"], arrays["id_rows"] = hashes[order], arrays["id_rows"][order]
    arrays["ids"] = np.frombuffer(b"".join(ids), np.uint8)
    arrays["id_starts"] = np.cumsum([0, *map(len, ids)])


def swapped_rows(arrays: Arrays) -> None:
    """The first row with terms in falling order."""
    rows = arrays["w0/rows"].view(np.uint16)
    starts = arrays["w0/row_starts"] // 2
    row = int(np.flatnonzero(np.diff(starts) >= 4)[0])
    rows[[starts[row], starts[row] + 1]] = rows[[starts[row] + 1, starts[row]]]


def weight(value: int) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        rows, starts = arrays["w0/rows"].view(np.uint16), arrays["w0/row_starts"] // 2
        rows[int(starts[-1]) - 1 if rows[int(starts[-1]) - 1] else int(starts[-1]) - 2] = value

    return change


def other_order(arrays: Arrays) -> None:
    """Seqs and their index in another, and agreeing, order: documents changed their seqs."""
    arrays["by_seq"] = arrays["by_seq"][::-1].copy()
    arrays["seqs"] = arrays["seqs"].max() - arrays["seqs"] + arrays["seqs"].min()


LIES: dict[str, tuple[Callable[[Arrays], Arrays | None], str]] = {
    "swapped posting": (swapped_posting, "w0/docs: entry"),
    "another impact": (put("w0/impacts", 3, 7), "w0/impacts: entry 3 is 7, the rows make"),
    "another document": (put("w0/docs", 0, 149), "w0/docs: entry 0 is 149"),
    "another term": (put("w0/terms", -1, 59999), "w0/terms: entry"),
    "postings moved": (lambda a: put("w0/starts", 1, a["w0/starts"][1] + 1)(a), "w0/starts: "),
    "starts fall": (put("w0/starts", 1, 99_999), "w0/starts: do not rise from 0"),
    "a posting less": (cut("w0/docs"), "w0/docs: has"),
    "an impact less": (cut("w0/impacts"), "w0/impacts: has"),
    "no postings": (without("w0/docs"), "w0/docs: is missing"),
    "wide impacts": (cast("w0/impacts", "<f4"), "w0/impacts: is <f4, expected <u2"),
    "rows beyond": (put("w0/row_starts", -1, 1 << 20), "w0/row_starts: do not rise from 0"),
    "rows fall": (put("w0/row_starts", 70, 0), "w0/row_starts: do not rise from 0"),
    "half a row": (lambda a: put("w0/row_starts", 70, a["w0/row_starts"][70] + 2)(a), "which no"),
    "terms fall": (swapped_rows, "w0/rows: row"),
    "a weight of 0": (weight(0), "has a weight that is not a number above 0"),
    "more dimensions": (told('"dimension": 60', '"dimension": 61'), "meta: dimension is 61"),
    "fewer weights": (told('"weights": ', '"weights": 1'), "meta: says 1"),
    "another window": (told('"windows": [150]', '"windows": [149]'), "seqs: has 150 entries"),
    "two windows": (told('"windows": [150]', '"windows": [75, 75]'), "w1/rows: is missing"),
    "no windows": (told('"windows": [150]', '"windows": []'), "meta: windows of []"),
    "other fields": (told('"year"', '"yeah"'), "meta: fields is"),
    "no meta": (told('"windows"', '"window"'), "do not fit together: KeyError('windows')"),
    "a seq twice": (lambda a: put("seqs", 0, a["seqs"][1])(a), "by_seq: row"),
    "a seq of nobody": (put("seqs", 5, 10_000), "by_seq: row"),
    "a row beyond": (put("by_seq", 5, 150), "by_seq: names row 150 of 150"),
    "by_seq unsorted": (swap("by_seq", 3, 4), "by_seq: row"),
    "an id twice": (same_id_twice, "comes twice"),
    "hashes unsorted": (swap("id_hashes", 3, 4), "id_hashes: do not rise"),
    "another hash": (lambda a: put("id_hashes", 3, a["id_hashes"][4])(a), "has another hash"),
    "rows of ids": (swap("id_rows", 3, 4), "has another hash"),
    "a row of ids twice": (lambda a: put("id_rows", 3, a["id_rows"][4])(a), "id_rows: a row is"),
    "ids end early": (put("id_starts", -1, 3), "id_starts: do not rise"),
    "an empty id": (lambda a: put("id_starts", 1, 0)(a), "id_starts: do not rise"),
    "no UTF-8": (put("ids", 0, 0xFF), "ids: byte 0 is no UTF-8"),
    "a column less": (without("fields/year/values"), "fields: column year"),
    "a short column": (cut("fields/year/values"), "fields: column year"),
    "a code beyond": (put("fields/tags/values", 0, 99), "fields: column tags: code 99"),
    "a boolean of 2": (cast("fields/new/values", "<i8"), "fields: column new"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_with_right_checksums_is_found(folder: Path, lie: str) -> None:
    path = segments(folder)[0]
    change, words = LIES[lie]
    rewrite(folder, path, change)
    problems = check(folder).problems
    assert any(each.startswith(path.name) and words in each for each in problems), problems


def test_rows_in_another_order_are_found(folder: Path) -> None:
    """As a batch has them: by seq. What is found does not change, but how fast it is."""
    path = segments(folder)[0]
    union = Union([Part.of(Segment.open(path))], FIELDS)
    settings = CollectionSettings(DIMENSION, fields=FIELDS)
    rewrite(folder, path, lambda _: dict(build.segment_sections(union, settings)))
    (problem,) = check(folder).problems
    assert "w0/rows: are not in the order of their heaviest terms" in problem


def test_documents_that_changed_their_seqs_are_found_by_their_texts(folder: Path) -> None:
    """Seqs may lie in agreement; then a dead one's text is a living one's, or none's."""
    rewrite(folder, segments(folder)[0], other_order)
    problems = check(folder).problems
    assert problems
    assert any("lives in" in each or "is in no segment" in each for each in problems), problems


def blob(folder: Path, table: str, key: str, change: Callable[[bytes], bytes]) -> int:
    """Change the first blob of a table; its key."""
    column = "payload" if table == "documents" else "data"
    with catalog(folder) as connection:
        (first, data) = connection.execute(
            f"SELECT {key}, {column} FROM {table} ORDER BY {key} LIMIT 1"
        ).fetchone()
        update = f"UPDATE {table} SET {column} = ? WHERE {key} = ?"
        connection.execute(update, (change(data), first))
    return first


def test_a_flipped_byte_is_found_in_every_section_of_a_batch(folder: Path) -> None:
    with catalog(folder) as connection:
        select = "SELECT first_seq, data FROM batches ORDER BY first_seq"
        (number, data) = connection.execute(select).fetchone()
    where = f"catalog.sqlite, batch {number}"
    container = Container.of(data, "")
    for name in container.names:
        place = container.offset(name) + container.size(name) // 2
        broken = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        blob(folder, "batches", "first_seq", lambda _, broken=broken: broken)
        (problem,) = check(folder).problems
        assert problem == f"{where}: {name}: does not have its checksum"
    blob(folder, "batches", "first_seq", lambda data: data[:-1])
    (problem,) = check(folder).problems
    assert problem.startswith(where)


@pytest.mark.parametrize("table", [("deletes", "generation"), ("documents", "seq")])
def test_a_flipped_byte_is_found_in_other_blobs(folder: Path, table: tuple[str, str]) -> None:
    place = 64 if table[0] == "deletes" else 12  # where the seqs stand, and a text
    first = blob(
        folder, *table, lambda data: data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    )
    problems = check(folder).problems
    assert any(f"catalog.sqlite, {table[0]}" in each and str(first) in each for each in problems)


LIES_OF_TABLES = {
    "UPDATE segments SET fingerprint = '0123456789abcdef'": "is another file: the catalog names",
    "UPDATE segments SET documents = documents + 1": "the catalog says 151",
    "UPDATE segments SET last_seq = last_seq - 1": "the catalog says",
    "UPDATE segments SET last_seq = last_seq + 500": "they overlap",
    "UPDATE collection SET next_seq = 5": "the next one to be given is 5",
    "UPDATE batches SET last_seq = last_seq + 1 WHERE first_seq = 310": "seqs: are not 310 to 320",
    "DELETE FROM deletes": "lives in",
    "UPDATE deletes SET generation = generation + 100": "is of a write to come",
    "INSERT INTO bundles SELECT max(first_seq) + 1, bundle_id FROM bundles ORDER BY 1 DESC":
        "no change",
    "INSERT INTO bundles VALUES (9000, 'z')": "no such seq",
    "INSERT INTO documents SELECT 9000, payload FROM documents LIMIT 1":
        "document 9000 is in no segment",
    "UPDATE collection SET settings = replace(settings, '\"dot\"', '\"dots\"')":
        "settings.scoring is 'dots'",
    "UPDATE collection SET settings = replace(settings, '\"store_text\": true', "
    "'\"store_text\": false')": "in a collection that stores none",
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES_OF_TABLES)
def test_a_lie_of_the_catalog_is_found(folder: Path, lie: str) -> None:
    with catalog(folder) as connection:
        connection.execute(lie)
    problems = check(folder).problems
    assert any(LIES_OF_TABLES[lie] in each for each in problems), problems


def test_a_catalog_that_is_none_is_a_problem(folder: Path) -> None:
    path = folder / "catalog.sqlite"
    data = path.read_bytes()
    for content in (b"", b"x" * 5000, data[:2000], data[:4096] + bytes(len(data) - 4096)):
        path.write_bytes(content)
        report = check(folder)
        assert report.problems
        assert "catalog.sqlite" in report.problems[0]
    path.unlink()
    assert "catalog.sqlite is missing" in check(folder).problems[0]


def test_flipped_bytes_of_the_catalog_never_end_the_check(folder: Path) -> None:
    path = folder / "catalog.sqlite"
    data = path.read_bytes()
    rng = np.random.default_rng(5)
    found = 0
    for place in rng.integers(100, len(data), 60).tolist():
        flip(path, place)
        found += bool(check(folder).problems)
        path.write_bytes(data)
    assert found > 10  # free room and slack of pages are nobody's


def test_a_newer_format_is_refused_and_of_a_file_named(folder: Path) -> None:
    path = segments(folder)[0]
    data = bytearray(path.read_bytes())
    data[8] = 9
    path.write_bytes(data)
    (problem,) = check(folder).problems
    assert f"{path} has format version 9" in problem
    with catalog(folder) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(Mismatch, match="format version 99"):
        check(folder)


def test_no_collection_is_the_callers_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no collection"):
        check(tmp_path / "nothing")


def test_leftovers_are_told_and_are_no_problem(folder: Path) -> None:
    for name in ("0000-00.segment", "0000-01.segment.unfinished", "notes.txt"):
        (folder / name).write_bytes(b"half")
    report = check(folder)
    assert report.problems == []
    assert report.leftovers == ["0000-00.segment", "0000-01.segment.unfinished", "notes.txt"]


def test_a_writer_beside_makes_no_problems(tmp_path: Path) -> None:
    """Batches come, segments are flushed and merged away, while every state is sound."""
    settings = CollectionSettings(DIMENSION, fields=FIELDS)
    small = Upkeep(flush_documents=200, background=False)
    done = threading.Event()

    def write(collection: Collection) -> None:
        for number in range(120):
            start = (number * 37) % 900
            upsert(collection, range(start, start + 30), f"bundle-{number // 50}")
            collection.delete([f"id-{start + 3}"])
        done.set()

    with Collection.create(tmp_path / "c", settings, upkeep=small) as collection:
        writer = threading.Thread(target=write, args=(collection,))
        writer.start()
        generations = []
        while not done.is_set():
            report = check(tmp_path / "c")
            assert report.problems == []
            generations.append(report.generation)
        writer.join()
        assert generations == sorted(generations)
        assert len(set(generations)) > 3
        assert check(tmp_path / "c").generation == collection.generation
