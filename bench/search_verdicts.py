"""What the figures have to be: targets.toml, [search]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from machine import target
from report import Verdict
from search_figures import of, reaching
from searchers import NEEDED

DEPTHS = (10, 100, 1_000)
EXACT_RECALL = 0.999  # an engine that rounds weights to 8 bits is below it: no exact peer
SMALL, LARGE = 100_000, 1_000_000


def verdicts(found: dict[str, Any]) -> list[Verdict]:
    missing = [name for name in NEEDED if "failed" in found["engines"][name]]
    if missing:
        return [Verdict(f"must be there and failed: {', '.join(missing)}", len(missing), 0, "")]
    return [
        *equality(found),
        *against_exact(found),
        *against_seismic(found),
        *slowest(found),
        *sizes(found),
        *in_little_memory(found),
    ]


def equality(found: dict[str, Any]) -> Iterator[Verdict]:
    wrong = sum(found["different_from_brute_force"].values())
    yield Verdict("queries that differ from brute force", wrong, 0, "")


def against_exact(found: dict[str, Any]) -> Iterator[Verdict]:
    """Mean processor time over that of the fastest exact peer."""
    documents, flavour = found["corpus"]["documents"], found["flavour"]
    if documents not in (SMALL, LARGE) or flavour == "real":
        return
    prefix = flavour if documents == LARGE else "small"
    for k in DEPTHS:
        (ours,) = of(found["rows"], k, "exact", "spladed")
        fastest = fastest_exact_peer(found["rows"], k)
        ratio = ours["cpu_ms"]["mean"] / fastest["cpu_ms"]["mean"]
        wanted = target("search", f"{prefix}_exact_k{k}")
        yield Verdict(f"exact, k={k}, over {fastest['engine']}", ratio, wanted, "times")


def fastest_exact_peer(rows: list[dict[str, Any]], k: int) -> dict[str, Any]:
    exact = [row for row in of(rows, k, "exact") if row["engine"] != "spladed"]
    fastest = reaching(exact, EXACT_RECALL)
    assert fastest is not None, "splade-index is exact, and was measured"
    return fastest


def against_seismic(found: dict[str, Any]) -> Iterator[Verdict]:
    """At equal recall, on the collection that is hard to prune; ours may answer exactly."""
    if found["corpus"]["documents"] != LARGE or found["flavour"] == "real":
        return
    engines, wanted = found["engines"], target("search", "build_times_faster")
    theirs, ours = (engines[name]["build"]["cpu_seconds"] for name in ("Seismic", "spladed"))
    yield Verdict("building, faster than Seismic", theirs / ours, wanted, "times", most=False)
    if found["flavour"] != "pph":
        return
    for recall in (0.99, 0.995):
        for k in DEPTHS:
            theirs = reaching(of(found["rows"], k, "approximate", "Seismic"), recall)
            ours = cheapest_ours(found["rows"], k, recall)
            if theirs is None:
                print(f"Seismic reaches no recall of {recall} at k={k} in the settings tried")
                continue
            ratio = ours["cpu_ms"]["mean"] / theirs["cpu_ms"]["mean"]
            wanted = target("search", f"seismic_k{k}")
            yield Verdict(f"recall {recall}, k={k}, over Seismic", ratio, wanted, "times")


def cheapest_ours(rows: list[dict[str, Any]], k: int, recall: float) -> dict[str, Any]:
    mine = [*of(rows, k, "exact", "spladed"), *of(rows, k, "approximate", "spladed")]
    cheapest = reaching(mine, recall)
    assert cheapest is not None, "the exact search has recall 1"
    return cheapest


def slowest(found: dict[str, Any]) -> Iterator[Verdict]:
    (ours,) = of(found["rows"], 10, "exact", "spladed")
    ratio = ours["cpu_ms"]["p99"] / ours["cpu_ms"]["mean"]
    yield Verdict("p99 over mean, k=10", ratio, target("search", "p99_times_mean"), "times")
    for k, worst in found["worst_over_windowed"].items():
        wanted = target("search", "worst_times_windowed")
        yield Verdict(f"worst query over the windowed kernel, k={k}", worst, wanted, "times")


def sizes(found: dict[str, Any]) -> Iterator[Verdict]:
    engines, wanted = found["engines"], target("search", "bytes_times_peer")
    ours, theirs = (engines[name]["build"]["bytes"] for name in ("spladed", "splade-index"))
    yield Verdict("bytes on disk over splade-index", ours / theirs, wanted, "times")


def in_little_memory(found: dict[str, Any]) -> Iterator[Verdict]:
    capped = found.get("capped", {"failed": "not asked for"})
    if "failed" in capped:
        print(f"\nno run in little memory: {capped['failed']}")
        return
    for k, held in capped["capped_ms"].items():
        ratio, wanted = held / capped["free_ms"][k], target("search", "capped_times_free")
        yield Verdict(f"in little memory over free, k={k}", ratio, wanted, "times")
