"""Which segments become one? Pure: sizes in, groups out.

The rule is that of a binary counter: a segment at least twice as large as its younger
neighbour is left alone. So a search visits at most log2(n) + 1 segments, and a document is
copied at most about log2(n) times in its life. Only neighbours merge: rows stay in the order
of their seqs, which makes the order of segments and rows the order of ties.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["plan", "worth_rewriting"]


def plan(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Groups `[start, stop)` of neighbours, in order, that cover every segment once.

    `sizes` are the live documents of each segment, oldest first. After merging, each is at
    least twice its younger neighbour, and none is empty.
    """
    groups: list[tuple[int, int, int]] = []
    for number, size in enumerate(sizes):
        start = number
        while groups and groups[-1][2] < 2 * size:
            start, _, older = groups.pop()
            size += older
        if size:
            groups.append((start, number + 1, size))
    return [(start, stop) for start, stop, _ in groups]


def worth_rewriting(rows: int, dead: int) -> bool:
    """Whether a segment is rewritten for its dead rows alone: when they outnumber the live."""
    return dead * 2 > rows
