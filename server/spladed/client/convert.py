"""Client values <-> protobuf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from google.protobuf import json_format, struct_pb2

from spladed.client.values import (
    CollectionDescription,
    Document,
    Encoded,
    Explanation,
    Field,
    FieldType,
    Formula,
    Found,
    Hit,
    Kind,
    Page,
    Scoring,
    SearchResult,
    TermContribution,
    TokenizedText,
    Upserted,
    Value,
    WeightFormat,
)
from spladed.errors import InvalidInput
from spladed.rpc.field_values import read_value, write_value
from spladed.rpc.wire import read_batch, view, write_batch
from spladed.sparse import SparseBatch
from spladed.v1 import encoder_pb2, index_pb2

__all__ = [
    "FIELD_TYPES",
    "KINDS",
    "LONG_TEXTS",
    "WEIGHT_FORMATS",
    "choose",
    "read_collection",
    "read_encoded",
    "read_explanations",
    "read_found",
    "read_page",
    "read_search",
    "read_tokenized",
    "read_upserted",
    "write_field",
    "write_scoring",
    "write_upsert",
]

KINDS: dict[Kind | None, encoder_pb2.Kind] = {
    None: encoder_pb2.KIND_UNSPECIFIED,
    "query": encoder_pb2.KIND_QUERY,
    "document": encoder_pb2.KIND_DOCUMENT,
}
LONG_TEXTS = {
    "truncate": encoder_pb2.LONG_TEXT_TRUNCATE,
    "refuse": encoder_pb2.LONG_TEXT_REFUSE,
    "chunk_max": encoder_pb2.LONG_TEXT_CHUNK_MAX,
}
WEIGHT_FORMATS: dict[WeightFormat, index_pb2.WeightFormat] = {
    "fixed16": index_pb2.WEIGHT_FORMAT_FIXED16,
    "float32": index_pb2.WEIGHT_FORMAT_FLOAT32,
}

FIELD_TYPES: dict[FieldType, index_pb2.FieldType] = {
    "keyword": index_pb2.FIELD_TYPE_KEYWORD,
    "integer": index_pb2.FIELD_TYPE_INTEGER,
    "float": index_pb2.FIELD_TYPE_FLOAT,
    "boolean": index_pb2.FIELD_TYPE_BOOLEAN,
    "time": index_pb2.FIELD_TYPE_TIME,
}
_SCORINGS: dict[Formula, Any] = {
    "dot": index_pb2.DotScoring,
    "cosine": index_pb2.CosineScoring,
    "saturation": index_pb2.SaturationScoring,
}


def choose(choices: dict[Any, Any], found: object, name: str) -> Any:
    """The enum value of a word; raises InvalidInput that lists the words."""
    if found not in choices:
        words = ", ".join(repr(word) for word in choices if word is not None)
        raise InvalidInput(f"{name} is {found!r}; expected {words}", reason="ENUM", field=name)
    return choices[found]


def read_encoded(message: encoder_pb2.EncodeResponse) -> Encoded:
    """An EncodeResponse as values."""
    return Encoded(
        read_batch(message.vectors, "vectors"),
        list(message.token_counts),
        list(message.truncated),
        message.space_id,
        message.bundle_id,
    )


def read_tokenized(message: encoder_pb2.TokenizeResponse) -> list[TokenizedText]:
    """A TokenizeResponse as values."""
    return [
        TokenizedText(list(each.ids), list(each.tokens), each.truncated) for each in message.texts
    ]


def read_upserted(message: index_pb2.UpsertResponse) -> Upserted:
    """An UpsertResponse as values."""
    return Upserted(message.generation, list(message.token_counts), list(message.truncated))


def write_upsert(
    collection: str,
    documents: Sequence[Document],
    vectors: SparseBatch | None,
    options: encoder_pb2.EncodeOptions,
) -> Any:
    """An UpsertRequest, its arrays handed over as bytes."""
    plain = index_pb2.UpsertRequest(
        collection=collection,
        documents=[_write_document(document) for document in documents],
        options=options,
    )
    request = view.UpsertRequest.FromString(plain.SerializeToString())
    if vectors is not None:
        request.vectors.CopyFrom(write_batch(vectors))
    return request


def _write_document(document: Document) -> index_pb2.Document:
    message = index_pb2.Document(id=document.id, text=document.text)
    if document.vector_row is not None:
        message.vector_row = document.vector_row
    if document.metadata:
        message.metadata.CopyFrom(_write_struct(document))
    for name, given in document.fields.items():
        where = f"fields.{name} of document {document.id!r}"
        several = isinstance(given, Sequence) and not isinstance(given, (str, bytes))
        values = cast(Sequence[Value], given if several else [given])
        message.fields[name].values.extend(write_value(value, where) for value in values)
    return message


def _write_struct(document: Document) -> struct_pb2.Struct:
    try:
        return json_format.ParseDict(dict(document.metadata), struct_pb2.Struct())
    except (json_format.ParseError, TypeError) as error:
        raise InvalidInput(
            f"metadata of document {document.id!r} is not JSON: {error}",
            reason="METADATA",
            field="documents.metadata",
        ) from error


def write_field(field: Field) -> index_pb2.FieldDeclaration:
    """A field's declaration."""
    number = choose(FIELD_TYPES, field.type, f"type of field {field.name!r}")
    return index_pb2.FieldDeclaration(name=field.name, type=number, list=field.list)


