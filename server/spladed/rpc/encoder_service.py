"""The Encoder service: texts to sparse vectors."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from spladed import __version__
from spladed.errors import InvalidInput
from spladed.manifest import Kind
from spladed.rpc.encoding import Encoding, Encodings
from spladed.rpc.wire import view, write_batch
from spladed.settings import Limits
from spladed.v1 import encoder_pb2 as pb

__all__ = ["EncoderService"]


class EncoderService:
    """The methods of spladed.v1.Encoder that are built."""

    def __init__(self, encodings: Encodings, limits: Limits) -> None:
        self._encodings = encodings
        self._limits = limits

    async def encode(self, request: pb.EncodeRequest) -> Any:
        """One row a text."""
        return await self._encode(request, bulk=False)

    async def encode_stream(self, chunk: pb.EncodeStreamRequest) -> Any:
        """One row a text of this chunk."""
        response = await self._encode(chunk.request, bulk=True)
        return view.EncodeStreamResponse(sequence=chunk.sequence, response=response)

    async def _encode(self, request: pb.EncodeRequest, *, bulk: bool) -> Any:
        encoding = self._encodings.get(request.options.bundle, "options.bundle")
        kind = _kind(request.options, encoding)
        encoded = await encoding.encode(request.texts, request.options, kind, bulk=bulk)
        return view.EncodeResponse(
            vectors=write_batch(encoded.vectors),
            token_counts=encoded.token_counts,
            truncated=encoded.truncated,
            space_id=encoding.manifest.space_id,
            bundle_id=encoding.manifest.bundle_id,
        )

    async def tokenize(self, request: pb.TokenizeRequest) -> pb.TokenizeResponse:
        """How each text splits."""
        encoding = self._encodings.get(request.options.bundle, "options.bundle")
        kind = _kind(request.options, encoding)
        tokenized = await encoding.tokenize(request.texts, request.options, kind)
        texts = [
            pb.TokenizedText(
                ids=text.ids.tolist(),
                tokens=[encoding.vocabulary[token] for token in text.ids.tolist()],
                truncated=text.truncated,
            )
            for text in tokenized
        ]
        return pb.TokenizeResponse(texts=texts)

    async def get_info(self, _: pb.GetInfoRequest) -> pb.GetInfoResponse:
        """What this server is and allows."""
        limits = self._limits
        return pb.GetInfoResponse(
            version=__version__,
            bundles=[
                _bundle_info(encoding, self._encodings.aliases(encoding.name))
                for encoding in self._encodings.all()
            ],
            limits=pb.Limits(
                max_texts=limits.max_texts,
                max_text_bytes=limits.max_text_bytes,
                max_request_bytes=limits.max_request_bytes,
                max_reply_bytes=limits.max_reply_bytes,
                max_hits=limits.max_hits,
                max_documents=limits.max_documents,
            ),
        )

    async def get_vocabulary(self, request: pb.GetVocabularyRequest) -> pb.GetVocabularyResponse:
        """A page of tokens, as many as fit half a reply when no limit was given."""
        vocabulary = self._encodings.get(request.bundle, "bundle").vocabulary
        if request.first > len(vocabulary):
            raise InvalidInput(
                f"first is {request.first}; the vocabulary has {len(vocabulary)} tokens",
                reason="VOCABULARY_PAGE",
                field="first",
            )
        room, tokens = self._limits.max_reply_bytes // 2, []
        for token in vocabulary[request.first :][: request.limit or None]:
            room -= len(token.encode()) + 4
            if room < 0:
                break
            tokens.append(token)
        return pb.GetVocabularyResponse(tokens=tokens, total=len(vocabulary))


def _kind(options: pb.EncodeOptions, encoding: Encoding) -> Kind:
    if options.kind == pb.KIND_QUERY:
        return "query"
    if options.kind == pb.KIND_DOCUMENT:
        return "document"
    if options.kind != pb.KIND_UNSPECIFIED:
        raise InvalidInput(
            f"options.kind is {options.kind}; expected KIND_QUERY or KIND_DOCUMENT",
            reason="ENUM",
            field="options.kind",
        )
    if encoding.manifest.model.query_side != "same":
        raise InvalidInput(
            f"options.kind is unset; the bundle {encoding.name!r} encodes queries and documents "
            "differently: say KIND_QUERY or KIND_DOCUMENT",
            reason="KIND",
            field="options.kind",
        )
    return "document"


def _bundle_info(encoding: Encoding, aliases: list[str]) -> pb.BundleInfo:
    manifest = encoding.manifest
    return pb.BundleInfo(
        name=encoding.name,
        aliases=aliases,
        space_id=manifest.space_id,
        bundle_id=manifest.bundle_id,
        dimension=manifest.model.vocabulary_size,
        architecture=manifest.model.architecture,
        source=manifest.source.name,
        commit=manifest.source.commit,
        licence=manifest.source.licence,
        precision=manifest.precision,
        target=manifest.target,
        pooling=manifest.model.pooling,
        activation=manifest.model.activation,
        special_terms=manifest.model.special_terms,
        query_side=manifest.model.query_side,
        query_max_length=manifest.query.max_length,
        document_max_length=manifest.document.max_length,
        query_prompt=manifest.query.prompt,
        document_prompt=manifest.document.prompt,
        query_pruning=pb.Pruning(**asdict(manifest.query.pruning)),
        document_pruning=pb.Pruning(**asdict(manifest.document.pruning)),
        query_source=manifest.query_source.name if manifest.query_source else "",
    )
