"""Documents <-> protobuf."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from google.protobuf import json_format

from spladed.index.collection import Collection
from spladed.index.fields import checked_fields
from spladed.index.scan import Page
from spladed.index.values import Document, Field, Found, Value
from spladed.rpc.field_values import read_value, write_value
from spladed.rpc.settings import write_settings
from spladed.rpc.wire import view, write_batch
from spladed.v1 import index_pb2 as pb

__all__ = [
    "read_documents",
    "wants_documents",
    "write_collection",
    "write_document",
    "write_found",
    "write_page",
]


def read_documents(documents: Sequence[pb.Document], fields: Sequence[Field]) -> list[Document]:
    """The documents without their vectors, their values checked against these declarations.

    Raises InvalidInput FIELD, FIELD_TYPE, FIELD_VALUE, which name the place:
    `documents[3].fields.year.values[0]`.
    """
    return [
        Document(
            document.id,
            document.text,
            _write_json(document),
            _read_fields(document, fields, f"documents[{number}].fields"),
        )
        for number, document in enumerate(documents)
    ]


def _read_fields(
    document: pb.Document, fields: Sequence[Field], where: str
) -> dict[str, tuple[Value, ...]]:
    if not document.fields:
        return {}
    values = {
        name: [
            read_value(value, f"{where}.{name}.values[{number}]")
            for number, value in enumerate(each.values)
        ]
        for name, each in document.fields.items()
    }
    return checked_fields(fields, values, where)


def _write_json(document: pb.Document) -> str:
    if not document.HasField("metadata"):
        return ""
    return json.dumps(json_format.MessageToDict(document.metadata), ensure_ascii=False)


def write_collection(collection: Collection) -> pb.Collection:
    """A collection as replies describe it."""
    with collection.snapshot() as view:
        return pb.Collection(
            name=collection.name,
            settings=write_settings(collection.settings),
            documents=len(view),
            generation=view.generation,
        )


def wants_documents(wanted: pb.Projection) -> bool:
    """Whether more than ids, scores and vectors is asked for."""
    return wanted.text or wanted.metadata or wanted.fields


def write_document(document: Document, wanted: pb.Projection, **more: Any) -> pb.Document:
    """What is wanted of a document beside its id."""
    message = pb.Document(text=document.text if wanted.text else "", **more)
    if wanted.metadata and document.metadata:
        json_format.ParseDict(json.loads(document.metadata), message.metadata)
    if wanted.fields:
        for name, values in document.fields.items():
            message.fields[name].values.extend(write_value(value, name) for value in values)
    return message


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
    """The documents, each with its row in the vectors beside them where those are wanted; of
    the class that belongs to the view's own pool."""
    rows = range(len(documents)) if wanted.vectors else [None] * len(documents)
    messages = [
        write_document(document, wanted, id=document.id, vector_row=row)
        for row, document in zip(rows, documents, strict=True)
    ]
    return [view.Document.FromString(message.SerializeToString()) for message in messages]
