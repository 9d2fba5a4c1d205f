from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import spladed
from spladed.encoder.tokenize import Tokenizer
from spladed.encoder.words import words_by_term
from spladed.errors import InvalidInput

TOKENIZER = Tokenizer(Path(spladed.__file__).with_name("builtin") / "tokenizer.json")
CLS, SEP = 101, 102


@given(st.text(min_size=1, max_size=200), st.integers(3, 40))
def test_a_text_keeps_its_beginning_between_the_special_tokens(text: str, most: int) -> None:
    (whole,) = TOKENIZER.tokenize([text], max_length=10_000)
    (cut,) = TOKENIZER.tokenize([text], max_length=most)
    assert not whole.truncated
    assert cut.truncated == (len(whole.ids) > most)
    assert len(cut.ids) == min(len(whole.ids), most)
    assert (cut.ids[0], cut.ids[-1]) == (CLS, SEP)
    assert cut.ids[:-1].tolist() == whole.ids[: len(cut.ids) - 1].tolist()


def test_refusing_names_the_text_and_both_lengths() -> None:
    with pytest.raises(InvalidInput, match=r"texts\[1\] has 12 tokens, more than max_length 5"):
        TOKENIZER.tokenize(["short", "word " * 10], max_length=5, long_text="refuse")
    with pytest.raises(InvalidInput) as caught:
        TOKENIZER.tokenize(["word " * 10], max_length=5, long_text="refuse", name="d[{}]".format)
    assert caught.value.field == "d[0]"


def test_every_token_of_the_vocabulary_has_its_place() -> None:
    vocabulary = TOKENIZER.vocabulary()
    assert (len(vocabulary), vocabulary[CLS], vocabulary[0]) == (30_522, "[CLS]", "[PAD]")


def test_pieces_lead_back_to_words() -> None:
    text = "Unbelievable agility!"
    words = words_by_term(text, TOKENIZER.pieces(text))
    assert set(words.values()) == {"Unbelievable", "agility", "!"}


def test_a_kind_that_is_none_is_named() -> None:
    encoder = spladed.Encoder.load("builtin")
    with pytest.raises(InvalidInput, match="kind is 'passage'; expected 'query' or 'document'"):
        encoder.encode(["x"], kind="passage")  # type: ignore[arg-type]
