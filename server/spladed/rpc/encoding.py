"""Texts of a call -> rows: validate, tokenize off the event loop, queue, await."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from spladed.encoder.encoder import Encoder
from spladed.encoder.engine import Engine
from spladed.encoder.tokenize import NAME, LongText, TokenizedText, windows
from spladed.errors import AlreadyExists, InvalidInput, NotFound
from spladed.index.check import check_name
from spladed.manifest import Kind, Manifest
from spladed.pruning import Pruning
from spladed.rpc.watch import NOBODY, Watch, timed
from spladed.settings import Limits
from spladed.sparse import SparseBatch
from spladed.v1 import encoder_pb2 as pb

__all__ = ["EncodedTexts", "Encoding", "Encodings"]

_LONG_TEXTS: Mapping[int, LongText] = {
    pb.LONG_TEXT_UNSPECIFIED: "truncate",
    pb.LONG_TEXT_TRUNCATE: "truncate",
    pb.LONG_TEXT_REFUSE: "refuse",
    pb.LONG_TEXT_CHUNK_MAX: "chunk_max",
}

# Characters that are tokenized on the event loop: some 50 microseconds, less than a thread costs.
_AT_ONCE = 256

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EncodedTexts:
    """Rows and what the tokenizer says of each text."""

    vectors: SparseBatch
    token_counts: list[int]
    truncated: list[bool]


class Encoding:
    """One bundle that is served: its encoder, the engine's queue, the tokenizer's threads."""

    def __init__(
        self,
        name: str,
        encoder: Encoder,
        engine: Engine,
        tokenizing: Executor,
        limits: Limits,
        watch: Watch = NOBODY,
    ) -> None:
        self.name = name
        self.encoder = encoder
        self.vocabulary = encoder.tokenizer.vocabulary()
        self._engine = engine
        self._tokenizing = tokenizing
        self._limits = limits
        self._watch = watch
        self._in_use = 0
        self._unused: asyncio.Future[None] | None = None

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself."""
        return self.encoder.bundle.manifest

    async def encode(
        self,
        texts: Sequence[str],
        options: pb.EncodeOptions,
        kind: Kind,
        *,
        name: Callable[[int], str] = NAME,
        bulk: bool = False,
    ) -> EncodedTexts:
        """Rows of the texts, in order; cancelling the caller drops what has not run yet.

        bulk: wait for room in the encoder's queue, where other calls are refused
        """
        with self._used():
            return await self._encode(texts, options, kind, name, bulk=bulk)

    async def _encode(
        self,
        texts: Sequence[str],
        options: pb.EncodeOptions,
        kind: Kind,
        name: Callable[[int], str],
        *,
        bulk: bool,
    ) -> EncodedTexts:
        pruning = _pruning(options)
        tokenized = await self.tokenize(texts, options, kind, name=name)
        with timed(self._watch, "encode"):
            vectors = await self._rows(windows(tokenized), kind, bulk=bulk)
        if pruning or self.manifest.side(kind).pruning or len(vectors) != len(texts):
            finish = partial(self.encoder.finish, texts=tokenized, kind=kind, pruning=pruning)
            vectors = await self._beside(finish, vectors)
        truncated = [text.truncated for text in tokenized]
        self._watch.encoded(kind, vectors, truncated)
        return EncodedTexts(vectors, [len(text.ids) for text in tokenized], truncated)

    async def tokenize(
        self,
        texts: Sequence[str],
        options: pb.EncodeOptions,
        kind: Kind,
        *,
        name: Callable[[int], str] = NAME,
    ) -> list[TokenizedText]:
        """Token ids of the texts, after the limits of a call were checked.

        name: what errors call the text at a position
        """
        _check_texts(texts, self._limits, name)
        overlap = options.chunk_overlap if options.HasField("chunk_overlap") else None
        tokenize = partial(
            self.encoder.tokenize,
            kind=kind, max_length=options.max_length, long_text=_long_text(options),
            chunk_overlap=overlap, name=name,
        )  # fmt: skip
        with timed(self._watch, "tokenize"):
            if sum(map(len, texts)) <= _AT_ONCE:
                return tokenize(texts)
            return await self._beside(tokenize, texts)

    async def _rows(
        self, texts: list[npt.NDArray[np.int64]], kind: Kind, *, bulk: bool
    ) -> SparseBatch:
        if kind == "query" and self.encoder.table is not None:
            return self.encoder.table.rows(texts)  # microseconds: no queue is worth its wait
        answer: asyncio.Future[SparseBatch] = asyncio.get_running_loop().create_future()
        self._engine.submit(texts, kind, answer, bulk=bulk)
        return await answer

    @property
    def engine(self) -> Engine:
        """The queue before its session."""
        return self._engine

    async def retire(self) -> None:
        """Waits for the calls that it has begun, and ends its threads."""
        if self._in_use:
            self._unused = asyncio.get_running_loop().create_future()
            await self._unused
        await asyncio.to_thread(self._engine.close)

    @contextmanager
    def _used(self) -> Iterator[None]:
        self._in_use += 1
        try:
            yield
        finally:
            self._in_use -= 1
            if not self._in_use and self._unused is not None and not self._unused.done():
                self._unused.set_result(None)

    async def _beside(self, work: Callable[[S], T], given: S) -> T:
        """Off the event loop, in the tokenizer's threads."""
        return await asyncio.get_running_loop().run_in_executor(self._tokenizing, work, given)


