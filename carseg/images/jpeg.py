"""A JPEG file in memory, which is decoded when its pixels are asked for, and no larger than they are needed.

The transform that a JPEG consists of gives an image at a half, a quarter or an eighth of its size for a fraction of the
time that all of its pixels take.
"""

from __future__ import annotations

import io
from typing import NamedTuple

from PIL import Image, JpegImagePlugin

from carseg._arrays import Uint8Array
from carseg.images.opening import open_image
from carseg.images.pixels import reversed_axes, to_rgb, upright_size

_SCALES = (8, 4, 2)  # an image can be decoded at one part in so many of its size
_FINER = 1.5  # times the pixels that are needed: what is then left to be shrunk looks as if all had been decoded
_LARGEST = 1 << 28  # bytes that are held of a file


class Scaled(NamedTuple):
    """An image, decoded at a part of its size.

    Attributes:
        rgb: uint8 (h, w, 3), upright, in sRGB.
        box: left, top, right and bottom of the image in it; outermost pixels may reach beyond.
    """

    rgb: Uint8Array
    box: tuple[float, float, float, float]


class Jpeg:
    """The content of a JPEG file.

    Args:
        content: the bytes of the file.
        opened: the same, as Pillow has opened it.
        name: what errors call it.

    Attributes:
        size: height and width of the image, upright.
    """

    def __init__(self, content: bytes, opened: Image.Image, name: str) -> None:
        self._content, self._name = content, name
        self.size = upright_size(opened)
        self._reversed = reversed_axes(opened)
        self._decoded: dict[int, Uint8Array] = {}

    @property
    def rgb(self) -> Uint8Array:
        """The whole image, uint8 (H, W, 3), upright, in sRGB; decoded when it is first asked for.

        Raises:
            ImageError: it is broken or truncated, or there is not enough memory for it.
        """
        return self._at(1)

    def at_least(self, size: tuple[int, int]) -> Scaled:
        """Return the image at the smallest scale that has half as many pixels again each way as ``size``.

        Args:
            size: height and width.

        Raises:
            ImageError: as for ``rgb``.
        """
        height, width = self.size
        finer = min(height / size[0], width / size[1]) / _FINER
        scale = next((scale for scale in _SCALES if finer >= scale), 1)
        rgb = self._at(scale)
        beyond = rgb.shape[0] - height / scale, rgb.shape[1] - width / scale  # the end of a file's last row and column
        top, left = (more if is_first else 0.0 for more, is_first in zip(beyond, self._reversed, strict=True))
        return Scaled(rgb, (left, top, left + width / scale, top + height / scale))

    def _at(self, scale: int) -> Uint8Array:
        if scale not in self._decoded:
            height, width = self.size
            with open_image(io.BytesIO(self._content), name=self._name, max_pixels=height * width) as image:
                image.draft(None, (image.width // scale, image.height // scale))
                self._decoded[scale] = to_rgb(image)
        return self._decoded[scale]


def hold(opened: Image.Image, name: str) -> Jpeg | None:
    """Return a JPEG file that is just opened, read to its end; None where it is of another format, or huge."""
    if not isinstance(opened, JpegImagePlugin.JpegImageFile) or opened.fp is None:
        return None
    opened.fp.seek(0)
    content = opened.fp.read(_LARGEST + 1)
    return Jpeg(content, opened, name) if len(content) <= _LARGEST else None
