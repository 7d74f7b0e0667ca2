"""Clips of frames whose truth is known: a still scene with noise, a pan, a car that passes, cars that cross."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter, ImageOps

from recipes.scenes import Cutout, Pixels, Rgb

WIDTH = 640  # pixels of a frame
OUTLINE = 6  # pixels around a car in which its outline is seen: that moves with the car
NOISE = 6.0  # deviation of the sensor's noise, in grey values

Labels = npt.NDArray[np.uint8]
Random = np.random.Generator


@dataclass(frozen=True)
class Shot:
    """A frame.

    Attributes:
        rgb: uint8 (H, W, 3).
        truth: uint8 (H, W), label ids, 255 where nothing is known.
        same: what is also in the frame before: where it is now, bool (H, W), and by how many pixels, y and x, it moved.
        cars: of each car that was put in, bool (H, W), what is seen of it.
    """

    rgb: Rgb
    truth: Labels
    same: tuple[tuple[Pixels, tuple[int, int]], ...]
    cars: tuple[Pixels, ...] = ()


def still(rgb: Rgb, labels: Labels, count: int, random: Random) -> Iterator[Shot]:
    """Yield an image again and again, each time with other noise."""
    rgb, labels = scaled(rgb, labels, WIDTH)
    everything = ((np.ones(labels.shape, bool), (0, 0)),)
    for _ in range(count):
        yield Shot(noisy(rgb, random), labels, everything)


def pan(rgb: Rgb, labels: Labels, count: int, random: Random) -> Iterator[Shot]:
    """Yield a window that moves over an image by some pixels a frame, with noise."""
    step = int(random.integers(0, 3)), int(random.integers(2, 9))
    rgb, labels = scaled(rgb, labels, WIDTH + count * step[1])
    height = len(rgb) - count * step[0]
    for number in range(count):
        window = np.s_[number * step[0] :, number * step[1] :][:2]
        shown, truth = (each[window][:height, :WIDTH] for each in (rgb, labels))
        both = np.zeros(truth.shape, bool)
        both[: height - step[0], : WIDTH - step[1]] = True
        yield Shot(noisy(shown, random), truth, ((both, (-step[0], -step[1])),))


def passing(street: Image.Image, car: Cutout, count: int, random: Random) -> Iterator[Shot]:
    """Yield a car that drives across a street, with noise; the truth is 1 where the car is."""
    background = street.resize((WIDTH, WIDTH * street.height // street.width))
    image, alpha = sized(car, WIDTH * random.uniform(0.25, 0.45), background.height)
    speed, top = int(random.integers(8, 20)), round(background.height * 0.9) - alpha.height
    first = (WIDTH - alpha.width - speed * count) // 2
    before = np.zeros((background.height, WIDTH), bool)
    for number in range(count):
        frame, mask = pasted(background, [(image, alpha, first + number * speed, top)])
        [its] = mask
        near = (
            np.asarray(Image.fromarray(its.astype(np.uint8) * 255).filter(ImageFilter.MaxFilter(2 * OUTLINE + 1))) > 0
        )
        same = (near, (0, speed)), (~near & ~before, (0, 0))
        yield Shot(noisy(frame, random), its.astype(np.uint8), same, (its,))
        before = near


def crossing(street: Image.Image, cars: list[Cutout], count: int, random: Random) -> Iterator[Shot]:
    """Yield cars of which each drives across a street the other way than the one before, and in front of it."""
    background = street.resize((WIDTH, WIDTH * street.height // street.width))
    drives = []
    for place, car in enumerate(cars):
        image, alpha = sized(car, WIDTH * random.uniform(0.16, 0.26), background.height)
        speed = (WIDTH + alpha.width * 0.6) / count * random.uniform(0.85, 1.15) * (-1) ** place
        middle = WIDTH / 2 + random.uniform(-0.1, 0.1) * WIDTH
        drives.append((image, alpha, middle, speed, round(background.height * (0.8 + 0.06 * place)) - alpha.height))
    for number in range(count):
        placed = [
            (image, alpha, round(middle + (number - count / 2) * speed - alpha.width / 2), top)
            for image, alpha, middle, speed, top in drives
        ]
        frame, masks = pasted(background, placed)
        truth = np.any(masks, axis=0).astype(np.uint8)
        yield Shot(noisy(frame, random), truth, (), tuple(masks))


def scaled(rgb: Rgb, labels: Labels, width: int) -> tuple[Rgb, Labels]:
    """Return an image and its labels at a width."""
    size = width, round(width * rgb.shape[0] / rgb.shape[1])
    image = Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(image), np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))


def sized(car: Cutout, width: float, most: int) -> tuple[Image.Image, Image.Image]:
    """Return a car and its opacity at a width, or 0.6 of ``most`` high."""
    scale = min(width / car.mask.shape[1], 0.6 * most / car.mask.shape[0])
    size = [max(round(side * scale), 1) for side in car.mask.shape[::-1]]
    rgb, alpha = Image.fromarray(car.rgb), Image.fromarray(car.mask.astype(np.uint8) * 255)
    resample = Image.Resampling.LANCZOS
    return rgb.resize(size, resample), alpha.resize(size, resample)


def mirrored(car: Cutout) -> Cutout:
    """Return a car that looks the other way."""
    return Cutout(np.asarray(ImageOps.mirror(Image.fromarray(car.rgb))), car.mask[:, ::-1].copy())


def pasted(
    background: Image.Image, placed: list[tuple[Image.Image, Image.Image, int, int]]
) -> tuple[Rgb, list[Pixels]]:
    """Return an image with cars, each in front of those before, and what is seen of each."""
    image, masks = background.copy(), list[Pixels]()
    for rgb, alpha, left, top in placed:
        image.paste(rgb, (left, top), alpha)
        canvas = Image.new("L", image.size)
        canvas.paste(alpha, (left, top))
        its = np.asarray(canvas) >= 128
        masks = [*(before & ~its for before in masks), its]
    return np.asarray(image), masks


def noisy(rgb: Rgb, random: Random) -> Rgb:
    """Return an image with the noise of a sensor."""
    noise = random.standard_normal(rgb.shape, np.float32) * NOISE
    return (rgb + noise).clip(0, 255).astype(np.uint8)
