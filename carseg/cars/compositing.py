"""Compositing of a car: on its own, or before another background."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from carseg._arrays import Uint8Array
from carseg.errors import OptionError


def foreground_alpha(mask: Uint8Array, foreground: Collection[int], *, feather: float = 0) -> Uint8Array:
    """Return the opacity of each pixel of a cut-out, uint8 (H, W): 255 for the foreground, 0 for the rest.

    Args:
        mask: uint8 (H, W) label ids.
        foreground: label ids of the foreground.
        feather: softness of the border in pixels. It fades inwards, so that no rim of the old background shows; parts
            thinner than that fade away.
    """
    alpha = Image.fromarray(mask).point([255 * (label in foreground) for label in range(256)])
    if feather > 0:
        inner = alpha.filter(ImageFilter.GaussianBlur(feather)).point([max(0, 2 * v - 255) for v in range(256)])
        alpha = ImageChops.darker(alpha, inner)
    return np.asarray(alpha)


def cut_out(rgb: Uint8Array, alpha: Uint8Array) -> Uint8Array:
    """Return the foreground, RGBA uint8 (H, W, 4); transparent pixels are black, so that no file reveals them.

    Args:
        rgb: uint8 (H, W, 3).
        alpha: uint8 (H, W), of ``foreground_alpha``.
    """
    return np.where(alpha[..., None] > 0, np.dstack([rgb, alpha]), np.uint8(0))


def composite(rgb: Uint8Array, alpha: Uint8Array, background: Uint8Array) -> Uint8Array:
    """Return the foreground over another image of the same size, RGB uint8 (H, W, 3).

    Args:
        rgb: uint8 (H, W, 3).
        alpha: uint8 (H, W), of ``foreground_alpha``.
        background: uint8 (H, W, 3).

    Raises:
        OptionError: the background has another size.
    """
    if background.shape != rgb.shape:
        raise OptionError(f"the background has the shape {background.shape}, the image {rgb.shape}")
    return np.asarray(Image.composite(*(Image.fromarray(each) for each in (rgb, background, alpha))))
