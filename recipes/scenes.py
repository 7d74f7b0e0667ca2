"""Scenes of several cars, or of one, whose masks are known: cut out of labelled images and put on other backgrounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter, ImageOps

from carseg.data import Sample, split_train_val
from carseg.data import load as open_data
from carseg.inference import load
from carseg.masks import components, rle
from recipes.recipe import data_root

Rgb = npt.NDArray[np.uint8]
Pixels = npt.NDArray[np.bool_]

WIDTH = 960  # pixels of a scene
TOGETHER = 0.6  # share of the scenes whose cars touch or overlap
VISIBLE = 0.5  # share of a car that is seen at least
FEW = 0.002  # share of a street image that may be vehicles
STREETS = {"camvid": 8, "idd-lite": 3}  # folder, and the label id of its cars


@dataclass(frozen=True)
class Cutout:
    """A car on its own.

    Attributes:
        rgb: uint8 (H, W, 3).
        mask: bool (H, W), which reaches all four edges.
    """

    rgb: Rgb
    mask: Pixels


@dataclass(frozen=True)
class Scene:
    """An image of cars.

    Attributes:
        rgb: uint8 (H, W, 3).
        cars: of each car bool (H, W), what is seen of it.
        together: whether two of them touch or overlap.
    """

    rgb: Rgb
    cars: list[Pixels]
    together: bool


def compose(count: int, numbers: tuple[int, ...], *, held_out: bool, seed: int) -> Iterator[Scene]:
    """Yield scenes, always the same ones.

    Args:
        count: of scenes.
        numbers: of cars, one of which is drawn for each.
        held_out: of cars and backgrounds that no training has used, where there are such; else of training images.
        seed: another seed gives other scenes.
    """
    random = np.random.default_rng(seed)
    sets = [carvana(held_out), intelec(held_out), carparts(held_out)]
    streets = list(street_images(held_out))
    made = 0
    while made < count:
        drawn = [sets[random.integers(len(sets))] for _ in range(random.choice(numbers))]
        cutouts = [its[random.integers(len(its))] for its in drawn]
        background = streets[random.integers(len(streets))] if random.random() < 0.5 else generated(random)
        if scene := _scene(cutouts, background, random):
            made += 1
            yield scene


def carvana(held_out: bool) -> list[Cutout]:
    """Return cars of the studio: of the validation images, or of training images."""
    images = open_data(data_root() / "carvana", split="val" if held_out else "train", labels="carvana")
    pairs = (sample.load() for sample in images[:: 1 if held_out else 7])
    return [cut(rgb, labels > 0) for rgb, labels in pairs]


def intelec(held_out: bool) -> list[Cutout]:
    """Return cars of the street, seen from the side: every second of the training images, or the others."""
    images = open_data(data_root() / "intelec", split="train", labels="car5")
    return list(_whole(images[int(held_out) :: 2]))


def carparts(held_out: bool) -> list[Cutout]:
    """Return cars of the images of car parts: those that recipes hold out, or others.

    What is car there and has no part's name is told by a network, within the box of the parts.
    """
    images = open_data(data_root() / "carparts", split="train", labels="carparts")
    train, val = split_train_val(images, 0.15, 0)
    segmenter = load("car")
    found = []
    for sample in val if held_out else train.subset([each.name for each in train[::4]], "train"):
        rgb, labels = sample.load()
        left, top, width, height = rle.bbox(rle.encode(labels))
        within = np.zeros_like(labels, bool)
        within[top : top + height, left : left + width] = True
        mask = largest((labels > 0) | within & (segmenter.predict(rgb).mask > 0))
        if labels.any() and not _cut_off(mask):
            found.append(cut(rgb, mask))
    return found


def _whole(images: Sequence[Sample]) -> Iterator[Cutout]:
    for sample in images:
        rgb, labels = sample.load()
        mask = largest((labels > 0) & (labels < 255))
        if not _cut_off(mask):
            yield cut(rgb, mask)


def _cut_off(mask: Pixels) -> bool:
    return any(np.count_nonzero(edge) > 0.03 * max(mask.shape) for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))


def largest(mask: Pixels) -> Pixels:
    """Return the largest connected piece of a mask."""
    starts, ends, values = components.split_columns(*rle.label_runs(mask), len(mask))
    number = components.connect(components.touching(starts, ends, len(mask)), values)
    areas = np.bincount(number, (ends - starts) * values)
    return np.repeat(number == areas.argmax(), ends - starts).reshape(mask.shape[::-1]).T & mask


def cut(rgb: Rgb, mask: Pixels) -> Cutout:
    """Return what a mask shows, cropped."""
    left, top, width, height = rle.bbox(rle.encode(mask))
    its = np.s_[top : top + height, left : left + width]
    return Cutout(rgb[its], mask[its])


def street_images(held_out: bool) -> Iterator[Image.Image]:
    """Yield street images with hardly a car in them."""
    for folder, vehicle in STREETS.items():
        for split in ("test", "val") if held_out else ("train",):
            path = data_root() / folder / split
            for mask in sorted((path / "masks").glob("*.png")):
                if np.mean(np.asarray(Image.open(mask)) == vehicle) <= FEW:
                    image = Image.open(path / "images" / f"{mask.stem}.jpg").convert("RGB")
                    yield image.resize((WIDTH, WIDTH * image.height // image.width), Image.Resampling.BICUBIC)


def generated(random: np.random.Generator) -> Image.Image:
    """Return a drawn place: a wall or a sky above a ground, each of one colour that fades, with blurred stains."""
    height = int(random.integers(540, 720))
    horizon = int(height * random.uniform(0.3, 0.6))
    rgb = np.empty((height, WIDTH, 3))
    for rows in (slice(0, horizon), slice(horizon, height)):
        above, below = random.uniform(40, 230, (2, 1)) + random.uniform(-25, 25, (2, 3))
        rgb[rows] = np.linspace(above, below, rows.stop - rows.start)[:, None]
    stains = Image.fromarray(random.integers(0, 256, (height // 24, WIDTH // 24), np.uint8))
    rgb += (np.asarray(stains.resize((WIDTH, height), Image.Resampling.BICUBIC), float)[..., None] - 128) * 0.15
    rgb += random.normal(0, 4, (height, WIDTH, 1))
    return Image.fromarray(rgb.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.7))


@dataclass(frozen=True)
class _Placed:
    """A car in its size and place.

    Attributes:
        rgb: the image.
        alpha: how opaque it is, of the same size.
        left: pixels from the left edge of the scene.
        top: pixels from its top.
    """

    rgb: Image.Image
    alpha: Image.Image
    left: int
    top: int

    @property
    def right(self) -> int:
        return self.left + self.alpha.width

    @property
    def bottom(self) -> int:
        return self.top + self.alpha.height

    def mask(self, size: tuple[int, int]) -> Pixels:
        """Return what it covers in a scene of that width and height, bool (H, W)."""
        canvas = Image.new("L", size)
        canvas.paste(self.alpha, (self.left, self.top))
        return np.asarray(canvas) >= 128


def _scene(cutouts: list[Cutout], background: Image.Image, random: np.random.Generator) -> Scene | None:
    """Return cars side by side on a background, the lower one in front; None where too little of one is seen."""
    together = len(cutouts) > 1 and random.random() < TOGETHER
    ground = background.height * random.uniform(0.65, 0.93)
    widths = WIDTH * random.uniform(0.55, 0.95) * random.uniform(0.75, 1.25, len(cutouts)) / len(cutouts)
    row: list[_Placed] = []
    for cutout, width in zip(cutouts, widths, strict=True):
        bottom = ground + random.uniform(-0.07, 0.07) * background.height
        car = _placed(cutout, width, bottom, background.height, mirrored=random.random() < 0.5)
        if row:
            overlap, gap = random.uniform(0, 0.35) * min(car.right, row[-1].alpha.width), random.uniform(0.02, 0.1)
            left = row[-1].right + round(-overlap if together else gap * WIDTH)
            car = _touching(replace(car, left=left), row[-1]) if together else replace(car, left=left)
        row.append(car)
    first, right = min(car.left for car in row), max(car.right for car in row)
    if right - first > WIDTH:
        return None
    shift = int(random.integers(0, WIDTH - right + first + 1)) - first
    image, seen, areas = background.copy(), list[Pixels](), []
    for car in sorted((replace(car, left=car.left + shift) for car in row), key=lambda car: car.bottom):
        image.paste(car.rgb, (car.left, car.top), car.alpha)
        mask = car.mask(image.size)
        seen = [*(before & ~mask for before in seen), mask]
        areas.append(np.count_nonzero(mask))
    if any(np.count_nonzero(mask) < VISIBLE * area for mask, area in zip(seen, areas, strict=True)):
        return None
    return Scene(np.asarray(image), [largest(mask) for mask in seen], together)


def _placed(cutout: Cutout, width: float, bottom: float, height: int, *, mirrored: bool) -> _Placed:
    """Return a car of a width, or as high as the scene allows, that stands on a row of it, at the left edge."""
    scale = min(width / cutout.mask.shape[1], 0.7 * height / cutout.mask.shape[0], 0.95 * bottom / cutout.mask.shape[0])
    size = [max(round(side * scale), 1) for side in cutout.mask.shape[::-1]]
    images = [Image.fromarray(cutout.rgb), Image.fromarray(cutout.mask.astype(np.uint8) * 255)]
    rgb, alpha = (ImageOps.mirror(each) if mirrored else each for each in images)
    resample = Image.Resampling.LANCZOS
    return _Placed(rgb.resize(size, resample), alpha.resize(size, resample), 0, round(bottom) - size[1])


def _touching(car: _Placed, former: _Placed) -> _Placed:
    """Return a car as far to the left as it takes to touch a former one."""
    width, height = 2 * max(car.right, former.right), max(car.bottom, former.bottom)
    there = former.mask((width, height))
    while car.left > former.left:
        if (there & replace(car, left=car.left - 1).mask((width, height))).any():
            break
        car = replace(car, left=car.left - 2)
    return car
