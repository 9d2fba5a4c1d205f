"""How texts are to be encoded: keywords of the client, and the message that they become."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal, TypedDict, Unpack

from spladed.client import convert
from spladed.client.values import Kind
from spladed.pruning import Pruning
from spladed.v1 import encoder_pb2

__all__ = ["EncodeOptions", "LongText", "TextOptions", "encode_options"]

LongText = Literal["truncate", "refuse", "chunk_max"]


class TextOptions(TypedDict, total=False):
    """How texts are encoded; whatever is left out is the bundle's own.

    bundle:        name or alias; empty is the collection's, or the server's default one
    long_text:     "truncate" cuts off the end of a text with too many tokens, "refuse" fails,
                   "chunk_max" encodes it in windows, merged by each term's heaviest weight
    max_length:    tokens a text, or a window, may have; 0 is the bundle's maximum
    chunk_overlap: tokens that a window shares with the one before; an eighth of it if left out
    pruning:       drops light terms, after the bundle's own rules
    """

    bundle: str
    long_text: LongText
    max_length: int
    chunk_overlap: int
    pruning: Pruning | None


class EncodeOptions(TextOptions, total=False):
    """Likewise. kind: the texts' side; None is for bundles that encode both alike."""

    kind: Kind | None


def encode_options(**options: Unpack[EncodeOptions]) -> encoder_pb2.EncodeOptions:
    """EncodeOptions; raises InvalidInput for a word that is none of the choices."""
    pruning = options.get("pruning")
    return encoder_pb2.EncodeOptions(
        bundle=options.get("bundle", ""),
        kind=convert.choose(convert.KINDS, options.get("kind"), "kind"),
        long_text=convert.choose(
            convert.LONG_TEXTS, options.get("long_text", "truncate"), "long_text"
        ),
        max_length=options.get("max_length", 0),
        pruning=encoder_pb2.Pruning(**asdict(pruning)) if pruning else None,
        chunk_overlap=options.get("chunk_overlap"),
    )
