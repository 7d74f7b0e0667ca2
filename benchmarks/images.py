"""Write a folder of images of one size, generated or made of photographs: python -m benchmarks.images FOLDER COUNT"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from carseg.images import decode, encode_jpeg, resize, synthetic_images
from carseg.inference import find_images

_DIFFERENT = 8  # images, which are repeated


def main(
    folder: Path,
    count: int,
    megapixels: float = 12,
    photos: Annotated[Path | None, typer.Option(help="A folder of photographs, to be resized; else generated.")] = None,
) -> None:
    folder.mkdir()
    different = min(count, _DIFFERENT)
    if photos is None:
        height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
        contents = synthetic_images(different, (height, round(height * 4 / 3)))
    else:
        contents = list(itertools.islice(_resized(photos, megapixels), different))
    for number, content in zip(range(count), itertools.cycle(contents), strict=False):
        (folder / f"{number:04}.jpg").write_bytes(content)


def _resized(photos: Path, megapixels: float) -> Iterator[bytes]:
    for path in find_images(photos):
        rgb = decode(Path(path)).rgb
        factor = (megapixels * 1e6 / (rgb.shape[0] * rgb.shape[1])) ** 0.5
        yield encode_jpeg(resize(rgb, (round(rgb.shape[0] * factor), round(rgb.shape[1] * factor))))


if __name__ == "__main__":
    typer.run(main)
