"""Write a folder of generated images of 12 megapixels: python -m benchmarks.images FOLDER COUNT"""

from __future__ import annotations

from pathlib import Path

import typer

from carseg.images import synthetic_images

_SIZE = 3000, 4000


def main(folder: Path, count: int) -> None:
    folder.mkdir()
    contents = synthetic_images(min(count, 8), _SIZE)
    for number in range(count):
        (folder / f"{number:04}.jpg").write_bytes(contents[number % len(contents)])


if __name__ == "__main__":
    typer.run(main)
