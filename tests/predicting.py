"""``carseg predict`` called as a user does, and what it wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from carseg.cli.main import main


def predict(*arguments: str | Path) -> int:
    return main(["predict", "--model", "blocks", *map(str, arguments)])


def read(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def written(folder: str = "carseg-out") -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())
