"""A JPEG is decoded when its pixels are asked for, no larger than they are needed, from bytes that are read once."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

import carseg
from carseg.errors import ImageError
from carseg.hub import InputSpec
from carseg.images import LoadedImage, decode, jpeg
from carseg.inference import Preprocessor

from color_hub import SIDE, blocks, write_model


def drawn(height: int, width: int) -> Image.Image:
    """Return an image without two places that look alike."""
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([255 * y // height, 255 * x // width, 127 + 100 * np.sin(x / 90) * np.cos(y / 70)], -1)
    return Image.fromarray(rgb.astype(np.uint8))


def encoded(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=95, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("size", "shape"),
    [((50, 50), (75, 100)), ((100, 100), (150, 200)), ((50, 100), (150, 200)), ((150, 150), (300, 400))],
)
def test_it_is_decoded_at_half_as_many_pixels_again_as_are_needed(size, shape):
    image = decode(encoded(drawn(600, 800)))
    assert image.at_least(size).rgb.shape == (*shape, 3) and image.size == (600, 800)
    assert image.rgb.shape == (600, 800, 3)


def test_where_all_pixels_are_needed_they_are_decoded_once():
    image = decode(encoded(drawn(300, 400)))
    assert image.at_least((201, 267)).rgb is image.rgb
    assert np.array_equal(image.resized((300, 400)), image.rgb)


@pytest.mark.parametrize("size", [(38, 50), (20, 150), (80, 45)])
@pytest.mark.parametrize("shape", [(601, 803), (803, 601)])  # no scale divides them
def test_it_looks_as_if_all_had_been_decoded(shape, size):
    image = decode(encoded(drawn(*shape)))
    full = LoadedImage(image.rgb).resized(size)
    assert image.at_least(size).rgb.shape != image.rgb.shape
    np.testing.assert_allclose(image.resized(size).astype(int), full, atol=3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_one_is_upright_at_every_scale(orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    image = decode(encoded(drawn(451, 601), exif=exif))
    assert image.size == image.rgb.shape[:2] == ((601, 451) if orientation > 4 else (451, 601))
    size = 30, 100  # the two sides need different scales, so it matters which is which
    scaled = image.at_least(size)
    assert scaled.rgb.shape[0] >= 45 and scaled.rgb.shape[1] >= 150
    np.testing.assert_allclose(image.resized(size).astype(int), LoadedImage(image.rgb).resized(size), atol=3)


def test_a_file_is_read_once(tmp_path: Path, own_cache: None):
    write_model(tmp_path / "hub")
    path = tmp_path / "img.jpg"
    blocks().resize((960, 640), Image.Resampling.NEAREST).save(path, quality=95)
    whole = np.asarray(Image.open(path))
    with carseg.load("blocks", hub=tmp_path / "hub", device="cpu", runtime="torch") as model:
        assert decode(path).at_least((SIDE, SIDE)).rgb.shape[0] < 640
        result, other = model.predict(path), model.predict(path)
        path.unlink()
        assert np.array_equal(result.image, whole)
        assert result.image is result.image
        assert np.array_equal(result.mask, other.mask) and result.mask.shape == (640, 960)
        result.save(tmp_path / "out", ["overlay", "cutout"])


def test_the_preprocessor_takes_it_as_it_is():
    spec = InputSpec(size=(96, 128), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    image = decode(encoded(drawn(400, 600)))
    np.testing.assert_allclose(Preprocessor(spec)(image), Preprocessor(spec)(image.rgb), atol=0.03)


def test_a_broken_one_is_named_when_its_pixels_are_asked_for(tmp_path: Path):
    path = tmp_path / "cut.jpg"
    path.write_bytes(encoded(drawn(400, 600))[:4000])
    image = decode(path)
    for look in (lambda: image.at_least((50, 50)), lambda: image.rgb):
        with pytest.raises(ImageError, match=r"cut\.jpg: broken or truncated"):
            look()


def test_of_a_bad_profile_it_warns_once(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        image = decode(encoded(drawn(400, 600), icc_profile=b"none"), name="img")
        assert image.resized((50, 50)).shape and image.rgb.shape
    assert caplog.text.count("its colour profile is left out") == 1


def test_a_huge_file_is_decoded_at_once_and_not_held(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    path = tmp_path / "img.jpg"
    path.write_bytes(encoded(drawn(400, 600)))
    held = decode(path).rgb
    monkeypatch.setattr(jpeg, "_LARGEST", 100)
    image = decode(path)
    assert isinstance(image.pixels, np.ndarray) and np.array_equal(image.rgb, held)
