"""Windows along the outlines of cars, for the network that refines them: its training images, cached and drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from carseg.data import Dataset, Sample
from carseg.data import load as open_data
from carseg.inference import Segmenter
from carseg.masks import polygons
from recipes.coarse import SIDE, degraded, moved
from recipes.cross_validate import folds
from recipes.recipe import data_root

WINDOW = 96  # pixels of a side
DRAWN = 6  # coarse answers that are drawn for each image
REAL = 0.5  # share of the windows that is surely given what a network said; of the others some are
STREET = 0.5  # share of the windows that is from streets
HALVED = 0.2  # share of them that shows the image at half its size
FINE = 0.3  # share of the others that is given a better answer than a whole-car network's: what was refined once
_MARGIN = 112  # pixels around a car that are kept of an image
_STUDIO = 1500  # pixels of the longer side: those of the studio have more, those of streets less


def training_images() -> list[Sample]:
    """Return the images of the studio, then those of streets."""
    return [*open_data(data_root() / "carvana-full", split="train", labels="carvana"), *_street()[0]]


def validation_images() -> list[Sample]:
    """Return likewise those that choose."""
    return [*open_data(data_root() / "carvana-full", split="val", labels="carvana"), *_street()[1]]


def _street() -> tuple[Dataset, Dataset]:
    data = open_data(data_root() / "intelec", split="train", labels="car5")
    held = folds(data, 5)[0]
    return data.subset({sample.name for sample in data} - held, "train"), data.subset(held, "val")


def probabilities(segmenter: Segmenter, rgb: np.ndarray) -> np.ndarray:
    """Return a whole-car network's probability of the car on its own grid, uint8 (h, w) in 0..255."""
    [logits] = segmenter.forward(segmenter.preprocess(rgb).x[None])
    return (255 / (1 + np.exp(np.clip(logits[0] - logits[1], -30, 30)))).round().astype(np.uint8)


def prepare(sample: Sample, number: int, segmenters: Sequence[Segmenter], folder: Path) -> None:
    """Write the pixels around an image's car with its mask, and coarse answers about it: real, moved and drawn ones."""
    rgb, mask = sample.load()
    random = np.random.default_rng(number)
    car = mask > 0
    height, width = car.shape
    scale = SIDE / max(height, width)
    size = round(height * scale), round(width * scale)
    whole = torch.from_numpy(car.astype(np.float32))[None, None]
    share = functional.interpolate(whole, size=size, mode="area")[0, 0].numpy()
    real = [probabilities(segmenter, rgb) for segmenter in segmenters]
    drawn = [degraded(share, random) for _ in range(DRAWN)]
    coarse = [*real, *(moved(each, random) for each in real), *drawn]
    ys, xs = np.nonzero(car)
    top, left = max(ys.min() - _MARGIN, 0), max(xs.min() - _MARGIN, 0)
    here = np.s_[top : ys.max() + _MARGIN, left : xs.max() + _MARGIN]
    np.save(folder / f"{number:04d}.pixels.npy", np.dstack([rgb, car * np.uint8(255)])[here])
    np.savez(folder / f"{number:04d}.coarse.npz", *coarse, place=np.array([top, left, height, width]))


