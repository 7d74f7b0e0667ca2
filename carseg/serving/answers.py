"""Results as the bytes of answers: JSON and PNG."""

from __future__ import annotations

import io
import zlib
from typing import Literal

from PIL import Image

from carseg.images import index_image
from carseg.inference import Result

Picture = Literal["mask", "overlay"]


def json_bytes(result: Result, *, polygons: bool = False) -> bytes:
    """Return the document of a result: its schema is docs/schemas/result.schema.json."""
    return result.to_json(polygons=polygons).encode("utf-8", "backslashreplace")


def picture_bytes(result: Result, picture: Picture, *, legend: bool = True) -> bytes:
    """Return a PNG: "mask", whose pixels are the label ids and whose palette the classes' colours, or "overlay"."""
    if picture == "mask":
        return png_bytes(index_image(result.mask, result.labels))
    return png_bytes(result.overlay(legend=legend))


def png_bytes(image: Image.Image) -> bytes:
    """Return an image as a PNG."""
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1, compress_type=zlib.Z_RLE)  # as ``Result.save`` does, for its speed
    return file.getvalue()
