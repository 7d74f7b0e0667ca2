"""Label images as stored: the one place that opens a file of class values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL.Image import Image

from carseg.errors import DataError, ImageError, ImageNotFoundError
from carseg.images import open_image
from carseg.labels import Color


@dataclass(frozen=True)
class MaskFile:
    """A label stored as an image of class values: palette indices or grey levels."""

    path: Path

    def read(self, height: int, width: int) -> np.ndarray:
        pixels = read_pixels(self.path)
        if pixels.ndim == 2:
            return pixels
        if (pixels == pixels[..., :1]).all():
            return pixels[..., 0]
        raise DataError(
            f"the label {self.path} is coloured ({_some(map('#{:06x}'.format, np.unique(_pack(pixels))))}); put "
            "class_dict.csv (name,r,g,b) into the data set's folder"
        )


@dataclass(frozen=True)
class ColorFile:
    """A label stored as an image of class colours; value i is the i-th colour of ``colors``."""

    path: Path
    colors: tuple[tuple[int, int, int], ...]

    def read(self, height: int, width: int) -> np.ndarray:
        packed = _pack(read_pixels(self.path, rgb=True))
        table = _pack(np.array(self.colors, dtype=np.uint8))
        order = np.argsort(table)
        place = np.searchsorted(table[order], packed).clip(max=len(table) - 1)
        values = order[place].astype(np.uint8)
        unknown = packed != table[values]
        if unknown.any():
            found, counts = np.unique(packed[unknown], return_counts=True)
            listed = _some(f"#{color:06x} ({count} pixels)" for color, count in zip(found, counts, strict=True))
            raise DataError(f"the label {self.path} has colours of no class: {listed}")
        return values


def read_pixels(path: Path, *, rgb: bool = False) -> np.ndarray:
    """Return the pixels of a label image as stored, integer (H, W) or uint8 (H, W, 3), without transparency.

    They are never turned or scaled.

    Args:
        rgb: colours rather than palette indices and grey levels.

    Raises:
        DataError: missing, broken, lossy, or no integers.
    """
    try:
        with open_image(path) as image:
            if image.format == "JPEG":
                raise DataError(f"the label {path} is a JPEG, which blurs class values; save labels as PNG")
            mode = "RGB" if rgb or image.mode in ("RGBA", "CMYK") else "L" if image.mode in ("1", "LA") else image.mode
            pixels = np.asarray(image.convert(mode) if mode != image.mode else image)
            if (
                image.mode in ("LA", "RGBA")
                and (pixels == pixels[:1, :1]).all()
                and not _is_flat(image.getchannel("A"))
            ):
                raise DataError(
                    f"the label {path} is of one colour, and what it shows is in its transparency; save it as grey "
                    "levels or palette indices"
                )
            if image.mode == "1":
                pixels = pixels // 255
    except ImageNotFoundError:
        raise DataError(f"there is no label {path}") from None
    except ImageError as error:
        raise DataError(f"the label {error}") from None
    if pixels.dtype.kind not in "iu":
        raise DataError(f"the label {path} holds {pixels.dtype} numbers, not class values")
    return pixels


def _is_flat(channel: Image) -> bool:
    low, high = channel.getextrema()
    return low == high


def palette_of(path: Path) -> tuple[int, ...]:
    """Return red, green, blue of index 0, 1, ... of a label image; () where it has no palette or cannot be read."""
    try:
        with open_image(path) as image:
            return tuple(image.getpalette("RGB") or ()) if image.mode == "P" else ()
    except ImageError:
        return ()  # ``read_pixels`` reports what is wrong


def used_colors(path: Path) -> list[tuple[int, Color]]:
    """Return the palette indices that occur in a label image, each with the colour it stands for."""
    palette = palette_of(path)
    used = np.unique(read_pixels(path)).tolist() if palette else []
    return [(i, (palette[3 * i], palette[3 * i + 1], palette[3 * i + 2])) for i in used if 3 * i + 2 < len(palette)]


def _some(colors: Iterable[str]) -> str:
    """Return the first of a label's colours as a text, and how many there are beside."""
    first, more = (listed := list(colors))[:8], len(listed) - 8
    return ", ".join(first) + (f" and {more} more: soft edges, or JPEG, have many" if more > 0 else "")


def _pack(colors: np.ndarray) -> np.ndarray:
    wide = colors.astype(np.int32)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]
