"""Drawn photographs of a car, in the colours of its parts, and a hub with the network that tells them by these."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from carseg.images.draw import palette
from carseg.labels import CARPARTS, CARVANA

from color_hub import write_model
from drawn_car import drawn

SIDE = 256
MODEL, CARS = "drawn", "drawn-cars"
BODY = (40, 40, 40)  # what is car and no part; nearer to the background than to any part


def write_hub(hub: Path) -> Path:
    """Write the networks of parts and of whole cars, and that of ``blocks``."""
    write_model(hub, MODEL, labels=CARPARTS, colors=CARPARTS.colors, side=SIDE)
    write_model(hub, CARS, labels=CARVANA, colors=((0, 0, 0), BODY), side=SIDE)
    write_model(hub, "blocks")
    return hub


def pixels(mask: np.ndarray) -> np.ndarray:
    """Return the image of a mask, uint8 (256, 256, 3): every part in its own colour."""
    colors = np.frombuffer(palette(CARPARTS), np.uint8).reshape(256, 3)
    return colors[mask.repeat(SIDE // len(mask), 0).repeat(SIDE // mask.shape[1], 1)]


def photo(path: Path, view: str, *, blur: float = 0) -> Path:
    """Save a photograph of a view, with its folder, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels(drawn(view)))
    image.filter(ImageFilter.GaussianBlur(blur)).save(path)
    return path
