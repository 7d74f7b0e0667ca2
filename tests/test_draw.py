"""Drawing: what is where, what is legible, and colours that can be distinguished with any colour vision."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image

from carseg.errors import OptionError
from carseg.images import draw
from carseg.labels import BDD, CAMVID, CARPARTS, CARVANA, LabelSet, label_set

# Linear RGB as seen by protanopes, deuteranopes and tritanopes (Machado, Oliveira and Fernandes 2009, severity 1).
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
CLASSES = [
    "hood",
    "wheel",
    "front_bumper",
    "front_glass",
    "front_left_door",
    "front_right_light",
    "left_mirror",
    "trunk",
]


def oklab(colors, vision="normal"):
    """Return colours (n, 3) of 0..255 as lightness 0..1 and two chromatic axes.

    A difference that is just visible is about 0.02.
    """
    srgb = np.asarray(colors) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    r, g, b = np.clip(linear @ np.transpose(VISION[vision]), 0, 1).T
    long = np.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
    middle = np.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
    short = np.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)
    return np.stack(
        [
            0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short,
            1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short,
            0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short,
        ],
        axis=1,
    )


def nearest(labels: LabelSet, vision: str) -> float:
    """Return the least distance between the colours of two classes, the background left out."""
    seen = oklab([color for i, color in enumerate(labels.colors) if i != labels.background], vision)
    return min((float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2)), default=1.0)


@pytest.mark.parametrize("vision", VISION)
def test_colors_can_be_distinguished_with_any_vision(vision):
    assert nearest(CARPARTS, vision) > (0.11 if vision == "normal" else 0.08)
    assert nearest(CAMVID, vision) > (0.14 if vision == "normal" else 0.1)
    assert nearest(BDD, vision) > 0.2
    assert nearest(label_set("mine", [f"class {i}" for i in range(29)]), vision) > 0.055


def test_pairs_share_a_hue_and_differ_in_lightness():
    seen = oklab(CARPARTS.colors)
    assert len(CARPARTS.pairs) == 5
    for left, right in CARPARTS.pairs:
        assert seen[right, 0] - seen[left, 0] > 0.15
        hues = np.arctan2(seen[[left, right], 2], seen[[left, right], 1])
        assert abs(np.angle(np.exp(1j * (hues[0] - hues[1])))) < np.radians(12)


def test_colors_of_ones_own_classes():
    labels = label_set("mine", ["nothing", "left_wing", "right_wing", "wing", "nose", *[f"c{i}" for i in range(60)]])
    assert labels.colors[0] == (0, 0, 0)
    assert len(set(labels.colors)) == len(labels)
    seen = oklab(labels.colors[1:3])
    assert seen[1, 0] - seen[0, 0] > 0.15


def scene(height, width, classes=CLASSES):
    """Return a grey image and a mask of vertical stripes, one per class, with background between them."""
    ids = np.array([0, *[value for name in classes for value in (CARPARTS.classes.index(name), 0)]], np.uint8)
    columns = ids[np.arange(width) * len(ids) // width]
    return np.full((height, width, 3), 128, np.uint8), np.repeat(columns[None], height, axis=0)


def test_overlay_tints_parts_and_leaves_the_rest():
    image, mask = scene(60, 200)
    tinted = np.asarray(draw.overlay(image, mask, CARPARTS, alpha=0.25, legend=False)).astype(int)
    assert (tinted[mask == 0] == 128).all()
    hood = CARPARTS.classes.index("hood")
    inside, border = np.flatnonzero(mask[0] == hood)[[5, 0]]
    assert np.abs(tinted[30, inside] - (0.75 * 128 + 0.25 * np.array(CARPARTS.colors[hood]))).max() <= 1
    assert tinted[30, border].tolist() == list(CARPARTS.colors[hood])


def test_ignored_pixels_stay_and_no_part_no_legend():
    image, mask = scene(20, 30)
    mask[:] = 255
    assert np.array_equal(np.asarray(draw.overlay(image, mask, CAMVID)), image)
    mask[:] = 0
    assert np.array_equal(np.asarray(draw.overlay(image, mask, CARPARTS)), image)
    assert not np.array_equal(np.asarray(draw.overlay(image, mask, CAMVID, legend=False)), image)  # sky


@pytest.mark.parametrize("size", [(192, 256), (2160, 3840), (500, 40), (2, 17), (30, 900)])
def test_the_legend_names_what_is_present_and_covers_nothing(size):
    height, width = size
    image, mask = scene(height, width)
    sheet = draw.overlay(image, mask, CARPARTS)
    plain = draw.overlay(image, mask, CARPARTS, legend=False)
    left = (sheet.width - width) // 2
    assert sheet.crop((left, 0, left + width, height)).tobytes() == plain.tobytes()
    strip = np.asarray(sheet)[height:].reshape(-1, 3)
    found = {color for _, color in sheet.crop((0, height, *sheet.size)).getcolors(strip.size)}
    present = set(np.unique(mask[0]).tolist()) - {0}
    absent = set(range(1, len(CARPARTS))) - present
    assert {CARPARTS.colors[i] for i in present} <= found
    assert not {CARPARTS.colors[i] for i in absent} & found
    text = (strip.astype(int).sum(axis=1) < 3 * 60).sum()  # dark ink
    assert text > 30 * len(present)


def test_text_grows_with_the_image():
    assert draw.text_size(256, 192) == 12
    assert draw.text_size(3840, 2160) > 40


def test_legend_text_stays_on_the_sheet():
    image, mask = scene(192, 256)
    sheet = np.asarray(draw.overlay(image, mask, CARPARTS))
    assert (sheet[192:, -3:] == 255).all()
    assert (sheet[-3:] == 255).all()


def test_side_by_side_shows_every_mask_above_one_legend():
    image, mask = scene(100, 150)
    sheet = draw.side_by_side(image, {"prediction": mask, "truth": np.zeros_like(mask)}, CARPARTS)
    assert sheet.width > 3 * 150
    pixels = np.asarray(sheet)
    hood = (pixels == CARPARTS.colors[CARPARTS.classes.index("hood")]).all(axis=2)
    assert hood[:, 170:310].any()  # the outline in the prediction
    assert not hood[:130, 330:].any()  # none in the truth
    below = draw.side_by_side(image, {"prediction": mask}, CARPARTS, columns=1)
    assert below.width < below.height


def test_part_crops_show_each_part_once():
    image, mask = scene(300, 400, ["hood", "wheel"])
    sheet = draw.part_crops(image, mask, CARPARTS, columns=2, side=200)
    pixels = np.asarray(sheet)
    hood, wheel = (
        np.flatnonzero((pixels == CARPARTS.colors[CARPARTS.classes.index(name)]).all(axis=2).any(axis=0))
        for name in ("hood", "wheel")
    )
    assert hood.max() < sheet.width / 2 < wheel.min()
    assert draw.part_crops(image, np.zeros_like(mask), CARPARTS).height < 20  # nothing to show


def test_crops_at_the_border_and_of_one_pixel():
    image, mask = scene(50, 70, [])
    mask[0, 0] = CARPARTS.classes.index("left_mirror")
    mask[49, 10:70] = CARPARTS.classes.index("wheel")
    assert draw.part_crops(image, mask, CARPARTS).width > 160


def test_heatmap_goes_from_dark_to_light_and_takes_anything():
    pixels = np.asarray(draw.heatmap(np.arange(64.0).reshape(8, 8) - 20))
    assert (np.diff(oklab(pixels.reshape(-1, 3))[:, 0]) > 0).all()
    flat = np.asarray(draw.heatmap(np.full((2, 2), 7.0)))
    assert (flat == flat[0, 0]).all()
    odd = np.asarray(draw.heatmap(np.array([[np.nan, -np.inf, 0.0, 1.0]])))
    assert odd[0, 0].tolist() == odd[0, 1].tolist() == odd[0, 2].tolist()
    spiked = np.arange(10000.0).reshape(100, 100)
    spiked[0, 0] = 1e9
    assert np.unique(np.asarray(draw.heatmap(spiked)).reshape(-1, 3), axis=0).shape[0] == 2
    assert np.unique(np.asarray(draw.heatmap(spiked, outliers=0.01)).reshape(-1, 3), axis=0).shape[0] > 100


def test_feature_maps_are_enlarged_and_numbered():
    features = np.random.default_rng(0).normal(size=(6, 15, 20)).astype(np.float32)
    image = draw.feature_maps(features, columns=3, side=100)
    assert image.width >= 3 * 100
    assert image.height >= 2 * 75
    with pytest.raises(OptionError, match="channels, height, width"):
        draw.feature_maps(features[0])


def test_a_title_that_is_too_long_is_shortened():
    images = [Image.new("RGB", (60, 40))] * 2
    sheet = np.asarray(draw.grid(images, ["a very long title indeed", ""], columns=2))
    ink = np.flatnonzero((sheet.astype(int).sum(axis=2) < 200)[:15].any(axis=0))
    assert ink.size
    assert ink.max() < 70


def test_wrong_arguments_are_refused():
    image, mask = scene(20, 30)
    with pytest.raises(OptionError, match=r"alpha is 1\.5"):
        draw.overlay(image, mask, CARVANA, alpha=1.5)
    with pytest.raises(OptionError, match="its mask"):
        draw.overlay(image, mask[1:], CARPARTS)
    with pytest.raises(OptionError, match="1 images have 2 titles"):
        draw.grid([Image.new("RGB", (2, 2))], ["a", "b"])
    with pytest.raises(OptionError, match="columns is 0"):
        draw.grid([], [], columns=0)
