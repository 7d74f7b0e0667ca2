"""An image that was read, and what is known of where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from carseg._arrays import Uint8Array
from carseg.images.jpeg import Jpeg, Scaled
from carseg.images.resize import resize

Pixels: TypeAlias = Uint8Array | Jpeg


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """Image, upright and in sRGB.

    Attributes:
        pixels: uint8 (H, W, 3), or the JPEG file that they are decoded from.
        source: the path or address it came from, or its name where it came from memory.
        root: the given folder that it was found in, "" where there was none.
        frame: its place in a video, counted from 0; None where it is of none.
        time: seconds from the video's beginning to it.
    """

    pixels: Pixels
    source: str = ""
    root: str = ""
    frame: int | None = None
    time: float | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.size if isinstance(self.pixels, Jpeg) else (self.pixels.shape[0], self.pixels.shape[1])

    @property
    def rgb(self) -> Uint8Array:
        """All pixels, uint8 (H, W, 3); nobody else's, and may be written to.

        Raises:
            ImageError: it is a JPEG that is broken or truncated, or there is not enough memory for it.
        """
        return self.pixels.rgb if isinstance(self.pixels, Jpeg) else self.pixels

    def follows(self, last: LoadedImage) -> bool:
        """Return whether it is a later frame of the same video; images that are of none follow one another by size."""
        if self.size != last.size:
            return False
        if self.frame is None or last.frame is None:
            return self.frame is last.frame
        return self.source == last.source and self.frame >= last.frame

    def at_least(self, size: tuple[int, int]) -> Scaled:
        """Return the image as it is before it is resized: of a JPEG no more pixels than that takes.

        Args:
            size: height and width that it will have.

        Raises:
            ImageError: as for ``rgb``.
        """
        return (
            self.pixels.at_least(size)
            if isinstance(self.pixels, Jpeg)
            else Scaled(self.pixels, (0, 0, *self.size[::-1]))
        )

    def resized(self, size: tuple[int, int]) -> Uint8Array:
        """Return the image at ``size`` (height, width), uint8 (h, w, 3): bilinear, antialiased.

        Raises:
            ImageError: as for ``rgb``.
        """
        scaled = self.at_least(size)
        return resize(scaled.rgb, size, box=scaled.box)
