"""Masks that are averaged over time: they flicker less, nothing that moves is late, nothing is kept that is gone."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carseg.errors import MissingExtraError, OptionError
from carseg.images import LoadedImage
from carseg.inference import Smoother
from carseg.inference.motion import find_motion

from color_hub import COLORS

pytest.importorskip("cv2")

SIZE = 96, 160


def textured(size: tuple[int, int], lightest: int = 90) -> np.ndarray:
    """Return a smooth picture of random stains, all of them dark."""
    stains = np.random.default_rng(0).integers(0, lightest, (size[0] // 12, size[1] // 12, 3), np.uint8)
    return np.asarray(Image.fromarray(stains).resize(size[::-1], Image.Resampling.BICUBIC))


def noisy(rgb: np.ndarray, seed: int, deviation: float = 6) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, deviation, rgb.shape)
    return (rgb + noise).clip(0, 255).astype(np.uint8)


def undecided(seed: int) -> np.ndarray:
    """Return a frame whose colour is nearly as near to another class as to its own, with noise."""
    color = 0.51 * np.array(COLORS[1]) + 0.49 * np.array(COLORS[2])
    return noisy(np.tile(color, (32, 32, 1)), seed, deviation=3)


def changes(masks: list[np.ndarray]) -> float:
    return float(np.mean([(one != other).mean() for one, other in pairwise(masks)]))


@pytest.mark.parametrize("moved", [(0, 0), (0, 1), (2, -3), (-5, 9)])
def test_motion_is_found_to_a_part_of_a_pixel(moved):
    picture = textured((SIZE[0] + 40, SIZE[1] + 40), 255)
    before, after = (
        noisy(picture[20 + y : 20 + y + SIZE[0], 20 + x : 20 + x + SIZE[1]], seed, deviation=2)
        for seed, (y, x) in enumerate(((0, 0), moved))
    )
    off = abs(find_motion(before, after) - np.array(moved)[::-1])[12:-12, 12:-12]
    assert np.median(off) < 0.2 and np.quantile(off, 0.9) < 0.5


def test_noise_changes_the_masks_of_a_still_scene_half_as_often(model):
    frames = [undecided(seed) for seed in range(8)]
    alone = [result.mask for result in model.stream(frames, min_area=0)]
    average = [result.mask for result in model.stream(frames, min_area=0, smooth=True)]
    assert (average[0] == alone[0]).all()
    assert 0 < changes(average) < changes(alone) / 2


@pytest.mark.parametrize("batch_size", [1, 3])
def test_what_moves_across_a_scene_is_at_its_place(model, batch_size):
    background, frames, wanted = textured((128, 128)), [], []
    for number in range(8):
        frame = noisy(background, number, deviation=2)
        frame[40:88, 8 + 8 * number : 56 + 8 * number] = COLORS[1]
        frames.append(frame)
        wanted.append((frame == COLORS[1]).all(2))
    found = [result.mask == 1 for result in model.stream(frames, smooth=True, batch_size=batch_size)]
    for its, truth in zip(found, wanted, strict=True):
        assert (its & truth).sum() > 0.9 * (its | truth).sum()


def test_a_cut_is_not_late_at_all(model):
    door, wheel = (np.full((32, 32, 3), COLORS[label], np.uint8) for label in (1, 3))
    masks = [result.mask for result in model.stream([door] * 5 + [wheel] * 2 + [door], smooth=True)]
    assert [int(mask[0, 0]) for mask in masks] == [1] * 5 + [3] * 2 + [1]


def test_what_only_the_network_sees_come_is_late_by_one_frame():
    image, smoother = LoadedImage(textured(SIZE), "a"), Smoother()
    road, car = (np.array(logits, np.float32)[:, None, None].repeat(24, 1).repeat(40, 2) for logits in ((9, 0), (0, 3)))
    seen = [int(smoother(logits, image).argmax(0)[5, 5]) for logits in [road] * 5 + [car] * 3 + [road] * 2]
    assert seen == [0] * 5 + [0, 1, 1] + [0, 0]


def test_each_video_and_each_size_begins_anew(model, tmp_path):
    write_clip = pytest.importorskip("drawn_video").write_clip
    paths = [
        write_clip(tmp_path / f"{name}.mkv", [undecided(seed)] * 3, codec="ffv1") for seed, name in enumerate("ab")
    ]
    together = [result.mask for result in model.stream(paths, smooth=True)]
    apart = [result.mask for path in paths for result in model.stream(path, smooth=True)]
    assert all((one == other).all() for one, other in zip(together, apart, strict=True))
    small = undecided(9)[:, :20]
    [*_, last] = model.stream([undecided(1), small], smooth=True)
    assert (last.mask == model.predict(small).mask).all()


def test_probabilities_are_those_of_the_average(model):
    frames = [undecided(seed) for seed in range(3)]
    [*_, last] = model.stream(frames, smooth=True, return_probabilities=True, min_area=0)
    assert np.allclose(last.probabilities.sum(0, dtype=np.float32), 1, atol=0.01)
    assert (last.probabilities.argmax(0) == last.mask).mean() > 0.99


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (300, 2), (33, 47)])
def test_frames_of_any_shape(model, size):
    frames = [noisy(np.zeros((*size, 3)), seed) for seed in range(3)]
    assert [result.mask.shape for result in model.stream(frames, smooth=True)] == [size] * 3


def test_without_opencv_the_extra_is_named(model, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"smooth\) needs cv2: pip install 'carseg\[video\]'"):
        model.stream([undecided(1)], smooth=True)


def test_windows_are_not_averaged(model):
    with pytest.raises(OptionError, match="smooth=True does not work with tiles: leave tile out"):
        model.stream([Path("a.png")], smooth=True, tile=64)
