"""Opening image files: which formats, how large, and what a file is blamed for."""

from __future__ import annotations

import base64
import errno
import io
import math
import os
import stat
import subprocess
import sys
import zlib
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image, ImageFile

from carseg.data.formats._values import read_pixels
from carseg.errors import DataError, ImageError, ImageNotFoundError, OptionError, excerpt
from carseg.images import SUFFIXES, decode, open_image

RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
FOREIGN = {
    "eps": POSTSCRIPT,
    "eps with a preview": b"\xc5\xd0\xd3\xc6" + bytes(28) + POSTSCRIPT,
    "pdf": b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n",
    "svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "ico": None,
    "tga": None,
    "pcx": None,
}


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def png_of_zeros(width: int, height: int, *, depth: int = 8) -> bytes:
    """Return a grey PNG of few bytes and many pixels."""
    row = bytes(1 + width * depth // 8)
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    chunks = (
        (b"IHDR", width.to_bytes(4) + height.to_bytes(4) + bytes((depth, 0, 0, 0, 0))),
        (b"IDAT", data),
        (b"IEND", b""),
    )
    body = (len(d).to_bytes(4) + name + d + zlib.crc32(name + d).to_bytes(4) for name, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a stand-in for Ghostscript into the PATH, and return the file that appears when it is called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    mark = tmp_path / "called"
    for name in ("gs", "gswin32c", "gswin64c"):
        (folder / name).write_text(f"#!/bin/sh\ntouch '{mark}'\n")
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return mark


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_a_format_that_is_not_carsegs_is_not_even_tried(kind, suffix, called, tmp_path):
    Image.init()  # as another package in the process may have done: Pillow knows all its formats
    path = tmp_path / f"car{suffix}"
    path.write_bytes(FOREIGN[kind] or encoded(Image.fromarray(RGB), kind.upper()))
    for given in (path, path.read_bytes(), io.BytesIO(path.read_bytes())):
        with pytest.raises(ImageError, match="not an image of a format that carseg reads"):
            decode(given)
    with pytest.raises(DataError, match="not an image of a format"):
        read_pixels(path)
    assert not called.exists()


@pytest.mark.parametrize("suffix", sorted(SUFFIXES - {".heic", ".heif"}))
def test_every_format_is_read_whatever_its_name_says(suffix, tmp_path):
    proper, lying = tmp_path / f"car{suffix}", tmp_path / ("car.png" if suffix != ".png" else "car.jpg")
    image = Image.fromarray(RGB)
    Image.init()
    format = {".jfif": "JPEG", ".mpo": "MPO"}.get(suffix) or Image.EXTENSION[suffix]
    image.convert("L" if suffix == ".pgm" else "RGB").save(proper, format)
    lying.write_bytes(proper.read_bytes())
    assert decode(proper).rgb.shape == (20, 30, 3)
    np.testing.assert_array_equal(decode(lying).rgb, decode(proper).rgb)


@pytest.mark.parametrize("format", ["TIFF", "GIF", "PNG", "WEBP", "MPO"])
def test_the_first_of_several_frames(format):
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    file = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    np.testing.assert_allclose(decode(file).rgb[8, 8].astype(int), (255, 0, 0), atol=6)


def test_what_is_no_image_is_told_apart(tmp_path):
    cases = {"empty.png": (b"", "the file is empty"), "text.jpg": (b"hello", "not an image of a format")}
    whole = encoded(Image.fromarray(RGB), "JPEG")
    cases |= {"cut.jpg": (whole[:-200], "broken or truncated")}
    for name, (content, reason) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ImageError, match=f"{name}: {reason}"):
            _ = decode(tmp_path / name).rgb
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(ImageError, match=r"folder\.jpg: this is a folder"):
        decode(tmp_path / "folder.jpg")
    with pytest.raises(ImageNotFoundError, match=r"nothing\.jpg: no such file"):
        decode(tmp_path / "nothing.jpg")


def test_an_image_of_too_many_pixels_is_refused_by_its_header(monkeypatch):
    file = png_of_zeros(3000, 2000)
    broken = file[:60]  # which does not matter: it is not decoded
    for given in (file, broken, Image.new("L", (3000, 2000))):
        with pytest.raises(ImageError, match=r"3000 x 2000 .* 5999999 pixels.*--max-pixels, CARSEG_MAX_PIXELS"):
            decode(given, max_pixels=5_999_999)
    assert decode(file, max_pixels=6_000_000).rgb.shape == (2000, 3000, 3)
    monkeypatch.setenv("CARSEG_MAX_PIXELS", "1000")
    with pytest.raises(ImageError, match="1000 pixels"):
        decode(file)
    assert decode(file, max_pixels=6_000_000).rgb.shape == (2000, 3000, 3)
    for wrong in ("many", "-5", "0", "2.5", "9" * 5000):
        monkeypatch.setenv("CARSEG_MAX_PIXELS", wrong)
        with pytest.raises(OptionError, match=f"CARSEG_MAX_PIXELS is '{wrong[:40]}"):
            decode(file)
    with pytest.raises(OptionError, match="max_pixels must be at least 1"):
        decode(file, max_pixels=0)
    with pytest.raises(OptionError, match="max_pixels must be at least 1, got nan"):
        decode(file, max_pixels=math.nan)


def test_labels_have_the_limit_too(monkeypatch, tmp_path):
    (tmp_path / "label.png").write_bytes(png_of_zeros(200, 100))
    monkeypatch.setenv("CARSEG_MAX_PIXELS", "10000")
    with pytest.raises(DataError, match=r"the label .*label\.png: 200 x 100 are more than 10000 pixels"):
        read_pixels(tmp_path / "label.png")


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_pillows_own_limit_gives_way_to_a_larger_one(format, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    file = encoded(Image.fromarray(RGB), format)
    with pytest.raises(ImageError, match="max_pixels"):
        decode(file)
    assert decode(file, max_pixels=600).rgb.shape == RGB.shape
    with pytest.raises(ImageError, match="more than 200 pixels"):  # one image of many pixels opens no door to others
        decode(file)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "not enough memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "not enough memory"),
        (OSError("out of memory when reading image file"), "not enough memory"),
        (OSError(errno.EMFILE, "Too many open files"), r"Too many open files.*ulimit -n"),
        (OSError(errno.EIO, "Input/output error"), r"cannot be read \(Input/output error\)"),
    ],
    ids=["memory", "ENOMEM", "Pillow's memory", "EMFILE", "EIO"],
)
def test_the_machines_fault_is_not_the_files(error, reason, monkeypatch, tmp_path):
    path = tmp_path / "car.png"
    path.write_bytes(encoded(Image.fromarray(RGB)))

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    for read in (decode, read_pixels):
        with pytest.raises((ImageError, DataError), match=rf"car\.png: .*{reason}") as caught:
            read(path)
        assert "broken" not in str(caught.value) and "truncated" not in str(caught.value)


