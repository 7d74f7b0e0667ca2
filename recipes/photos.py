"""Measure how often `carseg report` warns of photographs: of good ones, and of copies that were spoiled on purpose.

    CARSEG_DATA=DIR python -m recipes.photos

The limits in carseg/workflows/photo_warnings.py were chosen so that few of the originals are warned of. These are
training images: the turntable's in two sizes, photographs of streets, and pictures from the web.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from carseg.inference import Result, find_images, load, load_image
from carseg.workflows import inspect_photo
from recipes.recipe import data_root

# Of each set every how manieth image is looked at as it is, and every how manieth of these also spoiled.
SETS = {"carvana/train": (8, 2), "carvana-full/train": (4, 6), "intelec/train": (1, 6), "carparts/train": (2, 10)}
AS_IT_IS = "as it is"
KINDS = ("blurred", "dark", "overexposed", "far", "low_resolution", "cut_off", "several_cars", "no_car")

Rgb = npt.NDArray[np.uint8]


def blurred(rgb: Rgb, share: float = 0.003) -> Rgb:
    """Return the image out of focus, by a Gaussian whose deviation is a share of the longer side."""
    return np.asarray(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(share * max(rgb.shape))))


def noisy(rgb: Rgb) -> Rgb:
    """Return the image out of focus, with the noise of a sensor."""
    noise = np.random.default_rng(0).normal(0, 6, rgb.shape)
    return (blurred(rgb) + noise).clip(0, 255).astype(np.uint8)


def moved(rgb: Rgb, share: float = 0.01) -> Rgb:
    """Return the image as of a camera that moved across by a share of the longer side."""
    length = max(3, round(share * max(rgb.shape)))
    sums = np.cumsum(np.pad(rgb, ((0, 0), (length, 0), (0, 0)), mode="edge"), 1, dtype=np.float64)
    return ((sums[:, length:] - sums[:, :-length]) / length).astype(np.uint8)


def exposed(stops: float) -> Callable[[Rgb], Rgb]:
    """Return what takes an image with 2 ** stops as much light."""
    table = np.clip(255 * (np.arange(256) / 255 * 2 ** (stops / 2.2)), 0, 255).astype(np.uint8)
    return lambda rgb: table[rgb]


SPOILED: dict[str, Callable[[Rgb], Rgb]] = {
    "out of focus, 0.2 %": lambda rgb: blurred(rgb, 0.002),
    "out of focus, 0.3 %": blurred,
    "the same, with noise": noisy,
    "moved by 1 %": moved,
    "2 stops darker": exposed(-2),
    "3 stops darker": exposed(-3),
    "1 stop lighter": exposed(1),
    "2 stops lighter": exposed(2),
}


def stored(rgb: Rgb) -> Image.Image:
    """Return the image after it was stored as a JPEG."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=90)
    return Image.open(file)


def kinds(folder: Path, step: int, spoiled: int) -> Iterator[tuple[str, set[str]]]:
    """Yield how an image of a folder was spoiled, and the kinds of its warnings."""
    segmenter = load("parts")
    for number, source in enumerate(sorted(find_images(folder))[::step]):
        rgb = load_image(source).rgb
        yield AS_IT_IS, warned_of(segmenter.predict(rgb))
        for name, spoil in SPOILED.items() if number % spoiled == 0 else ():
            yield name, warned_of(segmenter.predict(stored(spoil(rgb))))


def warned_of(result: Result) -> set[str]:
    """Return the kinds of warnings of a photograph."""
    return {warning.kind for warning in inspect_photo(result, 1).warnings}


def main() -> None:
    print(f"{'':42}{'images':>8}" + "".join(f"{kind:>15}" for kind in KINDS))
    for name, (step, spoiled) in SETS.items():
        images: Counter[str] = Counter()
        warned: Counter[tuple[str, str]] = Counter()
        for how, found in kinds(data_root() / name / "images", step, spoiled):
            images[how] += 1
            warned.update((how, kind) for kind in found)
        for how, count in images.items():
            shares = "".join(f"{warned[how, kind] / count:>15.1%}" for kind in KINDS)
            print(f"{name:20}{how:22}{count:>8}{shares}", flush=True)


if __name__ == "__main__":
    main()
