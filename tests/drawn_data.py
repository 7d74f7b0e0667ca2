"""Drawn data sets for the tests: images whose content is their label, so that a wrong pairing shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

PALETTE = np.array([(20, 30, 40), (200, 60, 30), (40, 180, 60), (60, 90, 220), (230, 210, 50)], dtype=np.uint8)
SQUARE = [(8.0, 8.0), (24.0, 8.0), (24.0, 20.0), (8.0, 20.0)]  # a polygon, and the mask it gives
SQUARE_MASK = np.zeros((48, 64), np.uint8)
SQUARE_MASK[8:20, 8:24] = 1


def draw_mask(seed: int, height: int = 48, width: int = 64, classes: int = 3) -> np.ndarray:
    """Return a mask, uint8 (height, width): rectangles of every class, no two seeds alike."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((height, width), dtype=np.uint8)
    for label in range(1, classes):
        for _ in range(3):
            y, x = rng.integers(0, height - 8), rng.integers(0, width - 8)
            mask[y : y + rng.integers(6, height // 2), x : x + rng.integers(6, width // 2)] = label
    return mask


def draw_image(mask: np.ndarray) -> np.ndarray:
    """Return an image, RGB uint8 (H, W, 3): each label in its colour."""
    return PALETTE[np.minimum(mask, len(PALETTE) - 1)]


def save(path: Path, array: np.ndarray, **options: object) -> Path:
    """Write an array as an image, with its folder, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def index_folder(root: Path, names: list[str], classes: int = 3, start: int = 0) -> dict[str, np.ndarray]:
    """Write ``images/`` and ``masks/`` of index PNG and return the masks by name."""
    masks = {}
    for i, name in enumerate(names):
        masks[name] = draw_mask(start + i, classes=classes)
        save(root / "images" / f"{name}.png", draw_image(masks[name]))
        save(root / "masks" / f"{name}.png", masks[name])
    return masks
