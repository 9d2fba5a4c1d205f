"""Bounds are never below the truth, and members are who has the term."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spladed.index import bounds
from spladed.index.bounds import Bounds, Builder, choose
from spladed.index.container import Container, to_bytes

WINDOW = 65_536

# A window's postings as they are given to the builder, and {(document, term): impact}.
Truth = dict[tuple[int, int], float]


def postings(truth: Truth, dtype: type) -> tuple[npt.NDArray[Any], ...]:
    """(terms, starts, docs, impacts) of one window."""
    keys = sorted((term, doc) for doc, term in truth)
    terms, counts = np.unique([term for term, _ in keys], return_counts=True)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32)
    docs = np.array([doc for _, doc in keys], np.uint16)
    impacts = np.array([truth[doc, term] for term, doc in keys], dtype)
    return terms.astype(np.uint32), starts, docs, impacts


def built(truth: Truth, documents: int, frequent: list[int], dtype: type) -> Container:
    """The bounds of these documents; windows are made out of order."""
    builder = Builder(np.array(frequent), documents)
    windows = range(-(-documents // WINDOW))
    made: dict[int, list[tuple[str, npt.NDArray[Any]]]] = {}
    for number in reversed(windows):
        mine = {(d - number * WINDOW, t): w for (d, t), w in truth.items() if d // WINDOW == number}
        size = min(documents - number * WINDOW, WINDOW)
        made[number] = builder.window(number, *postings(mine, dtype), documents=size)
    sections = builder.segment()
    for number in windows:
        sections += made[number] + builder.after(number)
    return Container.of(to_bytes(sections), "bounds")


def coded(part: Container, documents: int) -> dict[tuple[int, int], float]:
    """{(superblock, term): code * scale} of all codes above 0, in float64."""
    found: dict[tuple[int, int], float] = {}
    slots = dict(zip(part["frequent"].tolist(), part["frequent_slots"].tolist(), strict=True))
    for row in Bounds(part, documents).spans.tolist():
        first, windows, stride = row[:3]
        span = f"b{first // bounds.SPAN_WINDOWS}"
        codes = part[f"{span}/rows"].reshape(len(slots), stride)
        scales = part[f"{span}/scales"].astype(np.float64).reshape(len(slots), windows)
        for term, slot in slots.items():
            for local in np.flatnonzero(codes[slot]).tolist():
                found[first * 1024 + local, term] = codes[slot, local] * scales[slot, local >> 10]
        starts = part[f"{span}/rare_starts"]
        for place, term in enumerate(part[f"{span}/rare_terms"].tolist()):
            for window in range(windows):
                at = place * windows + window
                scale = float(part[f"{span}/rare_scales"][at])
                for entry in part[f"{span}/rare"][starts[at] : starts[at + 1]].tolist():
                    superblock = (first + window) * 1024 + (entry >> 6)
                    found[superblock, term] = (entry & 63) * scale
    return found


def members(part: Container, documents: int) -> set[tuple[int, int]]:
    """(document, frequent term) by the records of superblocks."""
    found = set()
    terms = part["frequent"][np.argsort(part["frequent_slots"])].tolist()
    groups = -(-len(terms) // 64)
    head = groups + -(-groups // 4)
    for window in range(-(-documents // WINDOW)):
        words, starts = part[f"w{window}/members"], part[f"w{window}/member_starts"]
        assert starts[-1] == len(words)
        for local in range(len(starts) - 1):
            record = words[starts[local] : starts[local + 1]]
            present = np.unpackbits(record[:groups].view(np.uint8), bitorder="little")
            there = np.flatnonzero(present).tolist()
            before = record.view(np.uint16)[4 * groups : 5 * groups]
            assert before.tolist() == [sum(s < 64 * g for s in there) for g in range(groups)]
            assert len(record) == head + len(there)
            for slot, bitmap in zip(there, record[head:].tolist(), strict=True):
                docs = (bit for bit in range(64) if bitmap >> bit & 1)
                found.update((window * WINDOW + local * 64 + doc, terms[slot]) for doc in docs)
    return found


def check(truth: Truth, documents: int, frequent: list[int], dtype: type) -> None:
    part = built(truth, documents, frequent, dtype)
    largest: dict[tuple[int, int], float] = {}
    for (doc, term), impact in truth.items():
        key = doc >> 6, term
        largest[key] = max(largest.get(key, 0.0), float(dtype(impact)))
    bounded = coded(part, documents)
    assert bounded.keys() == largest.keys()
    tops: dict[int, float] = {}
    for (_, term), impact in largest.items():
        tops[term] = max(tops.get(term, 0.0), impact)
    for key, impact in largest.items():
        assert bounded[key] >= impact
        step = tops[key[1]] / (255 if key[1] in frequent else 63)
        assert bounded[key] <= impact + step * 1.001 + 255 * 2**-149
    assert members(part, documents) == {(d, t) for d, t in truth if t in frequent}
    spans = range(len(Bounds(part, documents).spans))
    counted = sum(part[f"b{number}/frequencies"].astype(int) for number in spans)
    assert list(counted) == [sum(t == term for _, t in truth) for term in frequent]


impacts = {np.uint16: st.integers(1, 65535), np.float32: st.floats(2**-149, 2.0**126, width=32)}


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_bounds_are_never_below_the_truth(dtype: type, data: st.DataObject) -> None:
    documents = data.draw(st.integers(1, 300))
    keys = st.tuples(st.integers(0, documents - 1), st.integers(0, 90))
    truth = data.draw(st.dictionaries(keys, impacts[dtype], min_size=1, max_size=120))
    frequent = data.draw(st.permutations(range(91)))[: data.draw(st.integers(1, 91))]
    check(truth, documents, list(frequent), dtype)


@pytest.mark.parametrize("span", [1, 2, 32])
def test_bounds_of_several_windows_and_spans(span: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "SPAN_WINDOWS", span)
    rng = np.random.default_rng(3)
    documents = 2 * WINDOW + 200
    spread = [*rng.integers(0, documents, 3000).tolist(), 0, documents - 1, WINDOW - 1, WINDOW]
    truth = {(doc, int(rng.integers(0, 200))): int(rng.integers(1, 65536)) for doc in spread}
    check(truth, documents, [7, 3, *range(100, 170)], np.uint16)


def test_the_frequent_terms_are_the_most_frequent_first() -> None:
    frequencies = np.zeros(10_000, np.int64)
    frequencies[[5, 9, 2]] = 30, 40, 30
    assert choose(frequencies, 1000).tolist() == [9, 2, 5]
    assert choose(frequencies, 256 * 35).tolist() == [9]
    assert choose(np.arange(10_000), 1)[:2].tolist() == [9999, 9998]
    assert len(choose(np.arange(10_000), 1)) == bounds.MAX_FREQUENT
    assert choose(np.zeros(5, np.int64), 0).tolist() == []
