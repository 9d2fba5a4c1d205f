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

__all__ = ["NAME", "LongText", "TokenizedText", "Tokenizer"]

LongText = Literal["truncate", "refuse"]
NAME: Callable[[int], str] = "texts[{}]".format  # what errors call the text at a position


@dataclass(frozen=True, slots=True, eq=False)
class TokenizedText:
    """ids: int64 [length], special tokens included; `truncated` if the text had more."""

    ids: npt.NDArray[np.int64]
    truncated: bool


class Tokenizer:
    """A bundle's tokenizer. Holds no state that a call changes: threads may share it."""

    def __init__(self, path: Path) -> None:
        self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        # Padding and truncation baked into a published tokenizer.json are somebody's
        # training settings; ours are decided a request.
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._added = self._tokenizer.num_special_tokens_to_add(False)

    def tokenize(
        self,
        texts: Sequence[str],
        *,
        max_length: int,
        long_text: LongText = "truncate",
        name: Callable[[int], str] = NAME,
    ) -> list[TokenizedText]:
        """Ids of each text, at most `max_length` with special tokens.

        Longer texts lose their end, or with "refuse" raise InvalidInput that names the
        text and both lengths.
        """
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        if long_text == "refuse":
            self._refuse_long(encodings, max_length, name)
        return [self._finish(encoding, max_length - self._added) for encoding in encodings]

    def _finish(self, encoding: tokenizers.Encoding, room: int) -> TokenizedText:
        truncated = len(encoding) > room
        if truncated:
            encoding.truncate(room)
        whole = self._tokenizer.post_process(encoding, None, True)
        return TokenizedText(np.array(whole.ids, np.int64), truncated)

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
