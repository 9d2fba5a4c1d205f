import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from spladed.v1 import encoder_pb2 as _encoder_pb2
from spladed.v1 import sparse_pb2 as _sparse_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WeightFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WEIGHT_FORMAT_UNSPECIFIED: _ClassVar[WeightFormat]
    WEIGHT_FORMAT_FIXED16: _ClassVar[WeightFormat]
    WEIGHT_FORMAT_FLOAT32: _ClassVar[WeightFormat]

class FieldType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FIELD_TYPE_UNSPECIFIED: _ClassVar[FieldType]
    FIELD_TYPE_KEYWORD: _ClassVar[FieldType]
    FIELD_TYPE_INTEGER: _ClassVar[FieldType]
    FIELD_TYPE_FLOAT: _ClassVar[FieldType]
    FIELD_TYPE_BOOLEAN: _ClassVar[FieldType]
    FIELD_TYPE_TIME: _ClassVar[FieldType]

class SearchMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEARCH_MODE_UNSPECIFIED: _ClassVar[SearchMode]
    SEARCH_MODE_EXACT: _ClassVar[SearchMode]
    SEARCH_MODE_APPROXIMATE: _ClassVar[SearchMode]
WEIGHT_FORMAT_UNSPECIFIED: WeightFormat
WEIGHT_FORMAT_FIXED16: WeightFormat
WEIGHT_FORMAT_FLOAT32: WeightFormat
FIELD_TYPE_UNSPECIFIED: FieldType
FIELD_TYPE_KEYWORD: FieldType
FIELD_TYPE_INTEGER: FieldType
FIELD_TYPE_FLOAT: FieldType
FIELD_TYPE_BOOLEAN: FieldType
FIELD_TYPE_TIME: FieldType
SEARCH_MODE_UNSPECIFIED: SearchMode
SEARCH_MODE_EXACT: SearchMode
SEARCH_MODE_APPROXIMATE: SearchMode

class Scoring(_message.Message):
    __slots__ = ("dot", "cosine", "saturation")
    DOT_FIELD_NUMBER: _ClassVar[int]
    COSINE_FIELD_NUMBER: _ClassVar[int]
    SATURATION_FIELD_NUMBER: _ClassVar[int]
    dot: DotScoring
    cosine: CosineScoring
    saturation: SaturationScoring
    def __init__(self, dot: _Optional[_Union[DotScoring, _Mapping]] = ..., cosine: _Optional[_Union[CosineScoring, _Mapping]] = ..., saturation: _Optional[_Union[SaturationScoring, _Mapping]] = ...) -> None: ...

