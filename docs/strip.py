"""Draws the strip at the top of the README and of the home page: a photograph, its parts, its car on white.

python docs/strip.py PHOTO docs/images/strip.jpg
"""

from __future__ import annotations

from pathlib import Path

import typer
from PIL import Image

import carseg

SIDE = (560, 420)  # pixels of each of the three
GAP = 12


def main(photo: Path, out: Path) -> None:
    parts = carseg.load("parts").predict(photo)
    car = carseg.load("car").predict(photo, edges="refined")
    panels = [Image.fromarray(parts.image), parts.overlay(legend=False), car.cutout(background="white")]
    strip = Image.new("RGB", (3 * SIDE[0] + 2 * GAP, SIDE[1]), "white")
    for number, panel in enumerate(panels):
        strip.paste(panel.convert("RGB").resize(SIDE, Image.Resampling.LANCZOS), (number * (SIDE[0] + GAP), 0))
    strip.save(out, quality=88)


if __name__ == "__main__":
    typer.run(main)
