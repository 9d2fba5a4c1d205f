from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import spladed
from spladed.encoder.tokenize import LengthRule, Tokenizer
from spladed.encoder.words import words_by_term
from spladed.errors import InvalidInput

TOKENIZER = Tokenizer(Path(spladed.__file__).with_name("builtin") / "tokenizer.json")
CLS, SEP = 101, 102


@given(st.text(min_size=1, max_size=200), st.integers(3, 40))
def test_a_text_keeps_its_beginning_between_the_special_tokens(text: str, most: int) -> None:
    (whole,) = TOKENIZER.tokenize([text], LengthRule(10_000))
    (cut,) = TOKENIZER.tokenize([text], LengthRule(most))
    assert not whole.truncated
    assert cut.truncated == (len(whole.ids) > most)
    assert len(cut.ids) == min(len(whole.ids), most)
    assert (cut.ids[0], cut.ids[-1]) == (CLS, SEP)
    assert cut.ids[:-1].tolist() == whole.ids[: len(cut.ids) - 1].tolist()


def test_refusing_names_the_text_and_both_lengths() -> None:
    with pytest.raises(InvalidInput, match=r"texts\[1\] has 12 tokens, more than max_length 5"):
        TOKENIZER.tokenize(["short", "word " * 10], LengthRule(5, "refuse"))
    with pytest.raises(InvalidInput) as caught:
        TOKENIZER.tokenize(["word " * 10], LengthRule(5, "refuse"), name="d[{}]".format)
    assert caught.value.field == "d[0]"


@given(st.text(max_size=300), st.integers(3, 40), st.integers(0, 20))
def test_windows_hold_the_whole_text_and_share_their_edges(
    text: str, most: int, shared: int
) -> None:
    shared = min(shared, most - 3)
    ((whole,),) = [each.windows for each in TOKENIZER.tokenize([text], LengthRule(10_000))]
    (split,) = TOKENIZER.tokenize([text], LengthRule(most, "chunk_max", shared))
    assert not split.truncated
    inner = [window[1:-1].tolist() for window in split.windows]
    joined = inner[0]
    for window in inner[1:]:
        assert window[:shared] == joined[len(joined) - shared :]
        joined = joined + window[shared:]
    assert joined == whole[1:-1].tolist()
    assert all((window[0], window[-1]) == (CLS, SEP) for window in split.windows)
    assert all(len(window) == most for window in split.windows[:-1])
    assert len(split.windows[-1]) <= most


def test_windows_share_an_eighth_unless_told_otherwise() -> None:
    (split,) = TOKENIZER.tokenize(["dog " * 62], LengthRule(34, "chunk_max"))
    assert [len(window) for window in split.windows] == [34, 34, 8]


@pytest.mark.parametrize("shared", [-1, 8, 100])
def test_an_overlap_that_leaves_no_step_is_refused(shared: int) -> None:
    with pytest.raises(InvalidInput, match=f"chunk_overlap is {shared}; .* 8 tokens") as caught:
        TOKENIZER.tokenize(["dog"], LengthRule(10, "chunk_max", shared))
    assert (caught.value.reason, caught.value.field) == ("CHUNK_OVERLAP", "chunk_overlap")


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
