"""Which settings are timed, which rows count, and what the verdicts say of them."""

from typing import Any

import numpy as np
import pytest
from search_figures import (
    Scouted,
    Timed,
    cheapest,
    reaching,
    row,
    spread,
    worst_ratio,
    worth_timing,
)
from search_show import show
from search_verdicts import verdicts
from searchers import Kind, Setting


def scouted(
    name: str, recall: float, cpu_ms: float, *, k: int = 10, kind: Kind = "approximate"
) -> Scouted:
    return Scouted("Seismic", Setting(name, kind), k, recall, cpu_ms)


TRIED = [
    scouted("fast", 0.90, 0.1),
    scouted("fair", 0.975, 0.3),
    scouted("good", 0.992, 0.5),
    scouted("slow", 0.991, 0.9),
    scouted("best", 0.999, 2.0),
]


@pytest.mark.parametrize(
    ("recall", "name"), [(0.5, "fast"), (0.97, "fair"), (0.99, "good"), (0.995, "best")]
)
def test_the_cheapest_that_reaches_a_recall(recall: float, name: str) -> None:
    found = cheapest(TRIED, recall)
    assert found is not None and found.setting.name == name


def test_nothing_is_chosen_where_nothing_reaches() -> None:
    assert cheapest(TRIED, 0.9995) is None


def test_timed_are_the_exact_ones_and_the_cheapest_for_each_recall() -> None:
    exact = scouted("exact", 1.0, 5.0, kind="exact")
    chosen = worth_timing([*TRIED, exact, scouted("poor", 0.6, 1.0, k=100)])
    assert [(each.setting.name, each.k) for each in chosen] == [
        ("exact", 10), ("fair", 10), ("good", 10), ("best", 10), ("poor", 100)
    ]  # fmt: skip


def test_a_query_counts_with_the_least_of_its_passes() -> None:
    wall = np.array([[4_000_000, 1_000_000], [2_000_000, 3_000_000]])
    figures = Timed(wall, wall // 2).figures()
    assert figures["wall_ms"]["mean"] == 1.5 and figures["wall_ms"]["max"] == 2.0
    assert figures["cpu_ms"]["mean"] == 0.75
    assert figures["wall_p99_of_all_passes_ms"] == pytest.approx(4.0, abs=0.04)
    assert worst_ratio(Timed(wall, wall), Timed(wall, wall // 2)) == 2.0


def test_the_spread_is_in_milliseconds() -> None:
    found = spread(np.arange(1, 102) * 1_000_000)
    assert found == {"mean": 51.0, "p50": 51.0, "p90": 91.0, "p99": 100.0, "max": 101.0}


def timed(milliseconds: float) -> Timed:
    return Timed(*(np.full((2, 5), int(milliseconds * 1e6)),) * 2)


def found(ours: float = 0.1, seismic: float = 0.2) -> dict[str, Any]:
    """A result of three engines at one million documents, the same at every k."""
    rows = []
    for k in (10, 100, 1_000):
        for engine, setting, recall, cpu in (
            ("spladed", Setting("exact"), 1.0, ours),
            ("spladed", Setting("windowed kernel", "reference"), 1.0, 3.0),
            ("splade-index", Setting("exact"), 1.0, 2.0),
            ("BMP", Setting("alpha 1"), 0.97, 0.01),
            ("Seismic", Setting("cut 8", "approximate"), 0.996, seismic),
        ):
            rows.append(row(Scouted(engine, setting, k, recall, cpu), timed(cpu)))
    build = {"wall_seconds": 2.0, "cpu_seconds": 1.0, "bytes": 100, "version": "1"}
    about = {
        "build": build,
        "memory": {"anonymous_bytes": 1, "mapped_bytes": 2},
        "cold": {"open": {"cpu_seconds": 0.1, "wall_seconds": 0.2}},
        "itemised": {"w*/docs": 60_000},
    }
    slow = about | {"build": build | {"cpu_seconds": 30.0}}
    return {
        "flavour": "pph",
        "corpus": {"documents": 1_000_000, "source": "here"},
        "queries": 5,
        "rows": rows,
        "different_from_brute_force": {"10": 0, "100": 0, "1000": 0},
        "worst_over_windowed": {"10": 0.5},
        "limits": {
            "terms_per_query": 44.0,
            "postings_per_query": 2.7e6,
            "posting_bytes_per_query": 1.1e7,
            "posting_bytes_ms": 0.3,
            "bound_bytes_per_query": 7e5,
            "read_bytes_per_second": 3.5e10,
        },
        "engines": {
            "spladed": about,
            "splade-index": about,
            "Seismic": slow,
            "BMP": about,
            "PISA": {"failed": "build: pyterrier-pisa is not installed"},
        },
    }


def test_an_engine_that_rounds_is_no_exact_peer() -> None:
    judged = {each.name: each for each in verdicts(found())}
    assert judged["exact, k=10, over splade-index"].measured == pytest.approx(0.05)
    assert all(each.ok for each in judged.values())


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({"ours": 1.0}, "exact, k=10, over splade-index"),
        ({"seismic": 0.05}, "recall 0.99, k=10, over Seismic"),
    ],
)
def test_a_figure_beyond_its_target_is_a_miss(change: dict[str, float], missed: str) -> None:
    assert missed in [each.name for each in verdicts(found(**change)) if not each.ok]


def test_a_difference_from_brute_force_is_a_miss() -> None:
    wrong = found() | {"different_from_brute_force": {"10": 1}}
    assert "queries that differ from brute force" in [
        each.name for each in verdicts(wrong) if not each.ok
    ]


def test_an_engine_that_failed_stands_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    show(found())
    printed = capsys.readouterr().out
    assert "pyterrier-pisa is not installed" in printed
    assert "recall 0.99  Seismic       0.200 ms (cut 8, 0.9960)" in printed


def test_reaching_takes_the_cheapest_of_the_timed_rows() -> None:
    rows = [row(each, timed(each.cpu_ms)) for each in TRIED]
    best = reaching(rows, 0.99)
    assert best is not None and best["setting"] == "good"
