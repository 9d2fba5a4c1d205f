"""Which readable word does a term stand for? Pure text, for Explain."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["readable", "words_by_term"]

# How vocabularies mark a piece: WordPiece continues a word with "##", byte-level BPE and
# SentencePiece start one with these characters.
_CONTINUES = "##"
_STARTS = ("Ġ", "▁")


def words_by_term(text: str, pieces: Iterable[tuple[int, int, int, int]]) -> dict[int, str]:
    """The whole word, as `text` spells it, that each term of the text is a piece of.

    pieces: (term, word number, start, end) in order, as `Tokenizer.pieces` gives them.
    A term that stands in several words keeps the first.
    """
    spans: dict[int, tuple[int, int]] = {}
    terms: dict[int, int] = {}
    for term, word, start, end in pieces:
        first, last = spans.get(word, (start, end))
        spans[word] = (min(first, start), max(last, end))
        terms.setdefault(term, word)
    return {term: text[slice(*spans[word])].strip() for term, word in terms.items()}


def readable(token: str) -> str:
    """A token without the marks of its vocabulary; a continuation keeps a hyphen."""
    if token.startswith(_CONTINUES) and len(token) > len(_CONTINUES):
        return "-" + token[len(_CONTINUES) :]
    for mark in _STARTS:
        if token.startswith(mark) and len(token) > 1:
            return token[1:]
    return token
