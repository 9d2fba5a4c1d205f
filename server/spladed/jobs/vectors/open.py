"""The room's face: a file by its format, or by its extension."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args

from spladed.errors import InvalidInput, Mismatch
from spladed.jobs.vectors.chunk import Chunk, Format, Options, VectorFile

__all__ = ["FORMATS", "format_of", "open_vectors", "write_vectors"]

FORMATS: tuple[Format, ...] = get_args(Format)

_EXTENSIONS: dict[str, Format] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".npz": "npz",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csr": "csr",
    ".ciff": "ciff",
}
_PACKED = (".gz", ".zst")
_BY_TOKEN = ("anserini", "ciff")  # terms
_BY_NUMBER = ("csr", "npz")  # documents
_NOTHING = Options()


def format_of(path: Path, *, by_token: bool = False) -> Format:
    """The format that the file's name says; JSON lines are Anserini's if terms are tokens.

    Raises InvalidInput FORMAT for a name that says none, or a packed file of a format that
    is read from any place.
    """
    packed = path.suffix in _PACKED
    extension = path.with_suffix("").suffix if packed else path.suffix
    format = _EXTENSIONS.get(extension.lower())
    if format is None:
        raise InvalidInput(
            f"{path} has no extension of a format; expected one of {', '.join(_EXTENSIONS)}, or "
            f"--format with one of {', '.join(FORMATS)}",
            reason="FORMAT",
            field="format",
        )
    if packed and format in ("parquet", "npz", "csr"):
        raise InvalidInput(
            f"{path} is packed, and {format} is read from more than one place at once; unpack it",
            reason="FORMAT",
            field=str(path),
        )
    if format == "ciff" and path.suffix == ".zst":
        raise InvalidInput(
            f"{path} is packed with zstd, and ciff is read plain or as .gz; pack it anew",
            reason="FORMAT",
            field=str(path),
        )
    return "anserini" if format == "jsonl" and by_token else format


def open_vectors(
    path: Path, options: Options = _NOTHING, format: Format | Literal["auto"] = "auto"
) -> VectorFile:
    """The file, opened and its header checked; its rows are read as its chunks are taken.

    With "auto" the name says the format, and JSON lines with a vocabulary are Anserini's.
    Raises NotFound FILE, InvalidInput FORMAT or USAGE, and what the reader of the format raises.
    """
    if format == "auto":
        format = format_of(path, by_token=bool(options.vocabulary))
    _check_fits(format, options)
    return _module(format).read(path, options)


def write_vectors(
    path: Path,
    chunks: Iterable[Chunk],
    *,
    dimension: int,
    format: Format | Literal["auto"] = "auto",
    vocabulary: Sequence[str] = (),
    scale: float = 100.0,
) -> int:
    """Writes the rows in a format, in bounded memory; the file appears whole. Returns how many.

    vocabulary, scale: for the formats whose terms are tokens and whose weights are whole
    (anserini, ciff). csr and npz hold no ids, and only parquet and jsonl hold documents.
    Raises InvalidInput FORMAT or TOKEN, Unavailable STORAGE.
    """
    if format == "auto":
        format = format_of(path, by_token=bool(vocabulary))
    given: dict[str, Any] = {}
    if format in _BY_TOKEN:
        given = {"vocabulary": vocabulary, "scale": scale}
    elif format != "jsonl":
        given = {"dimension": dimension}
    return _module(format).write(path, chunks, **given)


def _check_fits(format: Format, options: Options) -> None:
    """Raises InvalidInput USAGE for an option that says what the format says itself."""
    for option, given, takers in (
        ("ids", options.ids, _BY_NUMBER),
        ("vocabulary", options.vocabulary, _BY_TOKEN),
    ):
        if given and format not in takers:
            raise InvalidInput(
                f"--{option} has no use with the format {format}, only with "
                f"{' and '.join(takers)}; leave it out",
                reason="USAGE",
                field=option,
            )


def _module(format: Format) -> Any:
    """The reader and writer, loaded when used: pyarrow is an extra, and slow to import."""
    try:
        return import_module(f"spladed.jobs.vectors.{format}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("spladed"):
            raise
        raise Mismatch(
            f"{format} needs {error.name}: pip install 'spladed[jobs]'", reason="EXTRA_MISSING"
        ) from error
