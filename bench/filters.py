"""What does a filter cost? Over one million documents with a field of every type.

    python bench/filters.py [--documents N] [--queries N] [--folder DIR]

Typical filters, each asked for in variants that were never asked for before. `mask` is
mask.evaluate over all segments; `first` is what the search path does before it scores (check the
filter, evaluate it, leave out the dead) and `cached` is the same again. Then whole searches at
falling selectivities (filtered.py), in turns with the same without a filter. Figures are
milliseconds of this thread's processor time, wall time beside them. Writes JSON, tables and a
plot; exits 1 if a target of targets.toml is missed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import filtered
import numpy as np
from filtered import figures, timed
from machine import target
from report import RESULTS, Verdict, conclude, surroundings, write
from rows import Rows

from spladed.index import Collection, CollectionSettings, Document, Field, mask
from spladed.index.filter import (
    AllOf,
    AnyOf,
    Exists,
    Filter,
    Ids,
    Membership,
    Not,
    Range,
    checked,
)
from spladed.index.view import View

PASSES = 15
DIMENSION = 30_522
SHOPS, TAGS, YEARS = 1_000, 200, 30
FIELDS = (
    Field("shop", "keyword"),
    Field("stock", "integer"),
    Field("price", "float"),
    Field("used", "boolean"),
    Field("listed", "time"),
    Field("tags", "keyword", list=True),
)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
STOCK = 1_000_000  # stock is even below it: a range of n of them keeps n / STOCK of the documents
# Each takes a number, and gives a filter that no other number gives.
Variants = Callable[[int], Filter]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="where the collection lies (temporary)")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    found: dict[str, Any] = {"machine": surroundings(), "documents": arguments.documents}
    rows = Rows(DIMENSION)
    with (
        tempfile.TemporaryDirectory(dir=arguments.folder) as folder,
        Collection.create(
            Path(folder) / "shop", CollectionSettings(DIMENSION, fields=FIELDS)
        ) as collection,
    ):
        fill(collection, rows, arguments.documents)
        found["segments"] = collection.stats().segments
        found["filters"] = [
            evaluated(collection, name, variants) for name, variants in filters().items()
        ]
        show_filters(found["filters"])
        found["searches"] = filtered.searched(collection, rows.queries(arguments.queries), stock)
        filtered.show(found["searches"])
    write(arguments.results / "filters.json", found)
    plot(found, arguments.results / "filters.png")
    return conclude([*verdicts(found["filters"]), *filtered.verdicts(found["searches"])])


def fill(collection: Collection, rows: Rows, count: int) -> None:
    """The documents in one segment, as a bulk load followed by compact leaves them."""
    random, first = np.random.default_rng(3), 0
    with collection.load() as load:
        for vectors in rows.documents(count):
            ids = [f"{number:08d}" for number in range(first, first + len(vectors))]
            load.add(ids, vectors, documents(random, ids))
            first += len(ids)
    collection.compact()


def documents(random: np.random.Generator, ids: list[str]) -> list[Document]:
    """Values that depend on nothing; a tenth of the prices and tags is absent."""
    shops = random.integers(SHOPS, size=len(ids)).tolist()
    stocks = random.integers(STOCK, size=len(ids)).tolist()
    prices = random.lognormal(3, 1, len(ids)).tolist()
    seconds = random.integers(YEARS * 365 * 86_400, size=len(ids)).tolist()
    tags = random.integers(TAGS, size=(len(ids), 3)).tolist()
    flags = random.random((3, len(ids))) < np.array([[0.5], [0.9], [0.9]])
    made = zip(ids, shops, stocks, prices, seconds, tags, flags.T.tolist(), strict=True)
    return [
        Document(
            id,
            fields={
                "shop": (f"shop-{shop:04d}",),
                "stock": (stock,),
                "price": (price,) if priced else (),
                "used": (used,),
                "listed": (EPOCH + timedelta(seconds=second),),
                "tags": tuple(f"tag-{tag:03d}" for tag in tagged) if labelled else (),
            },
        )
        for id, shop, stock, price, second, tagged, (used, priced, labelled) in made
    ]


def filters() -> dict[str, Variants]:
    """Typical ones, by name."""
    return {
        "keyword equals": lambda number: shop(number),
        "keyword among ten": lambda number: shop(*range(number, number + 10)),
        "keyword range": lambda number: Range("shop", at_least=f"shop-{number:04d}"),
        "integer range, 10 %": lambda number: stock(0.1, number),
        "integer among ten": lambda number: Membership(
            "stock", [number * 1_000 + each for each in range(10)]
        ),
        "float range, half": lambda number: Range("price", above=20 + number / 100),
        "boolean, and a keyword": lambda number: AllOf([Membership("used", [True]), shop(number)]),
        "time range, one year of thirty": lambda number: year(number),
        "list has a keyword": lambda number: tag(number),
        "list has one of ten": lambda number: tag(*range(number, number + 10)),
        "price exists, not a shop": lambda number: AllOf([Exists("price"), Not(shop(number))]),
        "tags exist, and a range": lambda number: AllOf([Exists("tags"), stock(0.5, number)]),
        "all of three": lambda number: AllOf([year(number), stock(0.5, number), tag(number)]),
        "any of three": lambda number: AnyOf([shop(number), stock(0.01, number), tag(number)]),
        "none of three": lambda number: Not(
            AnyOf([shop(number), stock(0.01, number), tag(number)])
        ),
        "a thousand ids": lambda number: Ids(
            [f"{each:08d}" for each in range(number, 1_000_000, 1_000)]
        ),
    }


def shop(*numbers: int) -> Filter:
    return Membership("shop", [f"shop-{number % SHOPS:04d}" for number in numbers])


def tag(*numbers: int) -> Filter:
    return Membership("tags", [f"tag-{number % TAGS:03d}" for number in numbers])


def stock(share: float, number: int) -> Filter:
    return Range("stock", at_least=number, below=number + int(share * STOCK))


def year(number: int) -> Filter:
    start = EPOCH + timedelta(days=100 * number)
    return Range("listed", at_least=start, below=start + timedelta(days=365))


def evaluated(collection: Collection, name: str, variants: Variants) -> dict[str, Any]:
    """One filter's figures: a variant that was never seen in every pass."""
    taken: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with collection.snapshot() as view:
        kept = [len(rows_kept(view, variants(0))) / len(view)]
        for number in range(1, PASSES + 1):
            fresh, alone = variants(2 * number), variants(2 * number + 1)
            taken["mask"].append(timed(partial(masked, collection, view, alone)))
            taken["first"].append(timed(partial(view.allowed, fresh)))
            taken["cached"].append(timed(partial(view.allowed, fresh)))
    return {"filter": name, "kept": statistics.mean(kept)} | {
        key: figures(times) for key, times in taken.items()
    }