class Encodings:
    """The bundles that are served, by name or alias; the first is the default."""

    def __init__(self, encodings: Sequence[Encoding]) -> None:
        self._by_name = {encoding.name: encoding for encoding in encodings}
        self._aliases: dict[str, str] = {}

    def all(self) -> list[Encoding]:
        """Every encoding, the default one first."""
        return list(self._by_name.values())

    def get(self, name: str, field: str) -> Encoding:
        """The encoding of that name or alias, or the default for an empty name."""
        if not name:
            return next(iter(self._by_name.values()))
        name = self._aliases.get(name, name)
        if name not in self._by_name:
            raise NotFound(
                f"{field}: no bundle {name!r} here; loaded: {', '.join(self._by_name)}",
                reason="BUNDLE_NOT_FOUND",
                field=field,
            )
        return self._by_name[name]

    def put(self, encoding: Encoding) -> Encoding | None:
        """Serves the encoding from now on; the one of that name that was served."""
        old = self._by_name.get(encoding.name)
        self._by_name[encoding.name] = encoding
        return old

    def is_alias(self, name: str) -> bool:
        """Whether this is an alias."""
        return name in self._aliases

    def is_named(self, name: str, bundle: str) -> bool:
        """Whether a name, an alias, or an empty name for the default one, is this bundle's."""
        return (self._aliases.get(name, name) or next(iter(self._by_name))) == bundle

    def aliases(self, name: str) -> list[str]:
        """The aliases of the bundle of this name, sorted."""
        return sorted(alias for alias, target in self._aliases.items() if target == name)

    def set_alias(self, alias: str, name: str) -> None:
        """Points an alias at a bundle.

        Raises InvalidInput ALIAS_NAME, AlreadyExists for a bundle's name, NotFound.
        """
        check_name(alias, reason="ALIAS_NAME", field="alias")
        encoding = self.get(name, "bundle")
        if alias in self._by_name:
            message = f"there is a bundle {alias}; an alias needs a name of its own"
            raise AlreadyExists(message, reason="BUNDLE", field="alias")
        self._aliases[alias] = encoding.name

    def remove_alias(self, alias: str) -> None:
        """Forgets this alias; one that is not there is fine."""
        self._aliases.pop(alias, None)


def _check_texts(texts: Sequence[str], limits: Limits, name: Callable[[int], str]) -> None:
    if not texts:
        raise InvalidInput(
            "texts is empty; send at least one text", reason="TEXTS_MISSING", field="texts"
        )
    if len(texts) > limits.max_texts:
        raise InvalidInput(
            f"texts has {len(texts)} entries, more than max_texts {limits.max_texts}; send "
            "them in several requests",
            reason="TOO_MANY_TEXTS",
            field="texts",
        )
    for number, text in enumerate(texts):
        # A character has at most four bytes: most texts need no encoding to be judged.
        if len(text) * 4 > limits.max_text_bytes and len(text.encode()) > limits.max_text_bytes:
            raise InvalidInput(
                f"{name(number)} has {len(text.encode())} bytes, more than max_text_bytes "
                f"{limits.max_text_bytes}; split it",
                reason="TEXT_TOO_LARGE",
                field=name(number),
            )


def _long_text(options: pb.EncodeOptions) -> LongText:
    if options.long_text not in _LONG_TEXTS:
        raise InvalidInput(
            f"options.long_text is {options.long_text}; expected a value of LongText",
            reason="ENUM",
            field="options.long_text",
        )
    return _LONG_TEXTS[options.long_text]


def _pruning(options: pb.EncodeOptions) -> Pruning:
    asked = options.pruning
    try:
        return Pruning(asked.top_terms, asked.threshold, asked.max_ratio, asked.alpha_mass)
    except InvalidInput as error:
        field = f"options.{error.field}"
        message = f"options.{error.message}"
        raise InvalidInput(message, reason="PRUNING", field=field) from error
