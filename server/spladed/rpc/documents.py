"""Documents, settings and hits <-> protobuf."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from google.protobuf import json_format, struct_pb2

from spladed.errors import InvalidInput, Unimplemented
from spladed.index.collection import Collection
from spladed.index.scan import Page
from spladed.index.values import CollectionSettings, Document, Found, Hit, WeightFormat
from spladed.rpc.wire import view, write_batch
from spladed.v1 import index_pb2 as pb

__all__ = [
    "read_documents",
    "read_weight_format",
    "write_collection",
    "write_found",
    "write_hits",
    "write_page",
]

_WEIGHT_FORMATS: dict[int, WeightFormat] = {
    pb.WEIGHT_FORMAT_UNSPECIFIED: "fixed16",
    pb.WEIGHT_FORMAT_FIXED16: "fixed16",
    pb.WEIGHT_FORMAT_FLOAT32: "float32",
}


def read_documents(documents: Sequence[pb.Document]) -> list[Document]:
    """The documents without their vectors."""
    return [_read_document(document, number) for number, document in enumerate(documents)]


def _read_document(document: pb.Document, number: int) -> Document:
    if document.fields:
        raise Unimplemented(
            f"documents[{number}].fields: declared fields are not built in this version; use "
            "metadata",
            reason="NOT_BUILT",
            field=f"documents[{number}].fields",
        )
    return Document(document.id, document.text, _write_json(document))


def _write_json(document: pb.Document) -> str:
    if not document.HasField("metadata"):
        return ""
    return json.dumps(json_format.MessageToDict(document.metadata), ensure_ascii=False)


def _read_json(text: str) -> struct_pb2.Struct | None:
    return json_format.ParseDict(json.loads(text), struct_pb2.Struct()) if text else None


def read_weight_format(settings: pb.CollectionSettings) -> WeightFormat:
    """The format's name; raises InvalidInput for a number that is not in the contract."""
    if settings.weight_format not in _WEIGHT_FORMATS:
        raise InvalidInput(
            f"settings.weight_format is {settings.weight_format}; expected a value of WeightFormat",
            reason="ENUM",
            field="settings.weight_format",
        )
    return _WEIGHT_FORMATS[settings.weight_format]


def write_collection(collection: Collection) -> pb.Collection:
    """A collection as replies describe it."""
    stats = collection.stats()
    return pb.Collection(
        name=collection.name,
        settings=_write_settings(collection.settings),
        documents=stats.documents,
        generation=stats.generation,
    )


def _write_settings(settings: CollectionSettings) -> pb.CollectionSettings:
    fixed = settings.weight_format == "fixed16"
    return pb.CollectionSettings(
        bundle=settings.bundle,
        dimension=settings.dimension,
        space_id=settings.space_id,
        weight_format=pb.WEIGHT_FORMAT_FIXED16 if fixed else pb.WEIGHT_FORMAT_FLOAT32,
        scoring=pb.Scoring(dot=pb.DotScoring()),
        discard_text=not settings.store_text,
    )


def _write_document(document: Document, wanted: pb.Projection, **more: Any) -> Any:
    return view.Document(
        text=document.text if wanted.text else "",
        metadata=_view_struct(document.metadata) if wanted.metadata else None,
        **more,
    )


def _view_struct(text: str) -> Any:
    """Metadata as the Struct class that belongs to the view's own pool."""
    struct = _read_json(text)
    if struct is None:
        return None
    document = view.Document.FromString(pb.Document(metadata=struct).SerializeToString())
    return document.metadata


def write_found(found: Found, wanted: pb.Projection) -> Any:
    """A GetResponse."""
    return view.GetResponse(
        documents=_write_documents(found.documents, wanted),
        vectors=write_batch(found.vectors) if wanted.vectors else None,
        missing_ids=found.missing,
        generation=found.generation,
    )


def write_page(page: Page, wanted: pb.Projection, cursor: str) -> Any:
    """A ScanResponse."""
    return view.ScanResponse(
        documents=_write_documents(page.documents, wanted),
        vectors=write_batch(page.vectors) if wanted.vectors else None,
        cursor=cursor,
        generation=page.generation,
    )


def _write_documents(documents: Sequence[Document], wanted: pb.Projection) -> list[Any]:
    """The documents, each with its row in the vectors beside them where those are wanted."""
    return [
        _write_document(
            document, wanted, id=document.id, vector_row=row if wanted.vectors else None
        )
        for row, document in enumerate(documents)
    ]


def write_hits(hits: Sequence[Hit], wanted: pb.Projection) -> Any:
    """The hits of one query."""
    return view.Hits(
        hits=[
            view.Hit(
                id=hit.id,
                score=hit.score,
                document=_write_document(hit.document, wanted) if hit.document else None,
            )
            for hit in hits
        ]
    )
