"""Reading images of every kind, and the way from logits back to the image's own size."""

import base64
import importlib.util
import io
import re
import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps

from carseg.errors import ImageError, ImageNotFoundError
from carseg.hub.model_info import InputSpec
from carseg.images.decode import decode
from carseg.inference.postprocess import class_scores, to_mask
from carseg.inference.preprocess import Preprocessor, Upsampling
from carseg.inference.sources import find_images
from carseg.inference.tiles import tiles

SPEC = InputSpec(size=(32, 48), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def test_every_way_to_give_the_same_image(tmp_path: Path) -> None:
    path = tmp_path / "an image ü.png"
    path.write_bytes(encoded(Image.fromarray(RGB)))
    chw = torch.from_numpy(RGB).permute(2, 0, 1)
    with path.open("rb") as file:
        ways = [path, str(path), path.read_bytes(), file, Image.fromarray(RGB), RGB, chw, chw / 255]
        for way in ways:
            np.testing.assert_array_equal(decode(way).rgb, RGB)
    assert decode(path).source == str(path)
    assert decode(RGB).source == ""


def test_a_dark_float_tensor_is_not_scaled_by_its_maximum() -> None:
    dark = torch.full((3, 4, 4), 1 / 255)
    assert decode(dark).rgb.max() == 1


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    upright = decode(encoded(Image.fromarray(RGB), "PNG", exif=exif)).rgb
    np.testing.assert_array_equal(upright, np.rot90(RGB, -1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_odd_tags_beside_an_orientation_do_no_harm(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = encoded(Image.fromarray(RGB), exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(turned))))
    directory = struct.pack("<HHHIIHHI4sI", 2, 0x0112, 3, 1, orientation, 0x011A, 2, 3, b"72", 0)
    odd = b"Exif\0\0II*\0\x08\0\0\0" + directory  # the resolution as text, which should be a fraction
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(RGB), exif=odd)).rgb, expected)


def test_an_image_is_the_frame_that_it_is_at() -> None:
    frames = [Image.fromarray(np.full((4, 6, 3), value, np.uint8)) for value in (10, 200)]
    file = encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    assert (decode(file).rgb == 10).all()
    opened = Image.open(io.BytesIO(file))
    opened.seek(1)
    assert (decode(opened).rgb == 200).all()
    assert opened.tell() == 1


# 64x48 pixels, the left half blue, the right one red, and a note that the camera was turned.
HEIC = base64.b64decode("""
AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAchtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRpbG9jAAAAAERAAA
IAAQAAAAAB7AABAAAAAAAAACUAAgAAAAACEQABAAAAAAAAACQAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVpbmZlAgAAAQACAABF
eGlmAAAAAA5waXRtAAAAAAABAAABB2lwcnAAAADmaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAA
MAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlz
cGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAAAlpcm90AwAAABlpcG1hAA
AAAAAAAAEAAQaBAgMFhIYAAAAaaXJlZgAAAAAAAAAOY2RzYwACAAEAAQAAAFFtZGF0AAAAISgBrxmA70mlv//trmEfMtu/jbIXhepFH/QdvnwQwNtbwAAA
AAZFeGlmAABNTQAqAAAACAABARIAAwAAAAEABgAAAAAAAA==
""")


def test_images_of_an_iphone() -> None:
    pytest.importorskip("pi_heif", reason="pip install 'carseg[heif]' to read HEIF")
    rgb = decode(HEIC).rgb
    assert rgb.shape == (64, 48, 3)
    np.testing.assert_allclose(rgb[16, 24], (20, 40, 200), atol=4)
    np.testing.assert_allclose(rgb[48, 24], (200, 30, 30), atol=4)
    with pytest.raises(ImageError, match="the given bytes"):
        decode(HEIC[:-40])


def test_what_images_of_an_iphone_need(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])
    path = tmp_path / "car.HEIC"
    path.write_bytes(HEIC)
    with pytest.raises(ImageError, match=re.escape("car.HEIC: a HEIF image needs pi-heif: pip install 'carseg[heif]'")):
        decode(path)
    assert list(find_images(tmp_path)) == [path]


def test_a_file_that_cannot_be_rewound() -> None:
    class Pipe(io.RawIOBase):
        rest = io.BytesIO(encoded(Image.fromarray(RGB)))

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:
            return self.rest.readinto(buffer)

    np.testing.assert_array_equal(decode(Pipe()).rgb, RGB)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV"])
