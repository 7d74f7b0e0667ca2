"""Framing of a car: one rule for a whole set, so that its images can stand side by side."""

from __future__ import annotations

from dataclasses import dataclass

from carseg.masks import rle


@dataclass(frozen=True)
class Frame:
    """A canvas, and where an image comes to lie on it, of which a part may lie beyond.

    Attributes:
        size: width and height of the canvas in pixels.
        scale: pixels of the canvas per pixel of the image.
        left: where the image's left edge is on the canvas.
        top: where its upper edge is.
    """

    size: tuple[int, int]
    scale: float = 1.0
    left: float = 0.0
    top: float = 0.0

    def locate(self, box: rle.Box) -> rle.Box:
        """Return where a box of the image lies on the canvas: x, y, width, height, whole pixels."""
        x, y, width, height = box
        left, right = (round(self.left + each * self.scale) for each in (x, x + width))
        top, bottom = (round(self.top + each * self.scale) for each in (y, y + height))
        return left, top, max(right - left, 1), max(bottom - top, 1)


def frame_car(box: rle.Box, *, margin: float, size: tuple[int, int] | None = None) -> Frame:
    """Return a canvas with the car as large as its margins allow, in the middle, its wheels on the lower margin.

    Args:
        box: x, y, width, height of the car in the image.
        margin: share of the canvas' width that stays free on the left and on the right, and of its height above and
            below; less than 0.5.
        size: width and height of the canvas; None for one that fits the car at its own scale.
    """
    x, y, width, height = box
    share = 1 - 2 * margin
    if size is None:
        size, scale = (round(width / share), round(height / share)), 1.0
    else:
        scale = min(size[0] * share / width, size[1] * share / height)
    left = round((size[0] - width * scale) / 2)
    return Frame(size, scale, left - x * scale, round(size[1] * (1 - margin)) - (y + height) * scale)
