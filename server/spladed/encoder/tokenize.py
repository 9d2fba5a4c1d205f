"""Text -> token ids, with the length rule applied here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import tokenizers

from spladed.errors import InvalidInput

__all__ = ["NAME", "LengthRule", "LongText", "TokenizedText", "Tokenizer", "windows"]

LongText = Literal["truncate", "refuse", "chunk_max"]
NAME: Callable[[int], str] = "texts[{}]".format  # what errors call the text at a position

# Of a window, what it shares with the one before unless told otherwise: context for the words
# at its edge, at an eighth more work.
_SHARED = 8


@dataclass(frozen=True, slots=True)
class LengthRule:
    """What becomes of a text with more than `max_length` tokens, special ones included.

    long_text:     "truncate" cuts off its end, "refuse" raises, and "chunk_max" splits it into
                   windows, whose rows are then merged by the maximum of each term
    chunk_overlap: tokens that a window shares with the one before; None is an eighth of it
    """

    max_length: int
    long_text: LongText = "truncate"
    chunk_overlap: int | None = None

    def overlap(self, room: int) -> int:
        """Shared tokens of windows that hold `room` tokens; raises InvalidInput CHUNK_OVERLAP."""
        if self.chunk_overlap is None:
            return room // _SHARED
        if not 0 <= self.chunk_overlap < room:
            raise InvalidInput(
                f"chunk_overlap is {self.chunk_overlap}; a window holds {room} tokens besides "
                f"the special ones: expected 0 to {room - 1}",
                reason="CHUNK_OVERLAP",
                field="chunk_overlap",
            )
        return self.chunk_overlap


@dataclass(frozen=True, slots=True, eq=False)
class TokenizedText:
    """A text as the model takes it, special tokens included.

    windows:   token ids, int64 [length], of each part; most texts have one
    truncated: whether the text had more
    """

    windows: tuple[npt.NDArray[np.int64], ...]
    truncated: bool

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """The token ids of all windows."""
        return self.windows[0] if len(self.windows) == 1 else np.concatenate(self.windows)


class Tokenizer:
    """A bundle's tokenizer. Holds no state that a call changes: threads may share it.

    special: whether texts stand between the model's special tokens
    """

    def __init__(self, path: Path, *, special: bool = True) -> None:
        self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        # Padding and truncation baked into a published tokenizer.json are somebody's
        # training settings; ours are decided a request.
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._special = special
        self._added = self._tokenizer.num_special_tokens_to_add(False) if special else 0

    def tokenize(
        self,
        texts: Sequence[str],
        rule: LengthRule,
        *,
        name: Callable[[int], str] = NAME,
    ) -> list[TokenizedText]:
        """Each text's ids, none with more than the rule's `max_length` in a window.

        Raises InvalidInput that names the text and both lengths where the rule refuses it.
        """
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        if rule.long_text == "refuse":
            self._refuse_long(encodings, rule.max_length, name)
        room = rule.max_length - self._added
        if rule.long_text == "chunk_max":
            overlap = rule.overlap(room)
            return [self._split(encoding, room, overlap) for encoding in encodings]
        return [self._cut(encoding, room) for encoding in encodings]

    def _cut(self, encoding: tokenizers.Encoding, room: int) -> TokenizedText:
        truncated = len(encoding) > room
        if truncated:
            encoding.truncate(room)
        return TokenizedText((self._ids(self._between(encoding)),), truncated)

    def _split(self, encoding: tokenizers.Encoding, room: int, overlap: int) -> TokenizedText:
        if len(encoding) > room:
            encoding.truncate(room, stride=overlap)
        first = self._between(encoding)
        parts = (first, *first.overflowing)
        return TokenizedText(tuple(self._ids(each) for each in parts), truncated=False)

    def _between(self, encoding: tokenizers.Encoding) -> tokenizers.Encoding:
        return self._tokenizer.post_process(encoding, None, self._special)

    def _ids(self, encoding: tokenizers.Encoding) -> npt.NDArray[np.int64]:
        return np.array(encoding.ids, np.int64)

    def _refuse_long(
        self,
        encodings: Sequence[tokenizers.Encoding],
        max_length: int,
        name: Callable[[int], str],
    ) -> None:
        for number, encoding in enumerate(encodings):
            length = len(encoding) + self._added
            if length > max_length:
                raise InvalidInput(
                    f"{name(number)} has {length} tokens, more than max_length {max_length}; "
                    "shorten it, or ask for truncation",
                    reason="TEXT_TOO_LONG",
                    field=name(number),
                )

    def vocabulary(self) -> list[str]:
        """Every token in the order of its id; gaps in the ids are empty strings."""
        by_token = self._tokenizer.get_vocab(with_added_tokens=True)
        tokens = [""] * (max(by_token.values()) + 1)
        for token, number in by_token.items():
            tokens[number] = token
        return tokens

    def pieces(self, text: str) -> list[tuple[int, int, int, int]]:
        """(token id, word number, start, end) of each token; offsets in characters of `text`."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        words = [-1 if word is None else word for word in encoding.word_ids]
        return [
            (token, word, start, end)
            for token, word, (start, end) in zip(encoding.ids, words, encoding.offsets, strict=True)
        ]


def windows(texts: Sequence[TokenizedText]) -> list[npt.NDArray[np.int64]]:
    """The windows of all texts, in order; `SparseBatch.merged` leads back to texts."""
    return [ids for text in texts for ids in text.windows]
