"""Documents that look like SPLADE's, as many as wanted, grown from seeds.

A document is the maximum of a seed that it answers, of some of that seed's neighbours, of a seed
that it does not answer, and of terms from the background. It is cut to a lognormal number of
terms, whose weights are those that their ranks have in real documents. So posting lists, overlaps
and scores of random pairs are as in real collections; how far the best stand out is synthetic:
"pph" weakens what a document has of its seed, adds neighbours and noise, and is harder to prune.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from corpora import Csr, finish, keep
from corpora.seeds import DIMENSION, PROFILE, Seeds, seeds_of

CHUNK = 65_536  # documents made at once; a chunk does not depend on how many there are
SPREAD = 0.38
LONGEST, SHORTEST = 600, 12
SPARE = 10  # terms that are made beyond those that are kept
DRAWS = 2_000  # at most, of background terms
LEAST_WEIGHT = 0.003
ROOM = 4_096  # terms before the cut, at most


class Recipe(NamedTuple):
    """least, spread: relevance is least + (1 - least) * beta(spread, 2); keep: the share of the
    seed's terms, which rises with relevance; neighbours: at most; near, far: strength of a
    neighbour and of the seed that is not answered; noise: of each strength, lognormal; among: of
    how many nearest seeds the neighbours are."""

    least: float
    spread: float
    keep: float
    neighbours: int
    near: float
    far: float
    noise: float
    among: int


RECIPES = {
    "pp": Recipe(0.35, 2.0, 0.62, 3, 0.55, 0.55, 0.35, 8),
    "pph": Recipe(0.15, 1.3, 0.38, 6, 0.95, 0.8, 0.6, 40),
    "v3": Recipe(0.35, 2.0, 0.62, 5, 0.6, 0.55, 0.35, 8),
}


def make(folder: Path, flavour: str, documents: int, vectors: Path | None) -> None:
    """A collection of that flavour; from the real vectors in a folder, or from statistics."""
    seeds, recipe = seeds_of(flavour, vectors), RECIPES[flavour]
    near = nearest(seeds.seeds, recipe.among)
    keep(folder / "documents", grown(seeds, near, recipe, documents))
    keep(folder / "queries", [seeds.queries])
    about = {
        "flavour": flavour,
        "documents": documents,
        "dimension": DIMENSION,
        "source": f"grown from {seeds.source}",
    }
    finish(folder, about)


def grown(seeds: Seeds, near: NDArray[np.int32], recipe: Recipe, documents: int) -> Iterator[Csr]:
    random = np.random.default_rng(11)
    popular = random.lognormal(0, 0.8, len(seeds.seeds))
    popular = np.cumsum(popular / popular.sum())
    sown = (seeds.seeds.starts, seeds.seeds.terms, seeds.seeds.weights)
    for start in range(0, documents, CHUNK):
        count = min(CHUNK, documents - start)
        yield Csr(*_chunk(
            count, start, *sown, near, popular, seeds.background, seeds.profile,
            seeds.document_terms, recipe,
        ))  # fmt: skip


@numba.njit(cache=True)
def _chunk(
    count: int, seed: int, starts: Any, terms: Any, weights: Any, near: Any, popular: Any,
    background: Any, profile: Any, length: int, recipe: Recipe,
) -> Any:  # fmt: skip
    """Starts, terms and weights of `count` documents."""
    np.random.seed(seed)
    strengths, found = np.zeros(DIMENSION, np.float32), np.empty(ROOM, np.int32)
    made = np.zeros(count + 1, np.int64)
    made_terms = np.empty(count * (LONGEST // 2), np.int32)
    made_weights = np.empty(count * (LONGEST // 2), np.float32)
    for document in range(count):
        wanted = int(length * np.exp(SPREAD * np.random.normal() - SPREAD * SPREAD / 2))
        wanted = min(max(wanted, SHORTEST), LONGEST)
        size = _sow(strengths, found, starts, terms, weights, near, popular, recipe)
        size = _fill(strengths, found, size, wanted + SPARE, background)
        kept = _cut(strengths, found[:size], min(size, wanted))
        place = made[document]
        _weigh(kept, profile, made_terms[place:], made_weights[place:])
        made[document + 1] = place + len(kept)
    return made, made_terms[: made[count]], made_weights[: made[count]]


@numba.njit(cache=True)
def _sow(
    strengths: Any, found: Any, starts: Any, terms: Any, weights: Any, near: Any, popular: Any,
    recipe: Recipe,
) -> int:  # fmt: skip
    """Of the seeds; returns how many terms were found."""
    size, first = 0, np.searchsorted(popular, np.random.random())
    relevance = recipe.least + (1 - recipe.least) * np.random.beta(recipe.spread, 2.0)
    neighbours = np.random.randint(0, recipe.neighbours + 1)
    for number in range(neighbours + 2):
        if number == 0:
            seed, scale, keep = first, relevance, recipe.keep + 0.35 * relevance
        elif number <= neighbours:
            seed = near[first, np.random.randint(0, near.shape[1])]
            scale, keep = relevance * recipe.near * (0.5 + np.random.random()), 0.5
        else:
            seed = np.searchsorted(popular, np.random.random())
            scale, keep = recipe.far * np.random.random(), 0.4
        for place in range(starts[seed], starts[seed + 1]):
            if np.random.random() <= keep:
                noise = np.exp(recipe.noise * np.random.normal())
                strength = weights[place] * scale * noise
                size = _offer(strengths, found, size, terms[place], strength)
    return size


@numba.njit(cache=True)
def _offer(strengths: Any, found: Any, size: int, term: int, strength: float) -> int:
    if strengths[term] == 0:
        found[size] = term
        size += 1
    strengths[term] = max(strengths[term], np.float32(strength))
    return size


@numba.njit(cache=True)
def _fill(strengths: Any, found: Any, size: int, wanted: int, background: Any) -> int:
    for _ in range(DRAWS):
        if size >= wanted:
            break
        term = int(np.searchsorted(background, np.random.random()))
        strength = 0.25 * np.exp(0.7 * np.random.normal())
        if term < DIMENSION and strengths[term] == 0:
            size = _offer(strengths, found, size, term, strength)
    return size


@numba.njit(cache=True)
def _cut(strengths: Any, found: Any, wanted: int) -> Any:
    """The strongest terms, strongest first; leaves the strengths at 0."""
    order = np.argsort(-strengths[found])
    for term in found:
        strengths[term] = 0
    return found[order[:wanted]]


@numba.njit(cache=True)
def _weigh(kept: Any, profile: Any, terms: Any, weights: Any) -> None:
    """The terms, rising, and the weights that their ranks have in the profile."""
    gain = 0.85 + 0.3 * np.random.random()
    ranked = np.empty(len(kept), np.float32)
    for rank in range(len(kept)):
        at = max((rank + 0.5) / len(kept) * PROFILE - 0.5, 0.0)
        low = int(at)
        high = min(low + 1, PROFILE - 1)
        weight = profile[low] * (1 - at + low) + profile[high] * (at - low)
        noise = np.exp(0.12 * np.random.normal())
        ranked[rank] = max(LEAST_WEIGHT, gain * weight * noise)
    order = np.argsort(kept)
    for place in range(len(kept)):
        terms[place] = kept[order[place]]
        weights[place] = ranked[order[place]]


def nearest(rows: Csr, count: int) -> NDArray[np.int32]:
    """[rows, count]: the rows of the greatest cosine, itself not among them."""
    owners = np.repeat(np.arange(len(rows)), np.diff(rows.starts))
    squares = np.bincount(owners, rows.weights.astype(np.float64) ** 2, minlength=len(rows))
    unit = (rows.weights / np.sqrt(squares)[owners]).astype(np.float32)
    order = np.argsort(rows.terms, kind="stable")
    by_term = np.searchsorted(rows.terms[order], np.arange(DIMENSION + 1))
    of_row, units = owners[order], unit[order]
    found = np.empty((len(rows), count), np.int32)
    scores = np.zeros(len(rows), np.float32)
    for row in range(len(rows)):
        part = slice(rows.starts[row], rows.starts[row + 1])
        _cosines(rows.terms[part], unit[part], by_term, of_row, units, scores)
        scores[row] = -1
        found[row] = np.argpartition(-scores, count)[:count]
    return found


@numba.njit(cache=True)
def _cosines(terms: Any, weights: Any, starts: Any, rows: Any, units: Any, scores: Any) -> None:
    scores[:] = 0
    for number in range(len(terms)):
        for place in range(starts[terms[number]], starts[terms[number] + 1]):
            scores[rows[place]] += weights[number] * units[place]