def write_scoring(scoring: Scoring) -> index_pb2.Scoring:
    """A formula with its powers."""
    formula = choose(_SCORINGS, scoring.formula, "scoring.formula")()
    if scoring.formula == "saturation":
        formula.query_power = scoring.query_power
        formula.document_power = scoring.document_power
    return index_pb2.Scoring(**{scoring.formula: formula})


def _read_scoring(message: index_pb2.Scoring) -> Scoring:
    match message.WhichOneof("formula"):
        case "cosine":
            return Scoring("cosine")
        case "saturation":
            powers = message.saturation
            return Scoring("saturation", powers.query_power, powers.document_power)
    return Scoring()


def _read_field(message: index_pb2.FieldDeclaration) -> Field:
    words: dict[int, FieldType] = {number: word for word, number in FIELD_TYPES.items()}
    return Field(message.name, words[message.type], message.list)


def read_collection(message: index_pb2.Collection) -> CollectionDescription:
    """A Collection as values."""
    settings = message.settings
    fixed = settings.weight_format == index_pb2.WEIGHT_FORMAT_FIXED16
    return CollectionDescription(
        name=message.name,
        bundle=settings.bundle,
        dimension=settings.dimension,
        space_id=settings.space_id,
        weight_format="fixed16" if fixed else "float32",
        scoring=_read_scoring(settings.scoring),
        fields=[_read_field(each) for each in settings.fields],
        stores_text=not settings.discard_text,
        documents=message.documents,
        generation=message.generation,
    )


def read_found(message: index_pb2.GetResponse) -> Found:
    """A GetResponse as values."""
    documents = [_read_document(each) for each in message.documents]
    return Found(documents, _read_vectors(message), list(message.missing_ids), message.generation)


def read_page(message: index_pb2.ScanResponse) -> Page:
    """A ScanResponse as values."""
    documents = [_read_document(each) for each in message.documents]
    return Page(documents, _read_vectors(message), message.cursor, message.generation)


def _read_vectors(message: index_pb2.GetResponse | index_pb2.ScanResponse) -> SparseBatch | None:
    return read_batch(message.vectors, "vectors") if message.HasField("vectors") else None


def _read_document(message: index_pb2.Document) -> Document:
    return Document(
        message.id,
        message.text,
        message.vector_row if message.HasField("vector_row") else None,
        _read_metadata(message),
        _read_fields(message),
    )


def _read_metadata(message: index_pb2.Document) -> Mapping[str, Any]:
    return json_format.MessageToDict(message.metadata) if message.HasField("metadata") else {}


def _read_fields(message: index_pb2.Document) -> Mapping[str, tuple[Value, ...]]:
    return {
        name: tuple(read_value(value, f"fields.{name}") for value in each.values)
        for name, each in message.fields.items()
    }


def read_search(message: index_pb2.SearchResponse) -> SearchResult:
    """A SearchResponse as values."""
    hits = [[_read_hit(hit) for hit in result.hits] for result in message.results]
    return SearchResult(
        hits, message.generation, list(message.token_counts), list(message.truncated)
    )


def _read_hit(message: index_pb2.Hit) -> Hit:
    if not message.HasField("document"):
        return Hit(message.id, message.score)
    document = message.document
    fields = _read_fields(document)
    return Hit(message.id, message.score, document.text, _read_metadata(document), fields)


def read_explanations(message: index_pb2.ExplainResponse) -> list[Explanation]:
    """An ExplainResponse as values."""
    return [_read_explanation(each) for each in message.explanations]


def _read_explanation(message: index_pb2.Explanation) -> Explanation:
    terms = [
        TermContribution(
            each.term,
            each.token,
            each.word,
            each.query_weight,
            each.document_weight,
            each.contribution,
        )
        for each in message.terms
    ]
    return Explanation(message.id, message.score, terms)
