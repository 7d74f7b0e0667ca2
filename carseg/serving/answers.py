"""Results as the bytes of answers: JSON and PNG."""

from __future__ import annotations

import io
from typing import Literal

from PIL import Image

from carseg.images import index_image
from carseg.inference import Result, encode_photo, encode_png

Picture = Literal["mask", "overlay"]


def json_bytes(result: Result, *, polygons: bool = False) -> bytes:
    """Return the document of a result: its schema is docs/schemas/result.schema.json."""
    return result.to_json(polygons=polygons).encode("utf-8", "backslashreplace")


def picture_bytes(result: Result, picture: Picture, *, legend: bool = True) -> bytes:
    """Return a PNG: "mask", whose pixels are the label ids and whose palette the classes' colours, or "overlay"."""
    shown = index_image(result.mask, result.labels) if picture == "mask" else result.overlay(legend=legend)
    file = io.BytesIO()
    encode_png(shown, file)
    return file.getvalue()


def cutout_bytes(image: Image.Image) -> bytes:
    """Return a cut-out as a PNG that says what its colours are."""
    file = io.BytesIO()
    encode_photo(image, file, "png")
    return file.getvalue()