def test_too_many_open_files_are_named(tmp_path):
    resource = pytest.importorskip("resource")  # not on Windows
    path = tmp_path / "car.png"
    path.write_bytes(encoded(Image.fromarray(RGB)))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        with pytest.raises(ImageError, match=r"car\.png: cannot be read \(Too many open files\)"):
            decode(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    "head",
    ["data:image/png;base64,", " \n DATA:;base64,", "data:image/jpeg;name=a.jpg;base64,", "data:,", "data:image/png,"],
)
def test_data_uris(head):
    content = encoded(Image.fromarray(RGB))
    packed = base64.b64encode(content).decode()
    whole = head + (packed if "base64" in head else quote(content))
    np.testing.assert_array_equal(decode(whole).rgb, RGB)
    if "base64" in head:
        lines = "\n".join(packed[i : i + 76] for i in range(0, len(packed), 76))
        url_safe = packed.replace("+", "-").replace("/", "_").rstrip("=")
        for same in (lines, url_safe, quote(packed)):
            np.testing.assert_array_equal(decode(head + same).rgb, RGB)
    assert decode(whole, name="upload").source == "upload"


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("data:image/png;base64", "comma"),
        ("data:image/png;base64,", "empty"),
        ("data:image/png;base64,!!!!" + "A" * 5000, "base64"),
        ("data:image/svg+xml,<svg/>" + " " * 5000, "not an image of a format"),
        ("data:image/png;base64," + "A" * 100_000, "not an image of a format"),
    ],
)
def test_a_data_uri_that_holds_no_image(uri, reason):
    with pytest.raises(ImageError, match=reason) as caught:
        decode(uri)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("given", ["A" * 100_000, "line\n" * 100, "iVBORw0KGgo" * 50 + "\n" * 10])
def test_no_message_holds_more_than_a_line_of_what_was_given(given):
    with pytest.raises(ImageError) as caught:
        decode(given)
    assert len(str(caught.value)) < 250 and "\n" not in str(caught.value)
    assert len(excerpt(given)) <= 100 and "\n" not in excerpt(given)


def test_a_file_stays_open_for_whoever_gave_it(tmp_path):
    file = io.BytesIO(encoded(Image.fromarray(RGB)))
    with open_image(file) as image:
        assert image.size == (30, 20)
    np.testing.assert_array_equal(decode(file).rgb, RGB)


MEASURE = """
import re
from carseg.images import decode
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024
decode("small.png")
before = peak()
rgb = decode("large").rgb
print((peak() - before) / (rgb.size / 3))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from /proc")
@pytest.mark.parametrize(
    ("kind", "limit"),
    [("jpeg", 10), ("turned", 10), ("deep", 8), ("rgba", 10), ("palette", 8), ("cmyk", 10), ("tiff", 10), ("webp", 20)],
)
def test_memory_grows_with_the_pixels_by_what_is_stated(kind, limit, tmp_path):
    size = (4000, 3000)
    exif = Image.Exif()
    exif[0x0112] = 6
    file = {
        "jpeg": lambda: encoded(Image.new("RGB", size, "red"), "JPEG"),
        "turned": lambda: encoded(Image.new("RGB", size, "red"), "JPEG", exif=exif),
        "deep": lambda: png_of_zeros(*size, depth=16),
        "rgba": lambda: encoded(Image.new("RGBA", size, "red"), compress_level=1),
        "palette": lambda: encoded(Image.new("P", size), transparency=0, compress_level=1),
        "tiff": lambda: encoded(Image.new("RGB", size, "red"), "TIFF"),
        "webp": lambda: encoded(Image.new("RGB", size, "red"), "WEBP", method=0),
        "cmyk": lambda: encoded(Image.new("CMYK", size), "JPEG"),
    }[kind]()
    (tmp_path / "large").write_bytes(file)
    (tmp_path / "small.png").write_bytes(encoded(Image.fromarray(RGB)))
    command = [sys.executable, "-c", MEASURE]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert 2 < float(run.stdout) < limit