class DotScoring(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CosineScoring(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SaturationScoring(_message.Message):
    __slots__ = ("query_power", "document_power")
    QUERY_POWER_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_POWER_FIELD_NUMBER: _ClassVar[int]
    query_power: float
    document_power: float
    def __init__(self, query_power: _Optional[float] = ..., document_power: _Optional[float] = ...) -> None: ...

class FieldDeclaration(_message.Message):
    __slots__ = ("name", "type", "list")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    LIST_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: FieldType
    list: bool
    def __init__(self, name: _Optional[str] = ..., type: _Optional[_Union[FieldType, str]] = ..., list: bool = ...) -> None: ...

class CollectionSettings(_message.Message):
    __slots__ = ("bundle", "dimension", "space_id", "weight_format", "scoring", "fields", "discard_text")
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FORMAT_FIELD_NUMBER: _ClassVar[int]
    SCORING_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    DISCARD_TEXT_FIELD_NUMBER: _ClassVar[int]
    bundle: str
    dimension: int
    space_id: str
    weight_format: WeightFormat
    scoring: Scoring
    fields: _containers.RepeatedCompositeFieldContainer[FieldDeclaration]
    discard_text: bool
    def __init__(self, bundle: _Optional[str] = ..., dimension: _Optional[int] = ..., space_id: _Optional[str] = ..., weight_format: _Optional[_Union[WeightFormat, str]] = ..., scoring: _Optional[_Union[Scoring, _Mapping]] = ..., fields: _Optional[_Iterable[_Union[FieldDeclaration, _Mapping]]] = ..., discard_text: bool = ...) -> None: ...

class Collection(_message.Message):
    __slots__ = ("name", "settings", "documents", "generation")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    name: str
    settings: CollectionSettings
    documents: int
    generation: int
    def __init__(self, name: _Optional[str] = ..., settings: _Optional[_Union[CollectionSettings, _Mapping]] = ..., documents: _Optional[int] = ..., generation: _Optional[int] = ...) -> None: ...

class CreateCollectionRequest(_message.Message):
    __slots__ = ("name", "settings")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    name: str
    settings: CollectionSettings
    def __init__(self, name: _Optional[str] = ..., settings: _Optional[_Union[CollectionSettings, _Mapping]] = ...) -> None: ...

class CreateCollectionResponse(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: Collection
    def __init__(self, collection: _Optional[_Union[Collection, _Mapping]] = ...) -> None: ...

class DeleteCollectionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteCollectionResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCollectionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCollectionsResponse(_message.Message):
    __slots__ = ("collections",)
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    collections: _containers.RepeatedCompositeFieldContainer[Collection]
    def __init__(self, collections: _Optional[_Iterable[_Union[Collection, _Mapping]]] = ...) -> None: ...

class GetCollectionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetCollectionResponse(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: Collection
    def __init__(self, collection: _Optional[_Union[Collection, _Mapping]] = ...) -> None: ...

class FieldValue(_message.Message):
    __slots__ = ("keyword", "integer", "real", "boolean", "time")
    KEYWORD_FIELD_NUMBER: _ClassVar[int]
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    REAL_FIELD_NUMBER: _ClassVar[int]
    BOOLEAN_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    keyword: str
    integer: int
    real: float
    boolean: bool
    time: _timestamp_pb2.Timestamp
    def __init__(self, keyword: _Optional[str] = ..., integer: _Optional[int] = ..., real: _Optional[float] = ..., boolean: bool = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class FieldValues(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedCompositeFieldContainer[FieldValue]
    def __init__(self, values: _Optional[_Iterable[_Union[FieldValue, _Mapping]]] = ...) -> None: ...

class Document(_message.Message):
    __slots__ = ("id", "text", "vector_row", "fields", "metadata")
    class FieldsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: FieldValues
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[FieldValues, _Mapping]] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VECTOR_ROW_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    id: str
    text: str
    vector_row: int
    fields: _containers.MessageMap[str, FieldValues]
    metadata: _struct_pb2.Struct
    def __init__(self, id: _Optional[str] = ..., text: _Optional[str] = ..., vector_row: _Optional[int] = ..., fields: _Optional[_Mapping[str, FieldValues]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class UpsertRequest(_message.Message):
    __slots__ = ("collection", "documents", "vectors", "options")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    collection: str
    documents: _containers.RepeatedCompositeFieldContainer[Document]
    vectors: _sparse_pb2.SparseBatch
    options: _encoder_pb2.EncodeOptions
    def __init__(self, collection: _Optional[str] = ..., documents: _Optional[_Iterable[_Union[Document, _Mapping]]] = ..., vectors: _Optional[_Union[_sparse_pb2.SparseBatch, _Mapping]] = ..., options: _Optional[_Union[_encoder_pb2.EncodeOptions, _Mapping]] = ...) -> None: ...

class UpsertResponse(_message.Message):
    __slots__ = ("generation", "token_counts", "truncated")
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    TOKEN_COUNTS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    generation: int
    token_counts: _containers.RepeatedScalarFieldContainer[int]
    truncated: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, generation: _Optional[int] = ..., token_counts: _Optional[_Iterable[int]] = ..., truncated: _Optional[_Iterable[bool]] = ...) -> None: ...

class UpsertStreamRequest(_message.Message):
    __slots__ = ("sequence", "request")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    request: UpsertRequest
    def __init__(self, sequence: _Optional[int] = ..., request: _Optional[_Union[UpsertRequest, _Mapping]] = ...) -> None: ...

class UpsertStreamResponse(_message.Message):
    __slots__ = ("sequence", "response", "error")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    response: UpsertResponse
    error: _status_pb2.Status
    def __init__(self, sequence: _Optional[int] = ..., response: _Optional[_Union[UpsertResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class DeleteRequest(_message.Message):
    __slots__ = ("collection", "ids")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    collection: str
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, collection: _Optional[str] = ..., ids: _Optional[_Iterable[str]] = ...) -> None: ...

class DeleteResponse(_message.Message):
    __slots__ = ("deleted", "generation")
    DELETED_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    deleted: int
    generation: int
    def __init__(self, deleted: _Optional[int] = ..., generation: _Optional[int] = ...) -> None: ...

class DeleteByFilterRequest(_message.Message):
    __slots__ = ("collection", "filter")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    collection: str
    filter: Filter
    def __init__(self, collection: _Optional[str] = ..., filter: _Optional[_Union[Filter, _Mapping]] = ...) -> None: ...

class DeleteByFilterResponse(_message.Message):
    __slots__ = ("deleted", "generation")
    DELETED_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    deleted: int
    generation: int
    def __init__(self, deleted: _Optional[int] = ..., generation: _Optional[int] = ...) -> None: ...

class Filter(_message.Message):
    __slots__ = ("all_of", "any_of", "negation", "membership", "range", "exists", "ids")
    ALL_OF_FIELD_NUMBER: _ClassVar[int]
    ANY_OF_FIELD_NUMBER: _ClassVar[int]
    NEGATION_FIELD_NUMBER: _ClassVar[int]
    MEMBERSHIP_FIELD_NUMBER: _ClassVar[int]
    RANGE_FIELD_NUMBER: _ClassVar[int]
    EXISTS_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    all_of: Filters
    any_of: Filters
    negation: Filter
    membership: Membership
    range: Range
    exists: str
    ids: Ids
    def __init__(self, all_of: _Optional[_Union[Filters, _Mapping]] = ..., any_of: _Optional[_Union[Filters, _Mapping]] = ..., negation: _Optional[_Union[Filter, _Mapping]] = ..., membership: _Optional[_Union[Membership, _Mapping]] = ..., range: _Optional[_Union[Range, _Mapping]] = ..., exists: _Optional[str] = ..., ids: _Optional[_Union[Ids, _Mapping]] = ...) -> None: ...

class Filters(_message.Message):
    __slots__ = ("filters",)
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    filters: _containers.RepeatedCompositeFieldContainer[Filter]
    def __init__(self, filters: _Optional[_Iterable[_Union[Filter, _Mapping]]] = ...) -> None: ...

class Membership(_message.Message):
    __slots__ = ("field", "values")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    field: str
    values: _containers.RepeatedCompositeFieldContainer[FieldValue]
    def __init__(self, field: _Optional[str] = ..., values: _Optional[_Iterable[_Union[FieldValue, _Mapping]]] = ...) -> None: ...

class Range(_message.Message):
    __slots__ = ("field", "at_least", "above", "at_most", "below")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    ABOVE_FIELD_NUMBER: _ClassVar[int]
    AT_MOST_FIELD_NUMBER: _ClassVar[int]
    BELOW_FIELD_NUMBER: _ClassVar[int]
    field: str
    at_least: FieldValue
    above: FieldValue
    at_most: FieldValue
    below: FieldValue
    def __init__(self, field: _Optional[str] = ..., at_least: _Optional[_Union[FieldValue, _Mapping]] = ..., above: _Optional[_Union[FieldValue, _Mapping]] = ..., at_most: _Optional[_Union[FieldValue, _Mapping]] = ..., below: _Optional[_Union[FieldValue, _Mapping]] = ...) -> None: ...

class Ids(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ids: _Optional[_Iterable[str]] = ...) -> None: ...

class Projection(_message.Message):
    __slots__ = ("text", "metadata", "fields", "vectors")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    text: bool
    metadata: bool
    fields: bool
    vectors: bool
    def __init__(self, text: bool = ..., metadata: bool = ..., fields: bool = ..., vectors: bool = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("collection", "ids", "projection", "min_generation")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    PROJECTION_FIELD_NUMBER: _ClassVar[int]
    MIN_GENERATION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    ids: _containers.RepeatedScalarFieldContainer[str]
    projection: Projection
    min_generation: int
    def __init__(self, collection: _Optional[str] = ..., ids: _Optional[_Iterable[str]] = ..., projection: _Optional[_Union[Projection, _Mapping]] = ..., min_generation: _Optional[int] = ...) -> None: ...

class GetResponse(_message.Message):
    __slots__ = ("documents", "vectors", "missing_ids", "generation")
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    MISSING_IDS_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    documents: _containers.RepeatedCompositeFieldContainer[Document]
    vectors: _sparse_pb2.SparseBatch
    missing_ids: _containers.RepeatedScalarFieldContainer[str]
    generation: int
    def __init__(self, documents: _Optional[_Iterable[_Union[Document, _Mapping]]] = ..., vectors: _Optional[_Union[_sparse_pb2.SparseBatch, _Mapping]] = ..., missing_ids: _Optional[_Iterable[str]] = ..., generation: _Optional[int] = ...) -> None: ...

class ScanRequest(_message.Message):
    __slots__ = ("collection", "projection", "cursor", "filter", "min_generation")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    PROJECTION_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    MIN_GENERATION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    projection: Projection
    cursor: str
    filter: Filter
    min_generation: int
    def __init__(self, collection: _Optional[str] = ..., projection: _Optional[_Union[Projection, _Mapping]] = ..., cursor: _Optional[str] = ..., filter: _Optional[_Union[Filter, _Mapping]] = ..., min_generation: _Optional[int] = ...) -> None: ...

class ScanResponse(_message.Message):
    __slots__ = ("documents", "vectors", "cursor", "generation")
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    documents: _containers.RepeatedCompositeFieldContainer[Document]
    vectors: _sparse_pb2.SparseBatch
    cursor: str
    generation: int
    def __init__(self, documents: _Optional[_Iterable[_Union[Document, _Mapping]]] = ..., vectors: _Optional[_Union[_sparse_pb2.SparseBatch, _Mapping]] = ..., cursor: _Optional[str] = ..., generation: _Optional[int] = ...) -> None: ...

class SearchRequest(_message.Message):
    __slots__ = ("collection", "texts", "vectors", "k", "filter", "mode", "effort", "projection", "options", "min_generation")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    EFFORT_FIELD_NUMBER: _ClassVar[int]
    PROJECTION_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    MIN_GENERATION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    texts: _containers.RepeatedScalarFieldContainer[str]
    vectors: _sparse_pb2.SparseBatch
    k: int
    filter: Filter
    mode: SearchMode
    effort: float
    projection: Projection
    options: _encoder_pb2.EncodeOptions
    min_generation: int
    def __init__(self, collection: _Optional[str] = ..., texts: _Optional[_Iterable[str]] = ..., vectors: _Optional[_Union[_sparse_pb2.SparseBatch, _Mapping]] = ..., k: _Optional[int] = ..., filter: _Optional[_Union[Filter, _Mapping]] = ..., mode: _Optional[_Union[SearchMode, str]] = ..., effort: _Optional[float] = ..., projection: _Optional[_Union[Projection, _Mapping]] = ..., options: _Optional[_Union[_encoder_pb2.EncodeOptions, _Mapping]] = ..., min_generation: _Optional[int] = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("results", "generation", "token_counts", "truncated")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    TOKEN_COUNTS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[Hits]
    generation: int
    token_counts: _containers.RepeatedScalarFieldContainer[int]
    truncated: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, results: _Optional[_Iterable[_Union[Hits, _Mapping]]] = ..., generation: _Optional[int] = ..., token_counts: _Optional[_Iterable[int]] = ..., truncated: _Optional[_Iterable[bool]] = ...) -> None: ...

class Hits(_message.Message):
    __slots__ = ("hits",)
    HITS_FIELD_NUMBER: _ClassVar[int]
    hits: _containers.RepeatedCompositeFieldContainer[Hit]
    def __init__(self, hits: _Optional[_Iterable[_Union[Hit, _Mapping]]] = ...) -> None: ...

class Hit(_message.Message):
    __slots__ = ("id", "score", "document")
    ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    id: str
    score: float
    document: Document
    def __init__(self, id: _Optional[str] = ..., score: _Optional[float] = ..., document: _Optional[_Union[Document, _Mapping]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("collection", "text", "vector", "ids", "options", "min_generation")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    MIN_GENERATION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    text: str
    vector: _sparse_pb2.SparseBatch
    ids: _containers.RepeatedScalarFieldContainer[str]
    options: _encoder_pb2.EncodeOptions
    min_generation: int
    def __init__(self, collection: _Optional[str] = ..., text: _Optional[str] = ..., vector: _Optional[_Union[_sparse_pb2.SparseBatch, _Mapping]] = ..., ids: _Optional[_Iterable[str]] = ..., options: _Optional[_Union[_encoder_pb2.EncodeOptions, _Mapping]] = ..., min_generation: _Optional[int] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("explanations", "generation")
    EXPLANATIONS_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    explanations: _containers.RepeatedCompositeFieldContainer[Explanation]
    generation: int
    def __init__(self, explanations: _Optional[_Iterable[_Union[Explanation, _Mapping]]] = ..., generation: _Optional[int] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("id", "score", "terms")
    ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    id: str
    score: float
    terms: _containers.RepeatedCompositeFieldContainer[TermContribution]
    def __init__(self, id: _Optional[str] = ..., score: _Optional[float] = ..., terms: _Optional[_Iterable[_Union[TermContribution, _Mapping]]] = ...) -> None: ...

class TermContribution(_message.Message):
    __slots__ = ("term", "token", "word", "query_weight", "document_weight", "contribution")
    TERM_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    WORD_FIELD_NUMBER: _ClassVar[int]
    QUERY_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    term: int
    token: str
    word: str
    query_weight: float
    document_weight: float
    contribution: float
    def __init__(self, term: _Optional[int] = ..., token: _Optional[str] = ..., word: _Optional[str] = ..., query_weight: _Optional[float] = ..., document_weight: _Optional[float] = ..., contribution: _Optional[float] = ...) -> None: ...

class GetStatsRequest(_message.Message):
    __slots__ = ("collection",)
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    collection: str
    def __init__(self, collection: _Optional[str] = ...) -> None: ...

class GetStatsResponse(_message.Message):
    __slots__ = ("documents", "deleted_documents", "weights", "segments", "disk_bytes", "memory_bytes", "generation", "buffered_documents", "mapped_bytes")
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    DELETED_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    DISK_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    BUFFERED_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    MAPPED_BYTES_FIELD_NUMBER: _ClassVar[int]
    documents: int
    deleted_documents: int
    weights: int
    segments: int
    disk_bytes: int
    memory_bytes: int
    generation: int
    buffered_documents: int
    mapped_bytes: int
    def __init__(self, documents: _Optional[int] = ..., deleted_documents: _Optional[int] = ..., weights: _Optional[int] = ..., segments: _Optional[int] = ..., disk_bytes: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., generation: _Optional[int] = ..., buffered_documents: _Optional[int] = ..., mapped_bytes: _Optional[int] = ...) -> None: ...
