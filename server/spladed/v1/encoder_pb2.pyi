from google.rpc import status_pb2 as _status_pb2
from spladed.v1 import sparse_pb2 as _sparse_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KIND_UNSPECIFIED: _ClassVar[Kind]
    KIND_QUERY: _ClassVar[Kind]
    KIND_DOCUMENT: _ClassVar[Kind]

class LongText(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LONG_TEXT_UNSPECIFIED: _ClassVar[LongText]
    LONG_TEXT_TRUNCATE: _ClassVar[LongText]
    LONG_TEXT_REFUSE: _ClassVar[LongText]
    LONG_TEXT_CHUNK_MAX: _ClassVar[LongText]
KIND_UNSPECIFIED: Kind
KIND_QUERY: Kind
KIND_DOCUMENT: Kind
LONG_TEXT_UNSPECIFIED: LongText
LONG_TEXT_TRUNCATE: LongText
LONG_TEXT_REFUSE: LongText
LONG_TEXT_CHUNK_MAX: LongText

class Pruning(_message.Message):
    __slots__ = ("top_terms", "threshold", "max_ratio", "alpha_mass")
    TOP_TERMS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    MAX_RATIO_FIELD_NUMBER: _ClassVar[int]
    ALPHA_MASS_FIELD_NUMBER: _ClassVar[int]
    top_terms: int
    threshold: float
    max_ratio: float
    alpha_mass: float
    def __init__(self, top_terms: _Optional[int] = ..., threshold: _Optional[float] = ..., max_ratio: _Optional[float] = ..., alpha_mass: _Optional[float] = ...) -> None: ...

class EncodeOptions(_message.Message):
    __slots__ = ("bundle", "kind", "long_text", "max_length", "pruning", "chunk_overlap")
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    LONG_TEXT_FIELD_NUMBER: _ClassVar[int]
    MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    PRUNING_FIELD_NUMBER: _ClassVar[int]
    CHUNK_OVERLAP_FIELD_NUMBER: _ClassVar[int]
    bundle: str
    kind: Kind
    long_text: LongText
    max_length: int
    pruning: Pruning
    chunk_overlap: int
    def __init__(self, bundle: _Optional[str] = ..., kind: _Optional[_Union[Kind, str]] = ..., long_text: _Optional[_Union[LongText, str]] = ..., max_length: _Optional[int] = ..., pruning: _Optional[_Union[Pruning, _Mapping]] = ..., chunk_overlap: _Optional[int] = ...) -> None: ...

class EncodeRequest(_message.Message):
    __slots__ = ("texts", "options")
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedScalarFieldContainer[str]
    options: EncodeOptions
    def __init__(self, texts: _Optional[_Iterable[str]] = ..., options: _Optional[_Union[EncodeOptions, _Mapping]] = ...) -> None: ...

class EncodeResponse(_message.Message):
    __slots__ = ("vectors", "token_counts", "truncated", "space_id", "bundle_id")
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_COUNTS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_ID_FIELD_NUMBER: _ClassVar[int]
    vectors: _sparse_pb2.SparseBatch
    token_counts: _containers.RepeatedScalarFieldContainer[int]
    truncated: _containers.RepeatedScalarFieldContainer[bool]
    space_id: str
    bundle_id: str
    def __init__(self, vectors: _Optional[_Union[_sparse_pb2.SparseBatch, _Mapping]] = ..., token_counts: _Optional[_Iterable[int]] = ..., truncated: _Optional[_Iterable[bool]] = ..., space_id: _Optional[str] = ..., bundle_id: _Optional[str] = ...) -> None: ...

class EncodeStreamRequest(_message.Message):
    __slots__ = ("sequence", "request")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    request: EncodeRequest
    def __init__(self, sequence: _Optional[int] = ..., request: _Optional[_Union[EncodeRequest, _Mapping]] = ...) -> None: ...

class EncodeStreamResponse(_message.Message):
    __slots__ = ("sequence", "response", "error")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    response: EncodeResponse
    error: _status_pb2.Status
    def __init__(self, sequence: _Optional[int] = ..., response: _Optional[_Union[EncodeResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class TokenizeRequest(_message.Message):
    __slots__ = ("texts", "options")
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedScalarFieldContainer[str]
    options: EncodeOptions
    def __init__(self, texts: _Optional[_Iterable[str]] = ..., options: _Optional[_Union[EncodeOptions, _Mapping]] = ...) -> None: ...

class TokenizedText(_message.Message):
    __slots__ = ("ids", "tokens", "truncated")
    IDS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[int]
    tokens: _containers.RepeatedScalarFieldContainer[str]
    truncated: bool
    def __init__(self, ids: _Optional[_Iterable[int]] = ..., tokens: _Optional[_Iterable[str]] = ..., truncated: bool = ...) -> None: ...

class TokenizeResponse(_message.Message):
    __slots__ = ("texts",)
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    texts: _containers.RepeatedCompositeFieldContainer[TokenizedText]
    def __init__(self, texts: _Optional[_Iterable[_Union[TokenizedText, _Mapping]]] = ...) -> None: ...

class GetInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetInfoResponse(_message.Message):
    __slots__ = ("version", "bundles", "limits")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BUNDLES_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    version: str
    bundles: _containers.RepeatedCompositeFieldContainer[BundleInfo]
    limits: Limits
    def __init__(self, version: _Optional[str] = ..., bundles: _Optional[_Iterable[_Union[BundleInfo, _Mapping]]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ...) -> None: ...

class BundleInfo(_message.Message):
    __slots__ = ("name", "aliases", "space_id", "bundle_id", "dimension", "architecture", "source", "commit", "licence", "precision", "target", "pooling", "activation", "special_terms", "query_side", "query_max_length", "document_max_length", "query_prompt", "document_prompt", "query_pruning", "document_pruning", "query_source")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    SPACE_ID_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_ID_FIELD_NUMBER: _ClassVar[int]
    DIMENSION_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    POOLING_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_FIELD_NUMBER: _ClassVar[int]
    SPECIAL_TERMS_FIELD_NUMBER: _ClassVar[int]
    QUERY_SIDE_FIELD_NUMBER: _ClassVar[int]
    QUERY_MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_MAX_LENGTH_FIELD_NUMBER: _ClassVar[int]
    QUERY_PROMPT_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_PROMPT_FIELD_NUMBER: _ClassVar[int]
    QUERY_PRUNING_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_PRUNING_FIELD_NUMBER: _ClassVar[int]
    QUERY_SOURCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    aliases: _containers.RepeatedScalarFieldContainer[str]
    space_id: str
    bundle_id: str
    dimension: int
    architecture: str
    source: str
    commit: str
    licence: str
    precision: str
    target: str
    pooling: str
    activation: str
    special_terms: str
    query_side: str
    query_max_length: int
    document_max_length: int
    query_prompt: str
    document_prompt: str
    query_pruning: Pruning
    document_pruning: Pruning
    query_source: str
    def __init__(self, name: _Optional[str] = ..., aliases: _Optional[_Iterable[str]] = ..., space_id: _Optional[str] = ..., bundle_id: _Optional[str] = ..., dimension: _Optional[int] = ..., architecture: _Optional[str] = ..., source: _Optional[str] = ..., commit: _Optional[str] = ..., licence: _Optional[str] = ..., precision: _Optional[str] = ..., target: _Optional[str] = ..., pooling: _Optional[str] = ..., activation: _Optional[str] = ..., special_terms: _Optional[str] = ..., query_side: _Optional[str] = ..., query_max_length: _Optional[int] = ..., document_max_length: _Optional[int] = ..., query_prompt: _Optional[str] = ..., document_prompt: _Optional[str] = ..., query_pruning: _Optional[_Union[Pruning, _Mapping]] = ..., document_pruning: _Optional[_Union[Pruning, _Mapping]] = ..., query_source: _Optional[str] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("max_texts", "max_text_bytes", "max_request_bytes", "max_reply_bytes", "max_hits", "max_documents")
    MAX_TEXTS_FIELD_NUMBER: _ClassVar[int]
    MAX_TEXT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_REQUEST_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_REPLY_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_HITS_FIELD_NUMBER: _ClassVar[int]
    MAX_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    max_texts: int
    max_text_bytes: int
    max_request_bytes: int
    max_reply_bytes: int
    max_hits: int
    max_documents: int
    def __init__(self, max_texts: _Optional[int] = ..., max_text_bytes: _Optional[int] = ..., max_request_bytes: _Optional[int] = ..., max_reply_bytes: _Optional[int] = ..., max_hits: _Optional[int] = ..., max_documents: _Optional[int] = ...) -> None: ...

class GetVocabularyRequest(_message.Message):
    __slots__ = ("bundle", "first", "limit")
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    bundle: str
    first: int
    limit: int
    def __init__(self, bundle: _Optional[str] = ..., first: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class GetVocabularyResponse(_message.Message):
    __slots__ = ("tokens", "total")
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    tokens: _containers.RepeatedScalarFieldContainer[str]
    total: int
    def __init__(self, tokens: _Optional[_Iterable[str]] = ..., total: _Optional[int] = ...) -> None: ...
