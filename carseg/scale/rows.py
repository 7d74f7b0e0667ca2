"""One row per image: what of a result goes into a table, as plain values and as Arrow's types."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from carseg.errors import CarsegError, OptionError, unknown_name
from carseg.images import index_image
from carseg.inference import Car, Part, Result, encode_png

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = ("parts", "cars", "mask")  # what may be asked for, beside what every row has
OWN = ("error", "width", "height")  # what every row has
_REGION = ("area_px", "area_fraction", "bbox")
_PART = ("name", "label", *_REGION, "score")


def check_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that are asked for.

    Raises:
        OptionError: none, or a text instead of several.
        UnknownNameError: there is no such column.
    """
    if isinstance(columns, str) or not columns:
        raise OptionError(f"columns must be some of {', '.join(COLUMNS)}, got {columns!r}")
    for column in columns:
        if column not in COLUMNS:
            raise unknown_name("column", column, COLUMNS)
    return tuple(columns)


def row_of(result: Result | CarsegError, columns: Sequence[str]) -> dict[str, Any]:
    """Return what is known of an image: width, height, the columns that are asked for, and the error, if any.

    Where there is an error all else is None; where there is none, the error is.
    """
    if isinstance(result, CarsegError):
        return {"error": str(result), **dict.fromkeys((*OWN[1:], *columns))}
    row: dict[str, Any] = {"error": None, "width": result.width, "height": result.height}
    for column in columns:
        match column:
            case "parts":
                row[column] = [_part(part) for part in result.parts]
            case "cars":
                row[column] = [_car(car) for car in result.cars]
            case "mask":
                row[column] = _png(result)
    return row


def _part(part: Part) -> dict[str, Any]:
    fields = part.to_dict()
    pieces = [{key: piece[key] for key in (*_REGION, "score")} for piece in fields["pieces"]]
    return {**_some(fields, _PART), "rle": fields["rle"], "pieces": pieces}


def _car(car: Car) -> dict[str, Any]:
    fields = car.to_dict()
    body = fields["body"] and _some(fields["body"], (*_REGION, "rle"))
    parts = [_some(part, _PART) for part in fields["parts"]]
    whole = _some(fields, ("number", *_REGION, "rle", "uncertain"))
    return {**whole, "view": fields["view"] and dict(fields["view"]), "body": body, "parts": parts}


def _some(fields: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: fields[key] for key in keys}


def _png(result: Result) -> bytes:
    """Return the mask as an index image: its pixels are the label ids, its palette the classes' colours."""
    file = BytesIO()
    encode_png(index_image(result.mask, result.labels), file)
    return file.getvalue()


def arrow_fields(columns: Sequence[str]) -> list[tuple[str, pa.DataType]]:
    """Return the names and types of what ``row_of`` gives, in its order."""
    import pyarrow as pa

    rle = pa.struct({"size": pa.list_(pa.int32()), "counts": pa.string()})
    region = {"area_px": pa.int64(), "area_fraction": pa.float64(), "bbox": pa.list_(pa.int32())}
    part = {"name": pa.string(), "label": pa.int32(), **region, "score": pa.float64()}
    pieces = pa.list_(pa.struct({**region, "score": pa.float64()}))
    car = {
        "number": pa.int32(),
        **region,
        "rle": rle,
        "uncertain": pa.bool_(),
        "view": pa.struct({"name": pa.string(), "confidence": pa.float64()}),
        "body": pa.struct({**region, "rle": rle}),
        "parts": pa.list_(pa.struct(part)),
    }
    types = {
        "parts": pa.list_(pa.struct({**part, "rle": rle, "pieces": pieces})),
        "cars": pa.list_(pa.struct(car)),
        "mask": pa.binary(),
    }
    own = {"error": pa.string(), "width": pa.int32(), "height": pa.int32()}
    return [*own.items(), *((column, types[column]) for column in columns)]
