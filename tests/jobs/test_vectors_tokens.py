"""Terms by token: vocabularies, Anserini's lines, and CIFF against protobuf's own library."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal.decoder import _DecodeVarint32
from google.protobuf.internal.encoder import _VarintBytes

from spladed.bundle import Bundle
from spladed.errors import InvalidInput, Mismatch, NotFound, SpladedError
from spladed.jobs.vectors import Chunk, Options, open_vectors, write_vectors
from spladed.jobs.vectors import ciff_wire as wire
from spladed.jobs.vectors.vocabulary import numbers_of, read_vocabulary
from spladed.sparse import SparseBatch
from tests.jobs.vector_files import (
    DIMENSION,
    SCALE,
    VOCABULARY,
    read_whole,
    same_rows,
    some_chunk,
    vocabulary_file,
)

# Vocabularies


def test_a_vocabulary_is_a_text_a_tokenizer_or_a_bundle(tmp_path: Path) -> None:
    bundle = Bundle.open("builtin")
    tokens = read_vocabulary("builtin")
    assert len(tokens) == bundle.manifest.model.vocabulary_size
    assert len(numbers_of(tokens, "builtin")) > 1_000
    assert read_vocabulary(str(bundle.path)) == tokens
    tokenizer = tmp_path / "tokenizer.json"
    shutil.copy(bundle.tokenizer, tokenizer)
    assert read_vocabulary(str(tokenizer)) == tokens[: len(read_vocabulary(str(tokenizer)))]
    assert read_vocabulary(str(tmp_path)) == read_vocabulary(str(tokenizer))
    assert read_vocabulary(str(vocabulary_file(tmp_path))) == VOCABULARY


def test_blank_lines_of_a_vocabulary_keep_their_number(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes("a\r\n\n b\u2028c\n\n".encode())
    assert read_vocabulary(str(path)) == ["a", "", " b\u2028c"]
    assert numbers_of(["a", "", "b"], "x") == {"a": 0, "b": 2}


@pytest.mark.parametrize(
    ("name", "content", "kind", "words"),
    [
        ("vocab.txt", None, NotFound, "cannot read"),
        ("vocab.txt", "\n\n", InvalidInput, "holds no tokens"),
        ("vocab.txt", "a\nb\na\n", InvalidInput, "the token 'a' as 0 and as 2"),
        ("tokenizer.json", None, NotFound, "there is no"),
        ("tokenizer.json", "{}", InvalidInput, "is no tokenizer.json"),
    ],
)
def test_a_bad_vocabulary_is_named(
    name: str, content: str | None, kind: type[SpladedError], words: str, tmp_path: Path
) -> None:
    path, lines = tmp_path / name, tmp_path / "rows.jsonl"
    lines.write_text("")
    if content is not None:
        path.write_text(content)
    with pytest.raises(kind, match=words):
        open_vectors(lines, Options(vocabulary=str(path)))


# Anserini


def anserini(folder: Path, *lines: Any, **options: Any) -> Any:
    path = folder / "docs.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    given = {"vocabulary": str(vocabulary_file(folder)), "scale": SCALE} | options
    return open_vectors(path, Options(**given))


def test_anserini_lines_become_rows(tmp_path: Path) -> None:
    file = anserini(
        tmp_path,
        {"id": "a", "contents": "dog 7", "vector": {"7": 150, "Ġdog": 25.5, "##gy": 0}},
        {"id": 2, "vector": {}},
        {"id": "c", "contents": "", "vector": {"🙂": 1}, "title": "passed over"},
    )
    assert (file.format, file.dimension, file.total) == ("anserini", DIMENSION, None)
    found = read_whole(file)
    assert found.ids == ["a", "2", "c"]
    assert [each.text for each in found.documents or []] == ["dog 7", "", ""]
    assert [(i.tolist(), v.tolist()) for i, v in found.vectors.rows()] == [
        ([2, 5], np.float32([0.255, 1.5]).tolist()),
        ([], []),
        ([4], np.float32([0.01]).tolist()),
    ]


@pytest.mark.parametrize(
    ("line", "reason", "words"),
    [
        ({"id": "a"}, "LINE", "no object as the vector"),
        ({"vector": {}}, "LINE", "no id"),
        ({"id": "a", "vector": [1]}, "LINE", "no object"),
        ({"id": "a", "vector": {"cat": 1}}, "TOKEN", "'cat', which is not in the vocabulary"),
        ({"id": "a", "vector": {"7": "1"}}, "LINE", "values has '1'"),
        ({"id": "a", "vector": {"7": -1}}, "VECTOR_WEIGHT", "weight -0.0"),
        ({"id": "a", "contents": 1, "vector": {}}, "LINE", "its contents are a int"),
        ({"id": "a", "contents": "\ud800", "vector": {}}, "TEXT", "surrogate"),
    ],
)
def test_a_bad_anserini_line_is_named(line: Any, reason: str, words: str, tmp_path: Path) -> None:
    file = anserini(tmp_path, {"id": "ok", "vector": {}}, line)
    with pytest.raises(InvalidInput, match=words) as caught:
        list(file.chunks)
    assert caught.value.reason == reason
    assert "docs.jsonl:2" in caught.value.message


def test_unknown_tokens_are_counted_when_asked(tmp_path: Path) -> None:
    lines = [{"id": str(n), "vector": {f"no{n}": 1, "7": 100, "no": 2}} for n in range(9)]
    file = anserini(tmp_path, *lines, skip_unknown=True)
    assert read_whole(file).vectors.indices.tolist() == [5] * 9
    assert file.skipped.weights == 18
    assert len(file.skipped.tokens) == 5
    assert "no" in file.skipped.tokens


def test_tokens_need_a_vocabulary_of_the_collection(tmp_path: Path) -> None:
    with pytest.raises(Mismatch, match="vectors of 700 terms, more than the 699"):
        anserini(tmp_path, dimension=DIMENSION - 1)
    path = tmp_path / "docs.jsonl"
    with pytest.raises(InvalidInput, match="give --vocabulary"):
        open_vectors(path, format="anserini")


def test_a_term_without_a_token_cannot_be_written(tmp_path: Path) -> None:
    chunk = some_chunk([((0, 5), (1.0, 1.0))])
    for name in ("rows.ciff", "rows.jsonl"):
        for vocabulary in (["a"], ["a", *[""] * 5]):
            with pytest.raises(InvalidInput, match="term 5 has no token"):
                write_vectors(tmp_path / name, [chunk], dimension=DIMENSION, vocabulary=vocabulary)
    with pytest.raises(InvalidInput, match="give a smaller scale"):
        write_vectors(
            tmp_path / "rows.ciff", [chunk], dimension=DIMENSION, vocabulary=VOCABULARY, scale=1e9
        )
    assert [path for path in tmp_path.iterdir() if path.name.startswith("rows")] == []


# CIFF, against protobuf's own library

_MESSAGES = {
    "Header": ["version", "num_postings_lists", "num_docs", "total_postings_lists", "total_docs",
               "total_terms_in_collection:3", "average_doclength:1", "description:9"],
    "Posting": ["docid", "tf"],
    "PostingsList": ["term:9", "df:3", "cf:3", "postings:11"],
    "DocRecord": ["docid", "collection_docid:9", "doclength"],
}  # fmt: skip


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="ciff.proto", package="ciff", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field in enumerate(fields, 1):
            label, _, kind = field.partition(":")
            each = message.field.add(name=label, number=number, type=int(kind or 5), label=1)
            if label == "postings":
                each.label, each.type_name = 3, ".ciff.Posting"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"ciff.{name}"))
        for name in _MESSAGES
    }


CIFF = _classes()


def delimited(messages: Sequence[Any]) -> bytes:
    parts = [each if isinstance(each, bytes) else each.SerializeToString() for each in messages]
    return b"".join(_VarintBytes(len(part)) + part for part in parts)


def ciff(folder: Path, messages: Sequence[Any], **options: Any) -> Any:
    path = folder / "index.ciff"
    path.write_bytes(delimited(messages))
    given = {"vocabulary": str(vocabulary_file(folder)), "scale": SCALE} | options
    return open_vectors(path, Options(**given))


def postings(term: str, *pairs: tuple[int, int], df: int | None = None) -> Any:
    return CIFF["PostingsList"](
        term=term, df=len(pairs) if df is None else df, cf=sum(tf for _, tf in pairs),
        postings=[CIFF["Posting"](docid=gap, tf=tf) for gap, tf in pairs],
    )  # fmt: skip


def header(lists: int, documents: int, **more: Any) -> Any:
    said = {"version": 1, "num_postings_lists": lists, "num_docs": documents} | more
    return CIFF["Header"](**said)


def records(*names: str) -> list[Any]:
    return [
        CIFF["DocRecord"](docid=number, collection_docid=name, doclength=1)
        for number, name in enumerate(names)
    ]


def test_an_index_that_protobuf_wrote_is_read(tmp_path: Path) -> None:
    long = "d" * 300  # its length takes two bytes
    lists = [
        postings("##gy", (0, 150), (2, 1)),
        postings("7", (1, 503_316)),
        postings("日本", (0, 300), (1, 0), (1, 7)),
    ]
    file = ciff(tmp_path, [header(3, 4), *lists, *records("ü", long, "c", "d")])
    assert (file.format, file.dimension, file.total) == ("ciff", DIMENSION, 4)
    found = read_whole(file)
    assert found.ids == ["ü", long, "c", "d"]
    assert [(i.tolist(), v.tolist()) for i, v in found.vectors.rows()] == [
        ([1, 3], np.float32([1.5, 3.0]).tolist()),
        ([5], np.float32([5033.16]).tolist()),
        ([1, 3], np.float32([0.01, 0.07]).tolist()),
        ([], []),
    ]


def test_vocabularies_beyond_16_bits_are_read(tmp_path: Path) -> None:
    vocabulary = tmp_path / "large.txt"
    tokens = [f"t{number}" for number in range(119_547)]
    vocabulary.write_text("\n".join(tokens))
    rows = [((1, 65_537, 119_546), (1.0, 2.0, 3.0)), ((65_536,), (4.0,))]
    batch = SparseBatch.from_rows(len(tokens), rows)
    path = tmp_path / "x.ciff"
    write_vectors(path, [Chunk(["a", "b"], batch)], dimension=len(tokens), vocabulary=tokens)
    same_rows(read_whole(path, vocabulary=str(vocabulary), scale=SCALE).vectors, batch)


@pytest.mark.parametrize("packed", [False, True])
def test_protobuf_reads_the_index_that_was_written(packed: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = []
    for number in range(700):  # gaps of one and two bytes, tfs of one to three
        terms = np.flatnonzero(rng.random(DIMENSION) < (0.5 if number % 300 == 0 else 0.003))
        rows.append((terms, rng.integers(1, 40_000, len(terms)) / SCALE))
    chunk = some_chunk(rows)
    path = tmp_path / ("x.ciff.gz" if packed else "x.ciff")
    write_vectors(path, [chunk], dimension=DIMENSION, vocabulary=VOCABULARY, scale=SCALE)
    data = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()

    def take(name: str) -> Any:
        nonlocal data
        size, start = _DecodeVarint32(data, 0)
        message = CIFF[name].FromString(data[start : start + size])
        data = data[start + size :]
        return message

    head = take("Header")
    assert (head.version, head.num_docs, head.total_docs) == (1, 700, 700)
    assert head.num_postings_lists == head.total_postings_lists
    found: dict[tuple[int, int], float] = {}
    terms, total = [], 0
    for _ in range(head.num_postings_lists):
        each = take("PostingsList")
        assert each.df == len(each.postings)
        assert each.cf == sum(posting.tf for posting in each.postings)
        terms.append(each.term)
        total += each.cf
        documents = np.cumsum([posting.docid for posting in each.postings])
        for document, posting in zip(documents.tolist(), each.postings, strict=True):
            found[document, VOCABULARY.index(each.term)] = posting.tf / SCALE
    assert terms == sorted(terms, key=str.encode)
    assert head.total_terms_in_collection == total
    assert head.average_doclength == total / 700
    lengths = [take("DocRecord") for _ in range(700)]
    assert [each.collection_docid for each in lengths] == chunk.ids
    assert sum(each.doclength for each in lengths) == total
    assert data == b""
    expected = {
        (row, term): weight
        for row, (indices, values) in enumerate(chunk.vectors.rows())
        for term, weight in zip(indices.tolist(), values.tolist(), strict=True)
    }
    assert found == pytest.approx(expected)
    same_rows(
        read_whole(path, vocabulary=str(vocabulary_file(tmp_path)), scale=SCALE).vectors,
        chunk.vectors,
    )


RECORD = b"\x08\x00\x12\x01a"


@pytest.mark.parametrize(
    ("messages", "kind", "words"),
    [
        ([], InvalidInput, "ends inside its header"),
        ([b"\xff\xff"], InvalidInput, "no Header as its first message"),
        ([b"\x0a\x01x"], InvalidInput, "no Header as its first message"),
        ([header(0, 0, version=2)], Mismatch, "CIFF of version 2"),
        ([header(1, 1)], InvalidInput, "ends inside postings list 0"),
        ([header(0, 1)], InvalidInput, "ends inside document record 0"),
        ([header(0, 1), RECORD, b""], InvalidInput, "goes on after its last document record"),
        ([header(0, 1), b"\x08\x01\x12\x01a"], InvalidInput, "has docid 1 in document record 0"),
        ([header(0, 1), b"\x12\x00"], InvalidInput, "id is ''"),
        ([header(0, 1), b"\x12\x01\xff"], InvalidInput, "no id in document record 0"),
        ([header(0, 1), b"\x10\x05"], InvalidInput, "no id in document record 0"),
        ([header(0, 1), b"\x12\x05a"], InvalidInput, "no id in document record 0"),
        ([header(1, 1), b"\x0a\x09x", RECORD], InvalidInput, "no postings in postings list 0"),
        ([header(1, 1), b"\x0a\x01\xff", RECORD], InvalidInput, "its term is not UTF-8"),
        ([header(1, 1), b"\x08\x01", RECORD], InvalidInput, "its term is no string"),
        ([header(1, 1), postings("7", (0, 1), df=2), RECORD], InvalidInput, "whose df is 2"),
        ([header(1, 1), postings("cat", (0, 1)), RECORD], InvalidInput, "'cat', which is not"),
        ([header(1, 1), postings("7", (1, 1)), RECORD], InvalidInput, "docid 1 in postings list 0"),
        ([header(1, 1), postings("7", (-1, 1)), RECORD], InvalidInput, "a negative number"),
        ([header(1, 1), postings("7", (0, -1)), RECORD], InvalidInput, "a negative number"),
        ([header(1, 1), postings("7", (0, 1 << 24)), RECORD], InvalidInput, "has tf 16777216"),
        ([header(1, 1), postings("7", (0, 1), (0, 1)), RECORD], InvalidInput, "repeats a docid"),
        (
            [header(2, 1), postings("7", (0, 1)), postings("7", (0, 1)), RECORD],
            InvalidInput,
            "document record 0 has term 5 twice",
        ),
    ],
)
def test_a_bad_index_says_what_is_wrong(
    messages: Any, kind: type[SpladedError], words: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=words) as caught:
        list(ciff(tmp_path, messages).chunks)
    assert "index.ciff" in caught.value.message


def test_unknown_terms_of_an_index_are_counted_when_asked(tmp_path: Path) -> None:
    messages = [
        header(2, 2), postings("cat", (0, 1), (1, 1)), postings("7", (1, 50)), *records("a", "b"),
    ]  # fmt: skip
    file = ciff(tmp_path, messages, skip_unknown=True)
    assert read_whole(file).vectors.indices.tolist() == [5]
    assert (file.skipped.weights, file.skipped.tokens) == (2, ["cat"])


def test_postings_of_any_legal_shape_are_read() -> None:
    """Fields in another order, unknown ones, ones left out, numbers longer than they must be."""
    regular = b"\x22\x04\x08\x01\x10\x02"
    shapes = {
        regular * 3: ([1, 1, 1], [2, 2, 2]),
        b"\x22\x02\x10\x02" + regular: ([0, 1], [2, 2]),
        regular + b"\x22\x04\x10\x02\x08\x03": ([1, 3], [2, 2]),
        regular + b"\x22\x02\x08\x03" + regular: ([1, 3, 1], [2, 0, 2]),
        regular + b"\x22\x05\x08\x83\x00\x10\x02" + regular: ([1, 3, 1], [2, 2, 2]),
        regular + b"\x22\x06\x08\x03\x10\x02\x18\x09" + regular: ([1, 3, 1], [2, 2, 2]),
        regular + b"\x2a\x01x" + regular: ([1, 1], [2, 2]),
        regular + b"\xa2\x00\x04\x08\x01\x10\x02": ([1, 1], [2, 2]),
    }
    for data, (gaps, tfs) in shapes.items():
        found = wire.decode_list(b"\x0a\x01x\x10\x01" + data)
        assert (found[2].tolist(), found[3].tolist()) == (gaps, tfs), data.hex()


def test_long_lists_are_taken_apart_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    for most in (2, 200, 1 << 20, (1 << 31) // 5_000):
        gaps, tfs = rng.integers(1, most, 5_000), rng.integers(1, 1 << 24, 5_000)
        names, starts = ["a", "b"], np.array([0, 3_000, 5_000])
        documents = np.concatenate([np.cumsum(gaps[:3_000]), np.cumsum(gaps[3_000:])])
        monkeypatch.setattr(wire, "_PIECE", 101)
        parts = [wire.decode_list(each) for each in
                 wire.encode_lists(names, starts, documents, tfs)]  # fmt: skip
        assert [part[0] for part in parts] == names
        assert np.concatenate([part[2] for part in parts]).tolist() == gaps.tolist()
        assert np.concatenate([part[3] for part in parts]).tolist() == tfs.tolist()
