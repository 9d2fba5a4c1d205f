"""Anserini's JSON vectors: a JSON object a line, terms by token, weights usually whole.

    {"id": "a", "contents": "...", "vector": {"dog": 152, "##gy": 31}}

Castorini's SPLADE collections hold round(weight * 100): load them with a scale of 100.
"contents" may be missing or empty; it becomes the text. Plain, .gz or .zst.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spladed.index.values import Document
from spladed.jobs.vectors.chunk import Chunk, Options, Skipped, VectorFile, decide_dimension
from spladed.jobs.vectors.document import checked_text, identity_of
from spladed.jobs.vectors.lines import Row, bad_line, check_lines, chunks_of_lines, write_lines
from spladed.jobs.vectors.vocabulary import (
    numbers_of,
    token_of,
    unknown_token,
    vocabulary_of,
)

__all__ = ["read", "write"]

_EXPECTED = '{"id": "...", "contents": "...", "vector": {"token": weight}}'


def read(path: Path, options: Options) -> VectorFile:
    """The records of the file, tokens numbered by `options.vocabulary`.

    Raises NotFound FILE, InvalidInput LINE, ID, TEXT, TOKEN, VOCABULARY or COMPRESSION, and
    what `vocabulary_of`, `decide_dimension` and `checked` raise.
    """
    check_lines(path)
    tokens = vocabulary_of(path, options)
    numbers = numbers_of(tokens, options.vocabulary)
    dimension = decide_dimension(path, len(tokens), options.dimension)
    skipped = Skipped()

    def parse(said: dict[str, Any], place: str) -> Row:
        if "id" not in said or type(said.get("vector")) is not dict:
            raise bad_line(place, "no id, or no object as the vector", _EXPECTED)
        identity = identity_of(said["id"], place)
        vector = said["vector"]
        indices = list(map(numbers.get, vector))
        if None in indices:
            vector = _known(vector, numbers, skipped, place, options.skip_unknown)
            indices = list(map(numbers.get, vector))
        document = _document(identity, said.get("contents"), place)
        return Row(identity, indices, list(vector.values()), document)

    chunks = chunks_of_lines(path, parse, dimension, options.scale)
    return VectorFile(path, "anserini", dimension, None, chunks, skipped=skipped)


def write(
    path: Path, chunks: Iterable[Chunk], vocabulary: Sequence[str], *, scale: float = 100.0
) -> int:
    """A line for each row, weights times `scale` rounded to whole numbers, zeros left out.

    Returns how many; raises InvalidInput TOKEN for a term that has no token.
    """

    def line(chunk: Chunk, number: int) -> dict[str, Any]:
        indices, values = chunk.vectors.row(number)
        impacts = np.rint(values.astype(np.float64) * scale).astype(np.int64).tolist()
        pairs = zip(indices.tolist(), impacts, strict=True)
        vector = {token_of(vocabulary, index): impact for index, impact in pairs if impact}
        text = chunk.documents[number].text if chunk.documents else ""
        return {"id": chunk.ids[number], "contents": text, "vector": vector}

    return write_lines(path, chunks, line)


def _known(
    vector: Mapping[str, Any], numbers: Mapping[str, int], skipped: Skipped, place: str, skip: bool
) -> dict[str, Any]:
    """The vector without the tokens that no number has, which are counted."""
    for token in vector.keys() - numbers.keys():
        if not skip:
            raise unknown_token(place, token, len(numbers))
        skipped.take(token, 1)
    return {token: weight for token, weight in vector.items() if token in numbers}


def _document(identity: str, contents: Any, place: str) -> Document | None:
    if contents is None or contents == "":
        return None
    if type(contents) is not str:
        raise bad_line(place, f"its contents are a {type(contents).__name__}", _EXPECTED)
    return Document(identity, checked_text(contents, place, "contents"))
