"""Colour profiles: an image is read as a viewer shows it, and a profile that is none does no harm."""

from __future__ import annotations

import io
import logging

import numpy as np
import pytest
from color_profiles import ADOBE, P3, PROPHOTO, SRGB, cmyk_profile, grey_profile, rgb_profile
from PIL import Image, ImageCms, ImageOps

from carseg.images import decode

COLORS = np.array([(200, 30, 40), (60, 150, 90), (70, 90, 170), (128, 128, 128), (255, 255, 255), (0, 0, 0)], np.uint8)
PATCHES = Image.fromarray(np.repeat(np.repeat(COLORS.reshape(2, 3, 3), 16, 0), 16, 1))
WIDE = {
    "Display P3": rgb_profile(P3),
    "Adobe RGB": rgb_profile(ADOBE),
    "ProPhoto": rgb_profile(PROPHOTO, 1.8),
}
BUILT_IN = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def within(image: Image.Image, profile: bytes) -> Image.Image:
    """Return an sRGB image in the numbers of a profile."""
    return ImageCms.profileToProfile(image, BUILT_IN, ImageCms.ImageCmsProfile(io.BytesIO(profile)), outputMode="RGB")


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_colors_are_those_that_a_viewer_shows(name, format):
    lossy = format in ("JPEG", "WEBP")
    options = {"quality": 100} if lossy else {}
    file = encoded(within(PATCHES, WIDE[name]), format, icc_profile=WIDE[name], **options)
    np.testing.assert_allclose(decode(file).rgb[8::16, 8::16].reshape(-1, 3), COLORS, atol=10 if lossy else 4)
    np.testing.assert_array_equal(decode(Image.open(io.BytesIO(file))).rgb, decode(file).rgb)


@pytest.mark.parametrize("profile", [BUILT_IN.tobytes(), None], ids=["sRGB", "none"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
def test_srgb_stays_as_it_is_to_the_last_bit(profile, mode):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)).convert(mode)
    np.testing.assert_array_equal(decode(encoded(noise, icc_profile=profile)).rgb, np.asarray(noise.convert("RGB")))


def test_an_image_is_upright_and_in_its_colors():
    exif = Image.Exif()
    exif[0x0112] = 6
    file = encoded(within(PATCHES, WIDE["Adobe RGB"]), icc_profile=WIDE["Adobe RGB"], exif=exif)
    upright = np.rot90(np.asarray(PATCHES), -1)
    np.testing.assert_allclose(decode(file).rgb.astype(int), upright, atol=2)


def test_a_palette_has_a_profile_too():
    indexed = within(PATCHES, WIDE["Display P3"]).quantize(8)
    got = decode(encoded(indexed, icc_profile=WIDE["Display P3"])).rgb
    np.testing.assert_allclose(got.astype(int), np.asarray(PATCHES), atol=4)


def test_opacity_is_no_color():
    half = within(PATCHES, WIDE["Adobe RGB"])
    half.putalpha(128)
    got = decode(encoded(half, icc_profile=WIDE["Adobe RGB"])).rgb.astype(int)
    np.testing.assert_allclose(got, np.asarray(PATCHES) * (128 / 255) + 127, atol=3)


@pytest.mark.parametrize("mode", ["L", "LA", "I;16", "1"])
def test_grey_profiles(mode):
    grey = np.repeat(np.array([[0, 64, 128, 255]], np.uint8), 3, 0)
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(grey).convert(mode, dither=Image.Dither.NONE)
    linear = decode(encoded(image, icc_profile=grey_profile(1.0))).rgb
    shown = [0, 0, 255, 255] if mode == "1" else [0, 137, 188, 255]  # of linear light, after the curve of sRGB
    np.testing.assert_allclose(linear[0].astype(int), np.repeat(np.array(shown)[:, None], 3, 1), atol=1)


def test_grey_pixels_may_have_a_profile_of_colors():
    image = Image.new("L", (4, 4), 128)
    np.testing.assert_allclose(decode(encoded(image, icc_profile=rgb_profile(SRGB, 1.0))).rgb.astype(int), 188, atol=1)


def test_inks_are_those_of_their_profile():
    """The colours are far from 255 minus the ink: cyan is a dark blue, and all black is not quite."""
    inks = [(255, 128, 128)] * 16
    for number in range(16):
        cyan, magenta, yellow, black = (number >> bit & 1 for bit in (3, 2, 1, 0))
        light = 255 // (1 + cyan + magenta + yellow + 8 * black)
        inks[number] = (light, 128 + 20 * magenta - 20 * cyan, 128 + 40 * yellow - 40 * cyan)
    profile = cmyk_profile(tuple(inks))
    image = Image.merge("CMYK", [Image.new("L", (16, 16), value) for value in (255, 0, 0, 0)])
    lab = ImageCms.ImageCmsTransform(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), BUILT_IN, "LAB", "RGB")
    shown = lab.apply(Image.merge("LAB", [Image.new("L", (1, 1), v) for v in (127, 108, 88)])).getpixel((0, 0))
    for file in (encoded(image, "JPEG", quality=100, icc_profile=profile), encoded(image, "TIFF", icc_profile=profile)):
        np.testing.assert_allclose(decode(file).rgb[8, 8].astype(int), shown, atol=3)
        assert np.abs(decode(file).rgb[8, 8].astype(int) - (0, 255, 255)).max() > 50


P3_PROFILE = WIDE["Display P3"]
USELESS = {
    "empty": b"",
    "text": b"no profile at all",
    "cut": P3_PROFILE[:300],
    "zeros": bytes(4000),
    "all is white": rgb_profile(SRGB, 0),
    "all is black": rgb_profile(SRGB, 100),
    "grey for colours": grey_profile(1.0),
    "inks for colours": cmyk_profile(((255, 128, 128),) * 16),
    "a link of devices": P3_PROFILE[:12] + b"link" + P3_PROFILE[16:],
    "names of colours": P3_PROFILE[:12] + b"nmcl" + P3_PROFILE[16:],
}


@pytest.mark.parametrize("name", USELESS)
def test_a_profile_that_cannot_be_used_is_left_out_and_said(name, caplog, tmp_path):
    path = tmp_path / "car.png"
    path.write_bytes(encoded(PATCHES, icc_profile=USELESS[name]))
    with caplog.at_level(logging.WARNING, "carseg"):
        np.testing.assert_array_equal(decode(path).rgb, np.asarray(PATCHES))
    said = [line.startswith(f"{path}: its colour profile is left out") for line in caplog.messages]
    assert said == [True] * bool(USELESS[name])


def test_inks_without_a_profile_are_as_before():
    inks = ImageOps.invert(PATCHES).convert("CMYK")
    np.testing.assert_array_equal(decode(encoded(inks, "TIFF")).rgb, np.asarray(inks.convert("RGB")))
    np.testing.assert_array_equal(
        decode(encoded(inks, "TIFF", icc_profile=P3_PROFILE)).rgb, np.asarray(inks.convert("RGB"))
    )
