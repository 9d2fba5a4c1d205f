"""Tokens -> term ids, out of vocab.txt, tokenizer.json or a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spladed.bundle import BUILTIN, MANIFEST_FILE, TOKENIZER_FILE, Bundle
from spladed.errors import InvalidInput, NotFound
from spladed.jobs.compressed import numbered_lines
from spladed.jobs.vectors.chunk import Options

__all__ = ["numbers_of", "read_vocabulary", "token_of", "unknown_token", "vocabulary_of"]


def vocabulary_of(path: Path, options: Options) -> list[str]:
    """The tokens of `options.vocabulary`; raises InvalidInput VOCABULARY where none is given, and
    what `read_vocabulary` raises.
    """
    if not options.vocabulary:
        raise InvalidInput(
            f"{path} names terms by token; give --vocabulary: the vocab.txt, tokenizer.json or "
            "bundle of the model that made it",
            reason="VOCABULARY",
            field="vocabulary",
        )
    return read_vocabulary(options.vocabulary)


def read_vocabulary(where: str) -> list[str]:
    """Every token in the order of its term id; numbers without a token are empty strings.

    where: a text file of one token a line, a tokenizer.json (any file ending in .json), a
    folder with a tokenizer.json, a bundle's folder or "builtin".

    Raises InvalidInput VOCABULARY, NotFound FILE, and for a bundle what `Bundle.open` raises.
    """
    path = Path(where)
    if where == BUILTIN or (path / MANIFEST_FILE).is_file():
        bundle = Bundle.open(where)
        tokens = _from_tokenizer(bundle.tokenizer)
        missing = bundle.manifest.model.vocabulary_size - len(tokens)
        return tokens + [""] * missing
    if path.is_dir():
        return _from_tokenizer(path / TOKENIZER_FILE)
    return _from_tokenizer(path) if path.suffix == ".json" else _from_lines(path)


def numbers_of(tokens: Sequence[str], where: str) -> dict[str, int]:
    """Token -> term id; raises InvalidInput VOCABULARY for a token that stands twice."""
    numbers: dict[str, int] = {}
    for number, token in enumerate(tokens):
        if token and numbers.setdefault(token, number) != number:
            raise InvalidInput(
                f"{where} has the token {token!r} as {numbers[token]} and as {number}; expected "
                "each token once",
                reason="VOCABULARY",
                field=where,
            )
    return numbers


def token_of(vocabulary: Sequence[str], index: int) -> str:
    """The token of a term; raises InvalidInput TOKEN where it has none."""
    token = vocabulary[index] if index < len(vocabulary) else ""
    if not token:
        raise InvalidInput(
            f"term {index} has no token in the vocabulary of {len(vocabulary)}; give that of the "
            "model that made the vectors",
            reason="TOKEN",
            field="vocabulary",
        )
    return token


def unknown_token(place: str, token: str, known: int) -> InvalidInput:
    """The error for a token that is in no vocabulary."""
    return InvalidInput(
        f"{place} has the token {token[:100]!r}, which is not in the vocabulary of {known} tokens; "
        "give the vocabulary of the model that made the vectors, or --skip-unknown",
        reason="TOKEN",
        field=place,
    )


def _from_lines(path: Path) -> list[str]:
    tokens: list[str] = []
    for number, line in numbered_lines(path):
        tokens += [""] * (number - 1 - len(tokens))  # blank lines keep their number
        tokens.append(line)
    if not tokens:
        raise InvalidInput(f"{path} holds no tokens", reason="VOCABULARY", field=str(path))
    return tokens


def _from_tokenizer(path: Path) -> list[str]:
    if not path.is_file():
        raise NotFound(f"there is no {path}", reason="FILE", field=str(path))
    from spladed.encoder.tokenize import Tokenizer  # vocab.txt needs no `tokenizers`

    try:
        return Tokenizer(path).vocabulary()
    except Exception as error:  # what tokenizers raises has no class of its own
        raise InvalidInput(
            f"{path} is no tokenizer.json ({error}); give the one of the model that made the "
            "vectors, or its vocab.txt",
            reason="VOCABULARY",
            field=str(path),
        ) from error
