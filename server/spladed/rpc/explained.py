"""Explanations in words a person can read -> protobuf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spladed.encoder.words import readable, words_by_term
from spladed.index.values import Explanation
from spladed.rpc.encoding import Encoding
from spladed.v1 import index_pb2 as pb

__all__ = ["write_explanations"]


def write_explanations(
    explanations: Sequence[Explanation],
    query: str,
    texts: Mapping[str, str],
    encoding: Encoding | None,
) -> list[pb.Explanation]:
    """The explanations, each term with its token and word where an encoding knows them.

    texts: the stored text by document id; the query's words go before the document's.
    """
    in_query = _words(query, encoding)
    return [
        _write(each, _words(texts.get(each.id, ""), encoding) | in_query, encoding)
        for each in explanations
    ]


def _words(text: str, encoding: Encoding | None) -> dict[int, str]:
    if encoding is None or not text:
        return {}
    return words_by_term(text, encoding.encoder.tokenizer.pieces(text))


def _write(
    explanation: Explanation, words: Mapping[int, str], encoding: Encoding | None
) -> pb.Explanation:
    terms = []
    for each in explanation.terms:
        token = encoding.vocabulary[each.term] if encoding else ""
        terms.append(
            pb.TermContribution(
                term=each.term,
                token=token,
                word=words.get(each.term, readable(token)),
                query_weight=each.query_weight,
                document_weight=each.document_weight,
                contribution=each.contribution,
            )
        )
    return pb.Explanation(id=explanation.id, score=explanation.score, terms=terms)