def test_modes_become_rgb(mode: str) -> None:
    image = Image.fromarray(RGB).convert(mode)
    np.testing.assert_array_equal(decode(image).rgb, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_laid_over_white(mode: str) -> None:
    assert decode(Image.new(mode, (4, 4))).rgb.min() == 255  # black, with an opacity of 0


def test_a_palette_with_a_transparent_color_is_laid_over_white() -> None:
    image = Image.new("P", (4, 4), 3)
    image.putpalette([0] * 768)
    assert decode(encoded(image, transparency=3)).rgb.min() == 255


def test_sixteen_bits_are_scaled_to_eight() -> None:
    wide = Image.fromarray(np.array([[0, 257, 65535]], np.uint16))
    np.testing.assert_array_equal(decode(encoded(wide)).rgb[0, :, 0], [0, 1, 255])
    np.testing.assert_array_equal(decode(encoded(wide, "TIFF")).rgb[0, :, 0], [0, 1, 255])


def test_the_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode(data).rgb[0, 0], [255, 0, 0])


def test_bad_images_are_named_with_the_reason(tmp_path: Path) -> None:
    whole = encoded(Image.fromarray(RGB), "JPEG")
    for name, content in (("empty.jpg", b""), ("text.png", b"hello"), ("cut.jpg", whole[: len(whole) // 2])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ImageError, match=name):
            decode(tmp_path / name)
    with pytest.raises(ImageNotFoundError, match=r"none\.jpg"):
        decode(tmp_path / "none.jpg")
    with pytest.raises(FileNotFoundError):
        decode(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match="folder"):
        decode(tmp_path)
    with pytest.raises(ImageError, match="no pixels"):
        decode(Image.new("RGB", (0, 7)))


def test_a_decompression_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ImageError, match="bomb"):
        decode(encoded(Image.fromarray(RGB)))


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        torch.full((3, 4, 4), 2.0),
        torch.full((3, 4, 4), float("nan")),
        torch.zeros(4, 4),
        7,
        None,
    ],
)
def test_what_is_no_image_is_refused(wrong: object) -> None:
    with pytest.raises(ImageError):
        decode(wrong)


def test_input_is_what_the_rule_says() -> None:
    x = Preprocessor(SPEC)(RGB)
    resized = np.asarray(Image.fromarray(RGB).resize((48, 32), Image.Resampling.BILINEAR), np.float64)
    expected = (resized / 255 - SPEC.mean) / SPEC.std
    assert x.dtype == np.float32 and x.flags.c_contiguous
    np.testing.assert_allclose(x, expected.transpose(2, 0, 1), atol=1e-5)


def test_scale_by_the_images_own_maximum() -> None:
    spec = InputSpec(size=(4, 4), mean=(0, 0, 0), std=(1, 1, 1), scale="max")
    assert Preprocessor(spec)(np.full((4, 4, 3), 50, np.uint8)).max() == pytest.approx(1)
    assert Preprocessor(spec)(np.zeros((4, 4, 3), np.uint8)).max() == 0


@pytest.mark.parametrize(
    ("size", "expected"), [((100, 200), (160, 320)), ((200, 100), (320, 160)), ((1, 500), (32, 320))]
)
def test_fit_keeps_the_aspect(size: tuple[int, int], expected: tuple[int, int]) -> None:
    spec = InputSpec(size=(320, 320), mean=(0, 0, 0), std=(1, 1, 1), resize="fit", multiple=32)
    assert Preprocessor(spec).input_size(size) == expected


def upsampling(logits: np.ndarray, size: tuple[int, int]) -> Upsampling:
    return Preprocessor(SPEC).inverse(logits.shape[1:], size)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (20, 30), (61, 97), (200, 3)])
@pytest.mark.parametrize("grid", [(1, 1), (2, 3), (16, 24), (150, 40)])
def test_mask_equals_the_argmax_of_full_size_logits(size: tuple[int, int], grid: tuple[int, int]) -> None:
    logits = np.random.default_rng(1).normal(size=(5, *grid)).astype(np.float32)
    full = F.interpolate(torch.from_numpy(logits)[None], size=size, mode="bilinear", align_corners=False)[0]
    mask = to_mask(logits, upsampling(logits, size))
    best = full.max(0).values.numpy()
    chosen = full.numpy()[mask, np.arange(size[0])[:, None], np.arange(size[1])]
    assert mask.shape == size and mask.dtype == np.uint8
    np.testing.assert_allclose(chosen, best, atol=1e-5)  # equal but for rounding where two classes tie
    assert (mask == full.argmax(0).numpy()).mean() > 0.999


def test_threshold_turns_unsure_pixels_into_background() -> None:
    logits = np.zeros((3, 2, 2), np.float32)
    logits[1, :, 0], logits[2, :, 1] = 0.1, 10
    assert set(np.unique(to_mask(logits, upsampling(logits, (2, 2)), threshold=0.9, background=0))) == {0, 2}
    assert set(np.unique(to_mask(logits, upsampling(logits, (2, 2)), threshold=0.9))) == {2, 255}


