"""Opening of image files: the one door to Pillow, with carseg's formats, its limit and one kind of error.

Formats that Pillow knows beyond these are never tried: PostScript under the name of a JPEG would start Ghostscript.
"""

from __future__ import annotations

import errno
import importlib.util
import io
import os
import re
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from PIL import Image, Jpeg2KImagePlugin, TiffImagePlugin, WebPImagePlugin  # noqa: F401 - they enter themselves

from carseg._env import given_max_pixels
from carseg.errors import CarsegError, ImageError, ImageNotFoundError, MissingExtraError, OptionError, excerpt

with suppress(ImportError):  # comes with Pillow 11.3
    from PIL import AvifImagePlugin  # noqa: F401

Image.preinit()  # enters the formats that are not imported here

_SUFFIXES = "jpg jpeg jfif mpo png webp bmp tif tiff gif ppm pgm jp2 avif heic heif"
SUFFIXES = frozenset(f".{name}" for name in _SUFFIXES.split())
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "AVIF")  # JPEG opens MPO too
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")  # brands, behind b"ftyp"
_MEMORY = re.compile(r"out of memory|(not enough|allocate) memory|bad_alloc|start new thread", re.IGNORECASE)
_NO_MEMORY = "there is not enough memory for it; free some, or refuse large images with max_pixels (--max-pixels)"
_NO_HANDLES = (errno.EMFILE, errno.ENFILE)
_raised_from: dict[int | None, int | None] = {}  # Pillow's limit as it is raised here, to the one that it had before


@contextmanager
def open_image(
    source: str | os.PathLike[str] | IO[bytes], *, name: str = "the given file", max_pixels: int | None = None
) -> Iterator[Image.Image]:
    """Open an image file for the time of a block; its pixels are decoded when the block asks for them.

    Args:
        source: a path, or a binary file, which is read from its beginning and not closed.
        name: what errors call a binary file.
        max_pixels: an image whose header states more pixels is refused; by default ``pixel_limit``.

    Raises:
        ImageNotFoundError: there is no such file.
        ImageError: it is no image of carseg's formats, has too many pixels, or the block met what is broken in it.
    """
    limit = pixel_limit(max_pixels)
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        known = str(path) if os.path.lexists(path) else excerpt(str(path))
        with reading(known), _open_path(path) as file, _identify(file, limit) as image:
            yield image
    else:
        with reading(name), _identify(source, limit) as image:
            yield image


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Raise one error that names the image for the many that Pillow and the system raise within a block.

    Raises:
        ImageNotFoundError: there is no such file.
        ImageError: anything else, but for carseg's own errors of other kinds, which stay as they are.
    """
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from None
    except CarsegError:
        raise
    except FileNotFoundError:
        raise ImageNotFoundError(f"{name}: no such file") from None
    except Exception as error:  # a broken file: OSError, SyntaxError, struct.error, whatever the decoder raises
        raise ImageError(f"{name}: {_reason(error)}") from None


@contextmanager
def enough_memory(name: str) -> Iterator[None]:
    """Raise an error that names the image where there is no memory for what a block does with it.

    Raises:
        ImageError: there is none, as Python, numpy or the library that runs the network says it.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, CarsegError) or not lacks_memory(error):
            raise
        raise ImageError(f"{name}: {_NO_MEMORY}") from None


def lacks_memory(error: BaseException) -> bool:
    """Return whether it is a lack of memory that an error is about, in the words of any library."""
    number = error.errno if isinstance(error, OSError) else None
    return isinstance(error, MemoryError) or number == errno.ENOMEM or bool(_MEMORY.search(str(error)))


