"""Files of results: how they are encoded, that each is whole, and what it says it was made from."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from PIL import ExifTags, Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile, PngInfo
from PIL.WebPImagePlugin import WebPImageFile

from carseg._files import replacing
from carseg.errors import OutputError, excerpt
from carseg.images import srgb_profile

MADE_FROM = "made_from"  # key in a JSON, and text in a PNG; in other images the software's name ends with it
_SOFTWARE = "carseg "
_READERS: dict[str, Callable[[Path], Image.Image]] = {
    ".png": PngImageFile,
    ".jpg": JpegImageFile,
    ".webp": WebPImageFile,
}
# No colour is thrown away: red cars on white would get a soft outline. WebP's slower methods win a few percent.
_PHOTO: dict[str, dict[str, Any]] = {
    "jpg": {"format": "JPEG", "quality": 92, "subsampling": 0},
    "webp": {"format": "WEBP", "quality": 92, "method": 2},
}
LONGEST = {"jpg": 65535, "webp": 16383}  # pixels that a side of such a file may have
CUTOUT_KINDS = {"png": "cutout", "jpg": "cutout.jpg", "webp": "cutout.webp"}  # of files, by format


def encode_png(image: Image.Image, file: IO[bytes], made_from: str = "", profile: bytes | None = None) -> None:
    """Write a PNG, which says what it was made from if that is given, and what its colours are."""
    texts = PngInfo()
    if made_from:
        texts.add_text(MADE_FROM, made_from)
    # A fifth of the time of PIL's own setting, and for photographs no larger.
    image.save(file, "PNG", compress_level=1, compress_type=zlib.Z_RLE, pnginfo=texts, icc_profile=profile)


def encode_photo(image: Image.Image, file: IO[bytes], format: str, made_from: str = "") -> None:
    """Write a photograph, with the profile of its colours, sRGB.

    Args:
        image: RGBA or RGB; a JPEG has no opacity.
        file: what to write to.
        format: one of ``CUTOUT_KINDS``.
        made_from: what the file says it was made from.
    """
    if format == "png":
        return encode_png(image, file, made_from, srgb_profile())
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = f"{_SOFTWARE}{made_from}".strip()
    opaque = image.mode == "RGB" or format == "jpg" or image.getchannel("A").getextrema()[0] == 255
    image = image.convert("RGB") if opaque else image
    image.save(file, exif=exif, icc_profile=srgb_profile(), **_PHOTO[format])


def read_made_from(path: Path) -> Any:
    """Return what a file says it was made from, None where it is not there or not whole."""
    try:
        if path.suffix == ".json":
            return json.loads(path.read_bytes()).get(MADE_FROM)
        with _READERS[path.suffix](path) as image:  # Image.open would refuse what is large
            if path.suffix == ".png":
                said = image.info.get(MADE_FROM)
                image.verify()  # the checksums, to the end of the file
                return said
            image.load()
            return image.getexif().get(ExifTags.Base.Software, "").removeprefix(_SOFTWARE)
    except Exception:  # whatever a file that is damaged, or another's, makes the readers raise
        return None


def write_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file, and the folders above it, as a whole or not at all.

    Args:
        path: its place.
        write: called with the file that is to become it.

    Raises:
        OutputError: the disk is full, or the folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial, partial.open("wb") as file:
            write(file)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have, as an address may give it
        reason = getattr(error, "strerror", None) or error
        place = excerpt(str(path), 300)
        failure = OutputError(f"cannot write {place}: {reason}; free some space or choose another folder")
        failure.errno = getattr(error, "errno", None)
        raise failure from error
