"""Generated images as JPEG files, for timing and comparing where none are given."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from carseg._arrays import Uint8Array


def synthetic_images(count: int, size: tuple[int, int] = (720, 1280)) -> list[bytes]:
    """Return JPEG files of smooth shapes with some noise, always the same ones.

    Args:
        count: number of images.
        size: (height, width), by default that of dash cameras.
    """
    rng = np.random.default_rng(0)
    images = []
    for _ in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (9, 16, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize(size[::-1], Image.Resampling.BICUBIC)).astype(np.int16)
        noisy = (smooth + rng.integers(-8, 9, smooth.shape)).clip(0, 255).astype(np.uint8)
        images.append(encode_jpeg(noisy))
    return images


def encode_jpeg(rgb: Uint8Array) -> bytes:
    """Return an RGB uint8 (H, W, 3) image as the content of a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=92)
    return file.getvalue()
