from __future__ import annotations

import pytest

from spladed.encoder.words import readable, words_by_term


def test_every_piece_of_a_word_stands_for_the_whole_word() -> None:
    #        a g i l i t y , d o g
    pieces = [(10, 0, 0, 2), (11, 0, 2, 7), (12, 1, 7, 8), (13, 2, 9, 12)]
    words = words_by_term("Agility, dog", pieces)
    assert words == {10: "Agility", 11: "Agility", 12: ",", 13: "dog"}


def test_a_piece_of_two_words_keeps_the_first() -> None:
    assert (
        words_by_term("ab cb", [(1, 0, 0, 1), (2, 0, 1, 2), (3, 1, 3, 4), (2, 1, 4, 5)])[2] == "ab"
    )


@pytest.mark.parametrize(
    ("token", "word"),
    [
        ("##ility", "-ility"),
        ("dog", "dog"),
        ("Ġdog", "dog"),
        ("▁dog", "dog"),
        ("##", "##"),
        ("Ġ", "Ġ"),
    ],
)
def test_marks_of_the_vocabulary_are_not_shown(token: str, word: str) -> None:
    assert readable(token) == word
