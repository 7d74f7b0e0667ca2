"""Damaged label files: carseg's own error, which names the file, the item and the field; soon, and in little memory."""

from __future__ import annotations

import base64
import json
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np
import pytest

import carseg.data
from carseg.errors import CarsegError, DataError

from drawn_data import SQUARE, save

HERE = "@"  # stands for the damage
ODD = {
    "null": "null",
    "true": "true",
    "a number": "5",
    "less than nothing": "-7.5",
    "400 digits": "1" + "0" * 400,
    "5,000 digits": "9" * 5000,
    "NaN": "NaN",
    "Infinity": "Infinity",
    "a text": '"x"',
    "no text": '""',
    "no path": '"\\u0000"',
    "half a letter": '"\\ud800"',
    "a long text": json.dumps("x" * 5000),
    "a list": "[]",
    "a list of lists": "[[[]]]",
    "an object": "{}",
    "depth": "[" * 100_000 + "]" * 100_000,
}


def png(width: int, height: int, rows: int = 4) -> bytes:
    """Return a PNG that announces a size, and holds so many rows."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    header = pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b"\0" + b"\xff" * width) * rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


STAMP = {
    "label": "door",
    "points": [[1, 1], [5, 5]],
    "shape_type": "mask",
    "mask": base64.b64encode(png(4, 4)).decode(),
}
LABELME = {
    "shapes": [{"label": "door", "points": SQUARE, "shape_type": "polygon"}, STAMP],
    "imagePath": "a.png",
    "imageData": None,
    "imageHeight": 48,
    "imageWidth": 64,
}
BITMAP = {"classTitle": "door", "geometryType": "bitmap", "bitmap": {"data": packed(png(4, 4)), "origin": [1, 1]}}
RINGS = {"exterior": SQUARE, "interior": [SQUARE]}
SUPERVISELY = {
    "size": {"height": 48, "width": 64},
    "objects": [{"classTitle": "door", "geometryType": "polygon", "points": RINGS}, BITMAP],
}
META = {"classes": [{"title": "door", "shape": "any"}], "tags": []}


def labelme(folder: Path, text: str) -> Path:
    save(folder / "a.png", np.zeros((48, 64, 3), np.uint8))
    (folder / "a.json").write_text(text)
    return folder


def supervisely(folder: Path, text: str = json.dumps(SUPERVISELY), meta: str = json.dumps(META)) -> Path:
    save(folder / "ds" / "img" / "a.png", np.zeros((48, 64, 3), np.uint8))
    (folder / "ds" / "ann").mkdir()
    (folder / "ds" / "ann" / "a.png.json").write_text(text)
    (folder / "meta.json").write_text(meta)
    return folder


def yolo(folder: Path, text: str = "0 0.1 0.1 0.9 0.1 0.7 0.5", description: str = "") -> Path:
    save(folder / "images" / "a.png", np.zeros((48, 64, 3), np.uint8))
    (folder / "labels").mkdir()
    (folder / "labels" / "a.txt").write_text(text)
    (folder / "data.yaml").write_text(description or "train: images\nnames: [door]\n")
    return folder


def damaged(document: Any) -> Iterator[Any]:
    """Yield copies of a document in which one field or item, at any depth, is replaced by ``HERE``."""
    parts = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in parts:
        for inner in (HERE, *damaged(value)):
            whole = dict(document) if isinstance(document, dict) else list(document)
            whole[key] = inner
            yield whole


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    ("form", "document", "write"),
    [
        ("labelme", LABELME, labelme),
        ("supervisely", SUPERVISELY, supervisely),
        ("supervisely", META, lambda folder, text: supervisely(folder, meta=text)),
    ],
    ids=["labelme", "supervisely", "meta"],
)
def test_no_value_of_any_field_is_more_than_an_error(
    tmp_path: Path, odd: str, form: str, document: Any, write: Any
) -> None:
    for number, broken in enumerate(damaged(document)):
        place = tmp_path / str(number)
        place.mkdir()
        write(place, json.dumps(broken).replace(f'"{HERE}"', ODD[odd]))
        try:
            texts = [problem.text for problem in carseg.data.check(place, format=form).problems]
        except CarsegError as error:
            texts = [str(error)]
        named = (str(place), "the label of a is")  # of another size than the image
        assert all(any(name in text for name in named) and len(text) < 2000 for text in texts), texts


@pytest.mark.parametrize(
    ("description", "reason"),
    [
        ("names: [[[door]]]\ntrain: images\n", r"data\.yaml has names\[0\] = \[\['door'\]\]"),
        ("names: 5\ntrain: images\n", r"data\.yaml has names = 5"),
        ("names:\n  ? '" + "9" * 5000 + "'\n  : door\ntrain: images\n", r"data\.yaml numbers its classes"),
        ("names: {0: door, 7: hood}\ntrain: images\n", r"data\.yaml numbers its classes"),
        (f"names: {list(range(300))}\ntrain: images\n", r"data\.yaml names 300 classes"),
        ("names: [door]\ntrain: {a: b}\n", r"data\.yaml has train = "),
        ("names: [door]\ntrain: [images, 5]\n", r"data\.yaml has train = "),
        ("names: [door]\nmasks_dir: [5]\ntrain: images\n", r"data\.yaml has masks_dir = \[5\]"),
    ],
)
def test_damaged_descriptions_of_yolo(tmp_path: Path, description: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        carseg.data.load(yolo(tmp_path, description=description)).verified()
    with pytest.raises(DataError, match=reason):
        carseg.data.load(tmp_path / "data.yaml").verified()


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        (
            "mask",
            base64.b64encode(png(60_000, 60_000)).decode(),
            r"mask that is .* of more pixels than the image's 64x48 \(shapes\[1",
        ),
        ("mask", base64.b64encode(png(65, 40)).decode(), r"mask of 65x40 pixels, more than the image's 64x48"),
        ("mask", "not base64", r"mask that is no PNG as base64"),
        ("mask", None, r"mask = None, not a bit mask"),
        ("points", [[1, 1], [2]], r"a\.json has points\[1\] = \[2\], not x and y in pixels \(shapes\[1\], 'door'\)"),
        ("shape_type", "cuboid", r"shape_type = 'cuboid', which is no kind of shape"),
    ],
)
def test_damaged_shapes_of_labelme_are_named(tmp_path: Path, field: str, value: object, reason: str) -> None:
    document = {**LABELME, "shapes": [{**STAMP, "label": "hood"}, {**STAMP, field: value}]}
    dataset = carseg.data.load(labelme(tmp_path, json.dumps(document)))
    with pytest.raises(DataError, match=reason):
        dataset[0].load()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (packed(png(60_000, 60_000)), r"bitmap\.data that is .* of more pixels than the image's 64x48"),
        (packed(bytes(200_000_000)), r"bitmap\.data with a zlib stream that is cut off, or longer than any mask"),
        (packed(png(4, 4))[:-8], r"bitmap\.data with a zlib stream that is cut off"),
        ("no base64", r"bitmap\.data that is no PNG as base64"),
    ],
)
def test_damaged_bit_masks_of_supervisely_take_no_memory(tmp_path: Path, data: str, reason: str) -> None:
    document = {**SUPERVISELY, "objects": [{**BITMAP, "bitmap": {"data": data, "origin": [1, 1]}}]}
    dataset = carseg.data.load(supervisely(tmp_path, json.dumps(document)))
    tracemalloc.start()
    with pytest.raises(DataError, match=rf"a\.png\.json has {reason}.* \(objects\[0\], 'door'\)"):
        dataset[0].load()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


def test_a_size_that_a_label_announces_takes_no_memory(tmp_path: Path) -> None:
    document = {**LABELME, "imageHeight": 16_000, "imageWidth": 16_000}
    dataset = carseg.data.load(labelme(tmp_path, json.dumps(document)))
    tracemalloc.start()
    with pytest.raises(DataError, match=r"the label of a is 16000x16000 pixels, the image is 64x48"):
        dataset[0].load()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000
