"""Reading, resizing and drawing of images. Opens no socket."""

from __future__ import annotations

from carseg._arrays import Float32Array, Uint8Array
from carseg.images import draw
from carseg.images.color import srgb_profile
from carseg.images.data_uri import is_data_uri, read_data_uri
from carseg.images.decode import decode
from carseg.images.draw import index_image
from carseg.images.example import example_image
from carseg.images.loaded import LoadedImage
from carseg.images.opening import SUFFIXES, check_pixels, enough_memory, lacks_memory, open_image, pixel_limit
from carseg.images.pixels import exif_transpose
from carseg.images.resize import resize
from carseg.images.synthetic import encode_jpeg, synthetic_images

__all__ = [
    "SUFFIXES",
    "Float32Array",
    "LoadedImage",
    "Uint8Array",
    "check_pixels",
    "decode",
    "draw",
    "encode_jpeg",
    "enough_memory",
    "example_image",
    "exif_transpose",
    "index_image",
    "is_data_uri",
    "lacks_memory",
    "open_image",
    "pixel_limit",
    "read_data_uri",
    "resize",
    "srgb_profile",
    "synthetic_images",
]
