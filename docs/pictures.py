"""Pictures of the README, the home page and the zoo: what they show, and the program that draws them.

    CARSEG_DATA=DIR python docs/pictures.py

The photographs are those of Intelec's training images that THIRD_PARTY.md names; no other image of a data set may be
shown. The drive is drawn by examples/draw_drive.py.
"""

from __future__ import annotations

import os
import runpy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import carseg

ROOT = Path(__file__).absolute().parents[1]
IMAGES = ROOT / "docs" / "images"
PANEL = (640, 480)  # pixels of a picture of the home page
STRIP = (400, 300)  # of the README
GAP = 10
RATE = 10  # frames of the drive per second

CAR, STREET = "img-20201123-143813", "img-20201123-143412"  # of the home page; the car is examples/car.jpg too


@dataclass(frozen=True)
class Example:
    """One picture of what a weight does well, or of where it fails.

    Attributes:
        file: the picture, below docs/images.
        source: name of the photograph, or the second of the drawn drive.
        caption: what is seen.
    """

    file: str
    source: str | float
    caption: str


def _pair(name: str, well: tuple[str | float, str], fails: tuple[str | float, str]) -> tuple[Example, Example]:
    return Example(f"zoo/{name}-well.jpg", *well), Example(f"zoo/{name}-fails.jpg", *fails)


SOURCE = "Photographs: Intelec AI, [Car segmentation](https://www.kaggle.com/intelecai/car-segmentation)."
DRAWN = "The drive is drawn by this project."
EXAMPLES = {
    "parts": _pair(
        "parts",
        ("img-20201123-143435", "The doors, wheels, the light and the mirror of a car before a painted wall."),
        ("img-20201123-134949", "The one door of a two-seater is taken for a front and a back door."),
    ),
    "car": _pair(
        "car",
        ("img-20201123-135713", "A car in a yard. The network has learned from this photograph."),
        ("img-20201123-133302", "A car behind touches the main one in the image: a cut-out has both."),
    ),
    "road": _pair(
        "road",
        (STREET, "Road, pavement, house, sky, a sign post and a car."),
        ("img-20201123-143435", "A painted wall becomes a car, trees and signs."),
    ),
    "drivable": _pair(
        "drivable",
        (STREET, "The street before a parked car, up to the kerb."),
        (4.0, "Of a drawn road, the own lane ahead is taken for a neighbouring one."),
    ),
    "fpn-efficientnet-lite1-car5": _pair(
        "car5",
        ("img-20201123-135713", "Body, wheels, lights and windows. The network has learned from this photograph."),
        (2.0, "On a drawn road, with a car seen from behind, a piece of the verge becomes body."),
    ),
}


def main() -> None:
    for folder in ("start", "zoo"):
        (IMAGES / folder).mkdir(parents=True, exist_ok=True)
    photo(CAR).save(ROOT / "examples" / "car.jpg", quality=85)
    panels = dict(start_panels())
    for name, panel in panels.items():
        panel.resize(PANEL, Image.Resampling.LANCZOS).save(IMAGES / "start" / f"{name}.jpg", quality=85)
    in_a_row(list(panels.values())).save(IMAGES / "strip.jpg", quality=85)
    for name, pair in EXAMPLES.items():
        model = carseg.load(name)
        for example in pair:
            image = frame(example.source) if isinstance(example.source, float) else photo(example.source)
            picture = model.predict(image).overlay(legend=False)
            picture.thumbnail(PANEL)
            picture.save(IMAGES / example.file, quality=85)
    first, *others = drive()
    first.save(IMAGES / "drive.webp", save_all=True, append_images=others, duration=1000 // RATE, loop=0, quality=55)


def photo(name: str) -> Image.Image:
    """Return one of the photographs that may be shown."""
    with Image.open(Path(os.environ["CARSEG_DATA"], "intelec", "train", "images", f"{name}.jpg")) as image:
        return image.convert("RGB")


def start_panels() -> Iterator[tuple[str, Image.Image]]:
    """Yield the pictures of the home page by name: a photograph, its parts, its car on white, a street."""
    car = photo(CAR)
    yield "photo", car
    yield "parts", with_report(carseg.load("parts").predict(car))
    yield "cutout", carseg.load("car").predict(car, edges="refined").cutout("white", shadow=True).convert("RGB")
    yield "street", carseg.load("road").predict(photo(STREET)).overlay(legend=False)


def with_report(result: carseg.Result) -> Image.Image:
    """Return the overlay with its largest parts in the lower right corner: name and share of the image."""
    image = result.overlay(legend=False).convert("RGB")
    largest = sorted(result.parts, key=lambda part: -part.area_px)[:5]
    font = ImageFont.load_default(image.height / 26)
    line = round(image.height / 19)
    left, top = round(image.width * 0.6), image.height - line * (len(largest) + 1)
    box = Image.new("RGB", (image.width - left, image.height - top), "white")
    image.paste(box, (left, top), Image.new("L", box.size, 225))
    draw = ImageDraw.Draw(image)
    for number, part in enumerate(largest):
        y = top + line * (number + 0.5)
        color = result.labels.colors[part.label]
        draw.rectangle((left + line * 0.5, y + line * 0.15, left + line * 1.2, y + line * 0.85), tuple(color))
        draw.text((left + line * 1.6, y + line / 2), part.name.replace("_", " "), "black", font, anchor="lm")
        draw.text((image.width - line / 2, y + line / 2), f"{part.area_fraction:.1%}", "black", font, anchor="rm")
    return image


def in_a_row(panels: list[Image.Image]) -> Image.Image:
    width, height = STRIP
    strip = Image.new("RGB", (len(panels) * (width + GAP) - GAP, height), "white")
    for number, panel in enumerate(panels):
        strip.paste(panel.resize(STRIP, Image.Resampling.LANCZOS), (number * (width + GAP), 0))
    return strip


def frame(second: float) -> Image.Image:
    """Return a frame of the drawn drive."""
    drawn: Image.Image = runpy.run_path(str(ROOT / "examples" / "draw_drive.py"))["draw_frame"](second)
    return drawn


def drive() -> Iterator[Image.Image]:
    """Yield the frames of the loop: the drive, with the lanes tinted that can be driven on."""
    model = carseg.load("drivable")
    for number in range(2 * RATE):
        image = model.predict(frame(number / RATE)).overlay(legend=False)
        yield image.resize((480, 270), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