class CachedImage:
    """What ``prepare`` wrote, and the answers that the network itself gave since at half the size, if any."""

    def __init__(self, folder: Path, number: int) -> None:
        self.pixels = np.load(folder / f"{number:04d}.pixels.npy", mmap_mode="r")
        self.coarse, place = _arrays(folder / f"{number:04d}.coarse.npz")
        self.real = len(self.coarse) - DRAWN  # of the first ones
        answers = folder / f"{number:04d}.refined.npz"
        self.refined = _arrays(answers)[0] if answers.exists() else []
        self.corner, self.size = place[:2], place[2:]
        self.is_of_studio = self.size.max() > _STUDIO
        self.edge = polygons.edge_pixels(np.asarray(self.pixels[..., 3]) > 127) + self.corner
        edges = (polygons.edge_pixels(each > 127) * (self.size / each.shape) for each in self.coarse)
        self.edges = [each.astype(int) for each in edges]

    def window(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return a window's pixels and mask, uint8 (96, 96, 4), and what is known of it before, float32 (96, 96)."""
        factor = 2 if random.uniform() < HALVED else 1
        side = WINDOW * factor
        number = int(random.integers(self.real if random.uniform() < REAL else len(self.coarse)))
        points = self.edges[number] if random.uniform() < 0.8 and len(self.edges[number]) else self.edge
        center = points[random.integers(len(points))] + random.integers(-side // 4, side // 4 + 1, 2)
        most = np.maximum(np.array(self.pixels.shape[:2]) - side, 0)
        top, left = np.clip(center - side // 2 - self.corner, 0, most)
        pixels = np.asarray(self.pixels[top : top + side, left : left + side])
        if pixels.shape[:2] != (side, side):
            pixels = np.pad(pixels, [(0, side - pixels.shape[0]), (0, side - pixels.shape[1]), (0, 0)], "edge")
        if factor == 2:
            pixels = _halved(pixels)
        coarse = self.coarse[number]
        if factor == 1 and random.uniform() < FINE:
            if not self.refined:  # what a refined answer may look like
                grid = np.arange(WINDOW) / 2 - 0.25
                down, across = random.normal(0, 0.6, 2)
                return pixels, _bilinear(_halved(pixels[..., 3]), grid + down, grid + across)
            coarse = self.refined[int(random.integers(len(self.refined)))]
        middles = (np.arange(WINDOW) + 0.5) * factor
        ratios = np.array(coarse.shape) / self.size
        start = np.add(self.corner, (top, left))
        ys, xs = ((at + middles) * ratio - 0.5 for at, ratio in zip(start, ratios, strict=True))
        y, x = max(int(ys[0]) - 1, 0), max(int(xs[0]) - 1, 0)
        return pixels, _bilinear(coarse[y : int(ys[-1]) + 3, x : int(xs[-1]) + 3], ys - y, xs - x)


def batch(images: Sequence[CachedImage], size: int, step: int) -> tuple[Tensor, Tensor]:
    """Return windows as the network sees them, float32 (N, 4, 96, 96) in -1..1, and their masks, (N, 96, 96) in 0..1.

    Half are mirrored, and brightness, contrast, tint and noise vary. The same step has the same windows.
    """
    random = np.random.default_rng((7, step))
    street, studio = ([image for image in images if image.is_of_studio == studio] for studio in (False, True))
    windows = []
    for _ in range(size):
        among = street if random.uniform() < STREET else studio
        pixels, coarse = among[random.integers(len(among))].window(random)
        windows.append((pixels[:, ::-1], coarse[:, ::-1]) if random.uniform() < 0.5 else (pixels, coarse))
    x, target = np.empty((size, WINDOW, WINDOW, 4), np.float32), np.empty((size, WINDOW, WINDOW), np.float32)
    noise = random.standard_normal((2 * WINDOW, 2 * WINDOW, 3), np.float32)
    for i, (pixels, coarse) in enumerate(windows):
        gray = pixels[::8, ::8, :3].mean()
        contrast, tint = random.uniform(0.75, 1.3), random.uniform(0.93, 1.07, 3)
        shift = gray * (random.uniform(0.75, 1.25) - contrast) * tint
        rgb = pixels[..., :3] * (contrast * tint).astype(np.float32) + shift.astype(np.float32)
        if (sigma := random.uniform(-6, 6)) > 0:
            down, across = random.integers(WINDOW, size=2)
            rgb += np.float32(sigma) * noise[down : down + WINDOW, across : across + WINDOW]
        x[i, ..., :3], x[i, ..., 3], target[i] = rgb.clip(0, 255), coarse, pixels[..., 3]
    x -= 127.5
    x /= 127.5
    target /= 255
    return torch.from_numpy(x).permute(0, 3, 1, 2), torch.from_numpy(target)


def _arrays(path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the unnamed arrays of a file, and the one called ``place``."""
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return [array for name, array in arrays.items() if name != "place"], arrays.get("place", np.zeros(0, int))


def _halved(pixels: np.ndarray) -> np.ndarray:
    """Return the mean of each 2 x 2 pixels, uint8."""
    rows = pixels[::2].astype(np.uint16) + pixels[1::2]
    return ((rows[:, ::2] + rows[:, 1::2] + 2) >> 2).astype(np.uint8)


def _bilinear(values: np.ndarray, ys: np.ndarray, xs: np.ndarray) -> np.ndarray:
    """Return values between those of a grid, float32 (len(ys), len(xs))."""
    y, x = (at.clip(0, cells - 1) for at, cells in zip((ys, xs), values.shape, strict=True))
    y0, x0 = np.floor(y).astype(int), np.floor(x).astype(int)
    y1, x1 = np.minimum(y0 + 1, values.shape[0] - 1), np.minimum(x0 + 1, values.shape[1] - 1)
    down, across = (y - y0).astype(np.float32)[:, None], (x - x0).astype(np.float32)
    rows = values[y0] * (1 - down) + values[y1] * down
    return rows[:, x0] * (1 - across) + rows[:, x1] * across
