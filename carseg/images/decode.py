"""Decoding of any image, in a file, in memory or an array, to upright RGB pixels. Opens no socket.

numpy and Pillow only, so that a prediction through ONNX Runtime or OpenVINO never imports torch.
"""

from __future__ import annotations

import importlib.util
import inspect
import io
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from carseg._arrays import Uint8Array
from carseg.errors import ImageError, ImageNotFoundError, MissingExtraError

_FORMATS = "jpg jpeg jfif mpo png webp bmp tif tiff gif ppm pgm jp2 avif heic heif"
SUFFIXES = frozenset(f".{name}" for name in _FORMATS.split())
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")  # brands, behind b"ftyp"
_UPRIGHT = {  # EXIF orientation to the transposition that undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class LoadedImage:
    """Image, upright and in RGB.

    Attributes:
        rgb: uint8 (H, W, 3).
        source: the path or address it came from, "" where it came from memory.
    """

    rgb: Uint8Array
    source: str


def decode(image: Any, *, name: str = "") -> LoadedImage:
    """Return one image of any kind, decoded.

    The first frame of an animated file is used, and the current frame of an animated PIL image. EXIF orientation is
    applied, transparency is laid over white, 16-bit files are scaled to 8 bits. HEIF needs the extra ``heif``, whose
    pi-heif is then registered with Pillow.

    Args:
        image: a path, the bytes of an image file, a binary file object, a PIL image, a numpy array (H, W, 3), (H, W, 4)
            or (H, W) of uint8 in RGB order, or a torch tensor (3, H, W) or (1, H, W), uint8 or float in 0..1.
        name: name of the given bytes in errors and in ``source``, such as the address that they came from.

    Raises:
        ImageNotFoundError: there is no such file.
        ImageError: the image is empty, truncated, no image, or so large that Pillow takes it for a decompression bomb.
    """
    if isinstance(image, (str, os.PathLike)):
        return LoadedImage(_decode_path(Path(image)), str(image))
    if isinstance(image, (bytes, bytearray, memoryview)):
        return LoadedImage(_decode_file(io.BytesIO(image), name or "the given bytes"), name)
    if isinstance(image, Image.Image):
        return LoadedImage(_guarded(lambda: _to_rgb(image), "the given image"), "")
    if isinstance(image, np.ndarray):
        return LoadedImage(_from_array(image), "")
    if hasattr(image, "read"):
        if inspect.iscoroutinefunction(image.read):  # as of FastAPI's UploadFile
            raise ImageError("its read() is asynchronous: give what `await read()` gives, or the file inside")
        name = getattr(image, "name", "")
        source = name if isinstance(name, str) else ""
        return LoadedImage(_decode_file(image, source or "the given file"), source)
    if hasattr(image, "detach"):  # a torch tensor, recognized without importing torch
        image = image.detach().cpu()
        if image.is_floating_point():
            image = image.float()  # numpy has no bfloat16
        return LoadedImage(_from_chw(image.numpy()), "")
    if isinstance(image, Iterable):
        raise ImageError(f"{type(image).__name__} is not one image; use stream() for many")
    raise ImageError(
        f"cannot read an image from {type(image).__name__}; see carseg.images.decode for what can be given"
    )


def _decode_path(path: Path) -> Uint8Array:
    try:
        if path.is_dir():
            os.listdir(path)  # raises where there is no permission
            raise ImageError(f"{path} is a folder, not an image; use stream() for folders")
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
            raise ImageError(f"{path}: neither a file nor a folder")
        with path.open("rb") as file:
            return _decode_file(file, str(path))
    except FileNotFoundError:
        raise ImageNotFoundError(f"{path}: no such file") from None
    except ImageError:
        raise
    except (OSError, ValueError) as error:  # no permission, a loop of links, a name that no file can have
        raise ImageError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None


def _decode_file(file: Any, name: str) -> Uint8Array:
    def read() -> Uint8Array:
        with _open(file) as image:
            return _to_rgb(image)

    return _guarded(read, name)


def _open(file: Any) -> Image.Image:
    """Open an image file with Pillow; HEIF, which iPhones write, through the opener that pi-heif adds to it."""
    if not getattr(file, "seekable", bool)():
        file = io.BytesIO(file.read())
    try:
        return Image.open(file)
    except UnidentifiedImageError:
        file.seek(0)
        if file.read(12)[8:] not in _HEIF:
            raise
        if importlib.util.find_spec("pi_heif") is None:
            raise ImageError(str(MissingExtraError("pi-heif", "heif", "a HEIF image"))) from None
        import pi_heif

        pi_heif.register_heif_opener()
        return Image.open(file)


def _guarded(read: Callable[[], Uint8Array], name: str) -> Uint8Array:
    """Run a function that uses Pillow, and raise one error that names the image for the many that Pillow raises."""
    try:
        return read()
    except UnidentifiedImageError:
        raise ImageError(f"{name}: not an image that Pillow can read, or an empty file") from None
    except Image.DecompressionBombError:
        raise ImageError(
            f"{name}: too many pixels, possibly a decompression bomb; raise PIL.Image.MAX_IMAGE_PIXELS if it is not"
        ) from None
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from None
    except Exception as error:  # a broken file: OSError, SyntaxError, struct.error, whatever the decoder raises
        raise ImageError(f"{name}: broken or truncated ({error or type(error).__name__})") from None


def _to_rgb(image: Image.Image) -> Uint8Array:
    if 0 in image.size:
        raise ImageError("it has no pixels")
    image.load()
    turn = exif_transpose(image)
    if turn is not None:  # not by ImageOps.exif_transpose, which also rewrites all tags and fails where one is odd
        image = image.transpose(turn)
    if image.mode == "F":
        raise ImageError("floating-point pixels have no known range; save it with 8 or 16 bits")
    if image.mode.startswith("I"):  # 16 bits per pixel, as I;16 or widened to I
        wide = np.asarray(image).astype(np.int64)
        return _from_array((wide.clip(0, 65535) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


def exif_transpose(image: Image.Image) -> Image.Transpose | None:
    """Return the transposition that makes an image upright by its EXIF orientation; None where it is upright."""
    return _UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))


def _from_array(array: npt.NDArray[Any]) -> Uint8Array:
    if array.dtype != np.uint8:
        raise ImageError(f"an array must be uint8 in 0..255, got {array.dtype}")
    if array.size and array.ndim == 2:
        return np.repeat(array[:, :, None], 3, axis=2)
    if array.size and array.ndim == 3 and array.shape[2] == 3:
        return array
    if array.size and array.ndim == 3 and array.shape[2] == 4:
        return _to_rgb(Image.fromarray(array))
    raise ImageError(f"an array must be (H, W, 3), (H, W, 4) or (H, W) and not empty, got shape {array.shape}")


def _from_chw(array: npt.NDArray[Any]) -> Uint8Array:
    if array.ndim != 3 or array.shape[0] not in (1, 3) or not array.size:
        raise ImageError(f"a tensor must be (3, H, W) or (1, H, W) and not empty, got shape {array.shape}")
    if array.dtype.kind == "f":
        if not (array.min() >= 0 and array.max() <= 1):
            raise ImageError("a float tensor must lie in 0..1; give 0..255 as uint8")
        array = np.rint(array * 255).astype(np.uint8)
    return _from_array(np.ascontiguousarray(np.broadcast_to(array, (3, *array.shape[1:])).transpose(1, 2, 0)))