def test_between_two_sure_pixels_of_two_classes_a_threshold_finds_neither_sure() -> None:
    rng = np.random.default_rng(2)
    logits, size = rng.normal(scale=4, size=(4, 5, 6)).astype(np.float32), (40, 49)
    mask = to_mask(logits, upsampling(logits, size))
    probability = F.interpolate(torch.from_numpy(logits)[None].softmax(1), size=size, mode="bilinear")[0].numpy()
    unsure = probability[mask, np.arange(size[0])[:, None], np.arange(size[1])] < 0.6
    assert 0.1 < unsure.mean() < 0.9
    np.testing.assert_array_equal(to_mask(logits, upsampling(logits, size), threshold=0.6), np.where(unsure, 255, mask))


def test_scores_are_mean_probabilities() -> None:
    logits = np.log(np.array([[[0.9, 0.2]], [[0.1, 0.8]]], np.float32))
    total, count = class_scores(logits)
    np.testing.assert_allclose(total / count, [0.9, 0.8], atol=1e-6)


def test_scores_are_of_the_pixels_that_a_threshold_leaves() -> None:
    logits = np.log(np.array([[[0.9, 0.6, 0.3]], [[0.1, 0.4, 0.7]]], np.float32))
    total, count = class_scores(logits, threshold=0.8)
    np.testing.assert_allclose(total / count, [0.9, 0.7], atol=1e-6)  # of the second class its best pixel


@pytest.mark.parametrize(
    ("size", "side"), [((10, 10), 32), ((100, 37), 32), ((33, 64), 32), ((1, 1), 32), ((500, 700), 128)]
)
def test_tiles_decide_every_pixel_once(size: tuple[int, int], side: int) -> None:
    decided = np.zeros(size, int)
    for tile in tiles(size, side):
        top, left, bottom, right = tile.window
        y0, x0, y1, x1 = tile.keep
        assert 0 <= top <= y0 < y1 <= bottom <= size[0] and 0 <= left <= x0 < x1 <= right <= size[1]
        assert bottom - top == min(side, size[0]) and right - left == min(side, size[1])
        decided[y0:y1, x0:x1] += 1
    assert (decided == 1).all()


def test_a_side_is_rounded_to_the_nearest_multiple() -> None:
    spec = InputSpec(size=(320, 320), mean=(0, 0, 0), std=(1, 1, 1), resize="fit", multiple=32)
    assert Preprocessor(spec).input_size((480, 640)) == (256, 320)  # 240 lies between 224 and 256
    assert Preprocessor(spec).input_size((430, 640)) == (224, 320)


def test_fit_goes_by_the_longest_side_of_the_rule() -> None:
    spec = InputSpec(size=(192, 320), mean=(0, 0, 0), std=(1, 1, 1), resize="fit", multiple=32)
    assert Preprocessor(spec).input_size((600, 1000)) == (192, 320)
    assert Preprocessor(spec).input_size((1000, 600)) == (320, 192)


def test_floating_point_pixels_have_no_known_range() -> None:
    with pytest.raises(ImageError, match="floating-point pixels"):
        decode(Image.fromarray(np.zeros((4, 4), np.float32)))


def test_numbers_beyond_sixteen_bits_are_cut_off() -> None:
    wide = Image.fromarray(np.array([[-5, 70000]], np.int32))
    assert decode(wide).rgb[0, :, 0].tolist() == [0, 255]


def test_tensors_and_arrays_of_other_kinds() -> None:
    grey = RGB[:, :, 0]
    expected = np.repeat(grey[:, :, None], 3, 2)
    np.testing.assert_array_equal(decode(grey).rgb, expected)
    np.testing.assert_array_equal(decode(torch.from_numpy(grey)[None]).rgb, expected)
    half = decode((torch.from_numpy(RGB).permute(2, 0, 1) / 255).bfloat16()).rgb
    np.testing.assert_allclose(half.astype(int), RGB, atol=1)
    see_through = np.dstack([RGB, np.zeros_like(grey)])
    assert decode(see_through).rgb.min() == 255


def test_a_file_that_is_read_asynchronously_is_refused() -> None:
    class Upload:
        async def read(self) -> bytes:
            return b""

    with pytest.raises(ImageError, match="await"):
        decode(Upload())


def test_a_name_that_no_file_can_have_is_named() -> None:
    with pytest.raises(ImageError, match="cannot be read"):
        decode("a\0b.jpg")


def test_a_file_object_keeps_its_name(tmp_path: Path) -> None:
    path = tmp_path / "car.png"
    path.write_bytes(encoded(Image.fromarray(RGB)))
    with path.open("rb") as file:
        assert decode(file).source == str(path)


def test_tiles_overlap_and_a_pixel_is_kept_from_the_one_whose_middle_is_nearest() -> None:
    found = list(tiles((64, 400), 64))
    for one, other in pairwise(found):
        assert one.window[3] - other.window[1] >= 16  # a quarter
        assert one.keep[3] == other.keep[1] == (one.window[3] + other.window[1]) // 2
