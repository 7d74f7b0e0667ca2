"""Decoding of any image, in a file, in memory or an array, to upright RGB pixels. Opens no socket.

numpy and Pillow only, so that a prediction through ONNX Runtime or OpenVINO never imports torch.
"""

from __future__ import annotations

import inspect
import io
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from carseg._arrays import Uint8Array
from carseg.errors import ImageError, excerpt
from carseg.images.color import ProfileError, to_srgb
from carseg.images.data_uri import is_data_uri, read_data_uri
from carseg.images.opening import check_pixels, open_image, pixel_limit, reading

_log = logging.getLogger("carseg")
_BAND = 1 << 20  # pixels that are converted together: beside the decoded image and the result they take no memory
_UPRIGHT = {  # EXIF orientation to the transposition that undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Transpositions that make rows columns, and those after which what came first comes last.
_SIDEWAYS = {_UPRIGHT[5], _UPRIGHT[6], _UPRIGHT[7], _UPRIGHT[8]}
_REVERSED = {_UPRIGHT[3], _UPRIGHT[4], _UPRIGHT[6], _UPRIGHT[7]}


@dataclass(frozen=True)
class LoadedImage:
    """Image, upright and in RGB.

    Attributes:
        rgb: uint8 (H, W, 3), sRGB; nobody else's, and may be written to.
        source: the path or address it came from, or its name where it came from memory.
        root: the given folder that it was found in, "" where there was none.
        frame: its place in a video, counted from 0; None where it is of none.
        time: seconds from the video's beginning to it.
    """

    rgb: Uint8Array
    source: str
    root: str = ""
    frame: int | None = None
    time: float | None = None

    def follows(self, last: LoadedImage) -> bool:
        """Return whether it is a later frame of the same video; images that are of none follow one another by size."""
        if self.rgb.shape != last.rgb.shape:
            return False
        if self.frame is None or last.frame is None:
            return self.frame is last.frame
        return self.source == last.source and self.frame >= last.frame


def decode(image: Any, *, name: str = "", max_pixels: int | None = None) -> LoadedImage:
    """Return one image of any kind, decoded.

    The first frame of an animated file is used, and the current frame of an animated PIL image. EXIF orientation is
    applied, colours are converted to sRGB by the image's profile, transparency is laid over white, 16-bit files are
    scaled to 8 bits. A profile that is broken, absurd or for pixels of another kind is left out, which is logged. HEIF
    needs the extra ``heif``, whose pi-heif is then registered with Pillow.

    Args:
        image: a path, a data URI, the bytes of an image file, a binary file object, a PIL image, a numpy array
            (H, W, 3), (H, W, 4) or (H, W) of uint8 in RGB order, or a torch tensor (3, H, W) or (1, H, W), uint8 or
            float in 0..1.
        name: what an image that has no path is called in errors and in ``source``.
        max_pixels: files and PIL images of more pixels are refused, before they are decoded; by default
            ``CARSEG_MAX_PIXELS``, else 179 million, as of Pillow (twice its ``MAX_IMAGE_PIXELS``).

    Raises:
        ImageNotFoundError: there is no such file.
        ImageError: the image is empty, truncated, no image of a format that carseg reads, or has too many pixels.
        OptionError: ``max_pixels`` is below 1.
    """
    if is_data_uri(image):
        uri = excerpt(image, 60)
        with reading(uri):
            content = read_data_uri(image)
        return LoadedImage(_decode_file(io.BytesIO(content), uri, max_pixels), name)
    if isinstance(image, (str, os.PathLike)):
        with open_image(image, max_pixels=max_pixels) as opened:
            return LoadedImage(_to_rgb(opened, str(image)), str(image))
    if isinstance(image, (bytes, bytearray, memoryview)):
        return LoadedImage(_decode_file(io.BytesIO(image), name or "the given bytes", max_pixels), name)
    if isinstance(image, Image.Image):
        with reading(name or "the given image"):
            check_pixels(image.size, pixel_limit(max_pixels))
            return LoadedImage(_to_rgb(image, name or "the given image"), name)
    if hasattr(image, "read"):
        if inspect.iscoroutinefunction(image.read):  # as of FastAPI's UploadFile
            raise ImageError("its read() is asynchronous: give what `await read()` gives, or the file inside")
        own_name = getattr(image, "name", "")
        source = own_name if isinstance(own_name, str) and own_name else name
        return LoadedImage(_decode_file(image, source or "the given file", max_pixels), source)
    return LoadedImage(_from_memory(image), name)


def _from_memory(image: Any) -> Uint8Array:
    if isinstance(image, np.ndarray):
        return _from_array(image)
    if hasattr(image, "detach"):  # a torch tensor, recognized without importing torch
        image = image.detach().cpu()
        if image.is_floating_point():
            image = image.float()  # numpy has no bfloat16
        return _from_chw(image.numpy())
    if isinstance(image, Iterable):
        raise ImageError(f"{type(image).__name__} is not one image; use stream() for many")
    raise ImageError(
        f"cannot read an image from {type(image).__name__}; see carseg.images.decode for what can be given"
    )


def _decode_file(file: Any, name: str, max_pixels: int | None) -> Uint8Array:
    with open_image(file, name=name, max_pixels=max_pixels) as image:
        return _to_rgb(image, name)


def _to_rgb(image: Image.Image, name: str) -> Uint8Array:
    """Return the pixels, converted band by band: a whole image in every mode on the way would take much memory."""
    if image.mode == "F":
        raise ImageError("floating-point pixels have no known range; save it with 8 or 16 bits")
    if image.mode == "LAB":
        raise ImageError("CIELAB pixels are not converted; save it in RGB")
    image.load()
    convert = _profile_of(image, name)
    turn = exif_transpose(image)  # that of ImageOps also rewrites all tags and fails where one is odd
    width, height = image.size
    rows = max(1, _BAND // width)
    rgb = np.empty((width, height, 3) if turn in _SIDEWAYS else (height, width, 3), np.uint8)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        band = _band_to_rgb(image.crop((0, top, width, bottom)), convert)
        first, last = (height - bottom, height - top) if turn in _REVERSED else (top, bottom)
        place = rgb[:, first:last] if turn in _SIDEWAYS else rgb[first:last]
        place[...] = np.asarray(band if turn is None else band.transpose(turn))
    return rgb


def _profile_of(image: Image.Image, name: str) -> Callable[[Image.Image], Image.Image] | None:
    """Return what converts an image to sRGB by its profile, None where nothing has to be done or can be."""
    profile = image.info.get("icc_profile")
    if not profile:
        return None
    try:
        return to_srgb(profile, image.mode)
    except ProfileError as error:
        _log.warning(f"{name}: its colour profile is left out, {error}")
        return None


def _band_to_rgb(band: Image.Image, convert: Callable[[Image.Image], Image.Image] | None) -> Image.Image:
    if band.mode.startswith("I"):  # 16 bits per pixel, as I;16 or widened to I
        band = Image.fromarray((np.asarray(band).clip(0, 65535) // 257).astype(np.uint8))
    if band.has_transparency_data:
        band = band.convert("RGBA")
        if convert:
            opaque = convert(band)
            opaque.putalpha(band.getchannel("A"))
            band = opaque
        band = Image.alpha_composite(Image.new("RGBA", band.size, "white"), band).convert("RGB")
    elif convert:
        return convert(band)
    return band if band.mode == "RGB" else band.convert("RGB")


def exif_transpose(image: Image.Image) -> Image.Transpose | None:
    """Return the transposition that makes an image upright by its EXIF orientation; None where it is upright."""
    return _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))


def _from_array(array: npt.NDArray[Any]) -> Uint8Array:
    if array.dtype != np.uint8:
        raise ImageError(f"an array must be uint8 in 0..255, got {array.dtype}")
    if array.size and array.ndim == 2:
        return np.repeat(array[:, :, None], 3, axis=2)
    if array.size and array.ndim == 3 and array.shape[2] == 3:
        return np.array(array, order="C", subok=False)  # the caller may go on to write to the one that was given
    if array.size and array.ndim == 3 and array.shape[2] == 4:
        return _to_rgb(Image.fromarray(array), "the given array")
    raise ImageError(f"an array must be (H, W, 3), (H, W, 4) or (H, W) and not empty, got shape {array.shape}")


def _from_chw(array: npt.NDArray[Any]) -> Uint8Array:
    if array.ndim != 3 or array.shape[0] not in (1, 3) or not array.size:
        raise ImageError(f"a tensor must be (3, H, W) or (1, H, W) and not empty, got shape {array.shape}")
    if array.dtype.kind == "f":
        if not (array.min() >= 0 and array.max() <= 1):
            raise ImageError("a float tensor must lie in 0..1; give 0..255 as uint8")
        array = np.rint(array * 255).astype(np.uint8)
    return _from_array(np.broadcast_to(array, (3, *array.shape[1:])).transpose(1, 2, 0))
