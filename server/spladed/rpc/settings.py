"""Settings of collections <-> protobuf."""

from __future__ import annotations

from typing import TypeVar

from spladed.errors import InvalidInput
from spladed.index.values import CollectionSettings, Field, FieldType, Scoring, WeightFormat
from spladed.v1 import index_pb2 as pb

__all__ = ["read_fields", "read_scoring", "read_weight_format", "write_settings"]

_WEIGHT_FORMATS: dict[pb.WeightFormat, WeightFormat] = {
    pb.WEIGHT_FORMAT_UNSPECIFIED: "fixed16",
    pb.WEIGHT_FORMAT_FIXED16: "fixed16",
    pb.WEIGHT_FORMAT_FLOAT32: "float32",
}
_FIELD_TYPES: dict[pb.FieldType, FieldType] = {
    pb.FIELD_TYPE_KEYWORD: "keyword",
    pb.FIELD_TYPE_INTEGER: "integer",
    pb.FIELD_TYPE_FLOAT: "float",
    pb.FIELD_TYPE_BOOLEAN: "boolean",
    pb.FIELD_TYPE_TIME: "time",
}

_Number = TypeVar("_Number", bound=int)
_Word = TypeVar("_Word", bound=str)


def read_weight_format(settings: pb.CollectionSettings) -> WeightFormat:
    """The format's name; raises InvalidInput ENUM for a number that is not in the contract."""
    return _word(_WEIGHT_FORMATS, settings.weight_format, "settings.weight_format", "WeightFormat")


def read_fields(settings: pb.CollectionSettings) -> tuple[Field, ...]:
    """The declared fields; raises InvalidInput ENUM for one without a type."""
    return tuple(
        Field(
            each.name,
            _word(_FIELD_TYPES, each.type, f"settings.fields[{number}].type", "FieldType"),
            each.list,
        )
        for number, each in enumerate(settings.fields)
    )


def _word(words: dict[_Number, _Word], found: _Number, where: str, enum: str) -> _Word:
    if found in words:
        return words[found]
    expected = ", ".join(dict.fromkeys(words.values()))
    raise InvalidInput(
        f"{where} is {found}; expected a value of {enum}: {expected}",
        reason="ENUM",
        field=where,
    )


def read_scoring(settings: pb.CollectionSettings) -> Scoring:
    """The formula with its powers; dot where none is set."""
    match settings.scoring.WhichOneof("formula"):
        case "cosine":
            return Scoring("cosine")
        case "saturation":
            powers = settings.scoring.saturation
            return Scoring("saturation", powers.query_power, powers.document_power)
    return Scoring()


def write_settings(settings: CollectionSettings) -> pb.CollectionSettings:
    """The settings as replies describe them."""
    fixed = settings.weight_format == "fixed16"
    return pb.CollectionSettings(
        bundle=settings.bundle,
        dimension=settings.dimension,
        space_id=settings.space_id,
        weight_format=pb.WEIGHT_FORMAT_FIXED16 if fixed else pb.WEIGHT_FORMAT_FLOAT32,
        scoring=_write_scoring(settings.scoring),
        fields=[_write_field(field) for field in settings.fields],
        discard_text=not settings.store_text,
    )


def _write_scoring(scoring: Scoring) -> pb.Scoring:
    if scoring.formula == "cosine":
        return pb.Scoring(cosine=pb.CosineScoring())
    if scoring.formula == "saturation":
        powers = pb.SaturationScoring(
            query_power=scoring.query_power, document_power=scoring.document_power
        )
        return pb.Scoring(saturation=powers)
    return pb.Scoring(dot=pb.DotScoring())


def _write_field(field: Field) -> pb.FieldDeclaration:
    types = {word: number for number, word in _FIELD_TYPES.items()}
    return pb.FieldDeclaration(name=field.name, type=types[field.type], list=field.list)
