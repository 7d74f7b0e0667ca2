"""The making of the network that refines edges: coarse answers out of true masks, windows, a training that goes on."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from recipes import refinement
from recipes.coarse import SIDE, degraded, moved
from recipes.windows import WINDOW, CachedImage, batch, prepare

SIZES = ((1216, 1824), (400, 600))  # one that is refined at half its size first, and one of the street


@dataclass
class Drawn:
    """A labelled image: what is red is car."""

    size: tuple[int, int]

    def mask(self) -> np.ndarray:
        height, width = self.size
        y, x = np.mgrid[:height, :width]
        return np.hypot((y / height - 0.5) * 2.2, (x / width - 0.55) * 2) < 0.7 + 0.05 * np.sin(x / 40)

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        car = self.mask()
        rgb = np.full((*car.shape, 3), 40, np.uint8)
        rgb[car, 0] = 200
        return rgb, car.astype(np.uint8)


class Seeing:
    """A whole-car network that is right, on a grid of a quarter of the image."""

    def preprocess(self, rgb: np.ndarray) -> Any:
        return SimpleNamespace(x=rgb)

    def forward(self, batch: np.ndarray) -> np.ndarray:
        red = Image.fromarray(batch[0, ..., 0]).reduce(4)
        car = (np.asarray(red, np.float32) - 120) / 8
        return np.stack([-car, car])[None]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for number, size in enumerate(SIZES):
        prepare(Drawn(size), number, [Seeing()], tmp_path)
    return tmp_path


def test_coarse_answers_are_near_the_truth_and_drawn_anew_each_time() -> None:
    mask = np.asarray(Image.fromarray(Drawn((320, SIDE)).mask()), np.float32)
    random = np.random.default_rng(0)
    answers = [degraded(mask, random) for _ in range(8)]
    again = np.random.default_rng(0)
    assert all(np.array_equal(answer, degraded(mask, again)) for answer in answers)
    assert len({answer.shape for answer in answers}) > 4
    for answer in [*answers, moved((255 * mask).astype(np.uint8), random)]:
        assert answer.dtype == np.uint8 and 90 <= answer.shape[1] <= SIDE
        seen = np.asarray(Image.fromarray(answer).resize((SIDE, 320), Image.Resampling.BILINEAR)) > 127
        wrong = np.count_nonzero(seen != (mask > 0.5)) / np.count_nonzero(mask)
        assert 0 < wrong < 0.1


@pytest.mark.parametrize("number", range(len(SIZES)))
def test_windows_show_the_image_its_mask_and_the_answer_of_the_same_place(run: Path, number: int) -> None:
    image, random = CachedImage(run, number), np.random.default_rng(1)
    image.coarse, image.edges, image.real = image.coarse[:1], image.edges[:1], 1  # the network that is right
    outlines, wrong = 0, []
    for _ in range(40):
        pixels, coarse = image.window(random)
        assert pixels.shape == (WINDOW, WINDOW, 4) and coarse.shape == (WINDOW, WINDOW)
        red, car = pixels[..., 0].astype(int), pixels[..., 3].astype(int)
        assert abs(red - (40 + 160 * car / 255)).max() <= 1
        wrong.append(np.mean((coarse > 127) != (car > 127)))
        outlines += 0 < np.mean(car > 127) < 1
    assert outlines > 30 and np.mean(wrong) < 0.015 and max(wrong) < 0.06


def test_a_step_has_the_same_windows_whenever_it_is_done(run: Path) -> None:
    images = [CachedImage(run, number) for number in range(len(SIZES))]
    for (x, target), (again, _), (other, _) in [[batch(images, 4, step) for step in (3, 3, 4)]]:
        assert x.shape == (4, 4, WINDOW, WINDOW) and target.shape == (4, WINDOW, WINDOW)
        assert x.abs().max() < 1.0001 and target.min() >= 0 and target.max() <= 1
        assert torch.equal(x, again) and not torch.equal(x, other)


def test_a_training_goes_on_as_if_nothing_had_been(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(refinement, "BATCH", 2)
    minutes = itertools.count(step=60.5)
    monkeypatch.setattr(refinement, "time", SimpleNamespace(monotonic=lambda: next(minutes)))  # each step is kept
    refinement.begin(run, None, 0)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(refinement, "batch", lambda images, size, step: batch(images, size, step) if step < 2 else end())
        refinement.train(run, 0, 4, 1e-3)
    assert torch.load(run / refinement.NETWORK, weights_only=True)["step"] == 2
    refinement.train(run, 0, 4, 1e-3)
    resumed = torch.load(run / refinement.NETWORK, weights_only=True)
    refinement.begin(run, None, 0)
    refinement.train(run, 0, 4, 1e-3)
    whole = torch.load(run / refinement.NETWORK, weights_only=True)
    assert resumed["step"] == whole["step"] == 4
    for key in ("network", "average"):
        assert all(torch.equal(resumed[key][name], value) for name, value in whole[key].items())