def pixel_limit(max_pixels: int | None = None) -> int | None:
    """Return how many pixels an image may have: those given, else ``CARSEG_MAX_PIXELS``, else Pillow's 179 million.

    None where Pillow's ``MAX_IMAGE_PIXELS`` was set to None. That of Pillow is raised for the process where more are
    given, since Pillow refuses some formats by itself.

    Raises:
        OptionError: it is no whole number above 0.
    """
    limit = given_max_pixels() if max_pixels is None else max_pixels
    pillows = Image.MAX_IMAGE_PIXELS
    before = _raised_from.get(pillows, pillows)
    if limit is None:
        return None if before is None else 2 * before  # beyond which Pillow itself refuses
    if not limit >= 1:  # nor NaN, which no image would exceed
        raise OptionError(f"max_pixels must be at least 1, got {limit}")
    if pillows is not None and limit > pillows:
        Image.MAX_IMAGE_PIXELS, _raised_from[limit] = limit, before
    return limit


def check_pixels(size: tuple[int, int], limit: int | None) -> None:
    """Raise ImageError where an image of ``size`` (width, height) has more pixels than the limit, or none."""
    width, height = size
    if not (width and height):
        raise ImageError("it has no pixels")
    if limit is not None and width * height > limit:
        raise ImageError(
            f"{width} x {height} are more than {limit} pixels, possibly a decompression bomb; if it is not, raise "
            "max_pixels (--max-pixels, CARSEG_MAX_PIXELS)"
        )


@contextmanager
def _open_path(path: Path) -> Iterator[IO[bytes]]:
    try:
        if path.is_dir():
            os.listdir(path)  # raises where there is no permission
            raise ImageError("this is a folder, not an image; use stream() for folders")
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for ever
            raise ImageError("neither a file nor a folder")
    except ImageError:
        raise
    except ValueError as error:  # a name that no file can have
        raise ImageError(f"cannot be read ({error})") from None
    with path.open("rb") as file:
        yield file


def _identify(file: Any, limit: int | None) -> Image.Image:
    """Return the image in a file, not yet decoded.

    Pillow's own ``open`` would warn of half as many pixels as it refuses.
    """
    if not getattr(file, "seekable", bool)():
        file = io.BytesIO(file.read())
    file.seek(0)
    prefix = file.read(16)
    if not prefix:
        raise ImageError("the file is empty")
    for name in _FORMATS:
        if (image := _opened(file, name, prefix)) is not None:
            break
    else:
        image = _open_heif(file, prefix) if prefix[8:12] in _HEIF else None
    if image is None:
        raise ImageError(f"not an image of a format that carseg reads ({', '.join(_FORMATS)}, HEIF), or broken")
    check_pixels(image.size, limit)
    return image


def _opened(file: Any, name: str, prefix: bytes) -> Image.Image | None:
    if name not in Image.ID:
        return None
    factory, accepts = Image.OPEN[name]
    try:
        accepted = accepts is None or accepts(prefix)
        if not accepted or isinstance(accepted, str):  # a text: this Pillow was built without the format
            return None
        file.seek(0)
        return factory(file, "")
    except (SyntaxError, IndexError, TypeError, struct.error):  # as in Pillow's own open
        return None


def _open_heif(file: Any, prefix: bytes) -> Image.Image | None:
    """Open what iPhones write, through the opener that pi-heif adds to Pillow."""
    if "HEIF" not in Image.ID:
        if importlib.util.find_spec("pi_heif") is None:
            raise ImageError(str(MissingExtraError("pi-heif", "heif", "a HEIF image")))
        import pi_heif

        pi_heif.register_heif_opener()
    return _opened(file, "HEIF", prefix)


def _reason(error: Exception) -> str:
    """Return why an image could not be read; only what is the file's own fault is called broken."""
    number = error.errno if isinstance(error, OSError) else None
    if lacks_memory(error):
        return _NO_MEMORY
    if number in _NO_HANDLES:
        return f"cannot be read ({os.strerror(number)}); close some, or allow more (ulimit -n)"
    if number is not None:
        return f"cannot be read ({os.strerror(number)})"
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"more pixels than Pillow allows ({error}); raise max_pixels (--max-pixels, CARSEG_MAX_PIXELS)"
    return f"broken or truncated ({excerpt(str(error)) or type(error).__name__})"