def rows_kept(view: View, filter: Filter) -> np.ndarray:
    bytes_of = [allowed.view(np.uint8) for allowed in view.allowed(filter)]
    return np.flatnonzero(np.unpackbits(np.concatenate(bytes_of)))


def masked(collection: Collection, view: View, filter: Filter) -> None:
    known = checked(filter, collection.settings.fields)
    for part in view.snapshot.parts:
        mask.evaluate(known, part.segment)


def verdicts(rows: list[dict[str, Any]]) -> list[Verdict]:
    first_ms, cached_ms = target("filters", "first_ms"), target("filters", "cached_ms")
    worst = {key: max(rows, key=lambda row: row[key]["ms"]) for key in ("mask", "first", "cached")}
    return [
        Verdict(f"{name} of the slowest filter: {worst[key]['filter']}",
                worst[key][key]["ms"], wanted, "ms")
        for name, key, wanted in (
            ("mask", "mask", first_ms),
            ("first", "first", first_ms),
            ("cached", "cached", cached_ms),
        )
    ]  # fmt: skip


def show_filters(rows: list[dict[str, Any]]) -> None:
    print(f"{'filter':<34}{'kept':>8}{'mask ms':>9}{'first ms':>10}{'cached ms':>11}{'(wall)':>9}")
    for row in rows:
        print(
            f"{row['filter']:<34}{row['kept']:>8.2%}{row['mask']['ms']:>9.2f}"
            f"{row['first']['ms']:>10.2f}{row['cached']['ms']:>11.3f}{row['first']['wall_ms']:>9.2f}"
        )


def plot(found: dict[str, Any], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 5), layout="constrained")
    names = [row["filter"] for row in found["filters"]][::-1]
    for offset, key in enumerate(("cached", "first")):
        at = np.arange(len(names)) + 0.4 * offset
        left.barh(at, [row[key]["ms"] for row in found["filters"]][::-1], height=0.4, label=key)
    left.set_yticks(np.arange(len(names)) + 0.2, names)
    left.axvline(target("filters", "first_ms"), linestyle=":", color="black")
    left.axvline(target("filters", "cached_ms"), linestyle=":", color="grey")
    left.set_xscale("log")
    left.set_xlabel(f"ms to have the bitmap of {found['documents']:,} documents")
    left.legend()
    filtered.plot(right, found["searches"])
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    sys.exit(main())
