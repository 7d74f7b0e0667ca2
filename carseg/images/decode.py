"""Reading of any image, in a file, in memory or an array, as upright RGB pixels. Opens no socket.

numpy and Pillow only, so that a prediction through ONNX Runtime or OpenVINO never imports torch.
"""

from __future__ import annotations

import inspect
import io
import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from carseg._arrays import Uint8Array
from carseg.errors import ImageError, excerpt
from carseg.images.data_uri import is_data_uri, read_data_uri
from carseg.images.jpeg import hold
from carseg.images.loaded import LoadedImage, Pixels
from carseg.images.opening import check_pixels, open_image, pixel_limit, reading
from carseg.images.pixels import to_rgb, warn_of_profile


def decode(image: Any, *, name: str = "", max_pixels: int | None = None) -> LoadedImage:
    """Return one image of any kind.

    A JPEG is held as it is and decoded when its pixels are asked for, which is when it may turn out to be broken or
    truncated; all else is decoded now, and nothing has to be kept as it was.

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
        return LoadedImage(_from_file(io.BytesIO(content), uri, max_pixels), name)
    if isinstance(image, (str, os.PathLike)):
        with open_image(image, max_pixels=max_pixels) as opened:
            return LoadedImage(_from_opened(opened, str(image)), str(image))
    if isinstance(image, (bytes, bytearray, memoryview)):
        return LoadedImage(_from_file(io.BytesIO(image), name or "the given bytes", max_pixels), name)
    if isinstance(image, Image.Image):
        with reading(name or "the given image"):
            check_pixels(image.size, pixel_limit(max_pixels))
            warn_of_profile(image, name or "the given image")
            return LoadedImage(to_rgb(image), name)
    if hasattr(image, "read"):
        if inspect.iscoroutinefunction(image.read):  # as of FastAPI's UploadFile
            raise ImageError("its read() is asynchronous: give what `await read()` gives, or the file inside")
        own_name = getattr(image, "name", "")
        source = own_name if isinstance(own_name, str) and own_name else name
        return LoadedImage(_from_file(image, source or "the given file", max_pixels), source)
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


def _from_file(file: Any, name: str, max_pixels: int | None) -> Pixels:
    with open_image(file, name=name, max_pixels=max_pixels) as opened:
        return _from_opened(opened, name)


def _from_opened(opened: Image.Image, name: str) -> Pixels:
    warn_of_profile(opened, name)
    return hold(opened, name) or to_rgb(opened)


def _from_array(array: npt.NDArray[Any]) -> Uint8Array:
    if array.dtype != np.uint8:
        raise ImageError(f"an array must be uint8 in 0..255, got {array.dtype}")
    if array.size and array.ndim == 2:
        return np.repeat(array[:, :, None], 3, axis=2)
    if array.size and array.ndim == 3 and array.shape[2] == 3:
        return np.array(array, order="C", subok=False)  # the caller may go on to write to the one that was given
    if array.size and array.ndim == 3 and array.shape[2] == 4:
        return to_rgb(Image.fromarray(array))
    raise ImageError(f"an array must be (H, W, 3), (H, W, 4) or (H, W) and not empty, got shape {array.shape}")


def _from_chw(array: npt.NDArray[Any]) -> Uint8Array:
    if array.ndim != 3 or array.shape[0] not in (1, 3) or not array.size:
        raise ImageError(f"a tensor must be (3, H, W) or (1, H, W) and not empty, got shape {array.shape}")
    if array.dtype.kind == "f":
        if not (array.min() >= 0 and array.max() <= 1):
            raise ImageError("a float tensor must lie in 0..1; give 0..255 as uint8")
        array = np.rint(array * 255).astype(np.uint8)
    return _from_array(np.broadcast_to(array, (3, *array.shape[1:])).transpose(1, 2, 0))
