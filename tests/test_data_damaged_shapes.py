"""Damaged label files: carseg's own error, which names the file, the item and the field; soon, and in little memory."""

from __future__ import annotations

import base64
import json
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import carseg.data
from carseg.errors import DataError

from hostile_labels import (
    BITMAP,
    COCO,
    CVAT,
    LABEL_STUDIO,
    LABELME,
    STAMP,
    SUPERVISELY,
    coco,
    cvat,
    label_studio,
    labelme,
    packed,
    png,
    supervisely,
    yolo,
)


@pytest.mark.parametrize(
    ("description", "reason"),
    [
        ("names: [[[door]]]\ntrain: images\n", r"data\.yaml has names\[0\] = \[\['door'\]\]"),
        ("names: 5\ntrain: images\n", r"data\.yaml has names = 5"),
        ("names: [door, null]\ntrain: images\n", r"data\.yaml has names\[1\] = None, not a name$"),
        ("names: [door, no]\ntrain: images\n", r"names\[1\] = False, not a name; .* stands in quotes"),
        ("names: [door, '']\ntrain: images\n", r"names\[1\] = '', not a name"),
        ("names: [[" + "[x, y, z], " * 99 + "]]\ntrain: images\n", r"data\.yaml has names\[0\] = .{,120}$"),
        ("names:\n  ? '" + "9" * 5000 + "'\n  : door\ntrain: images\n", r"data\.yaml numbers its classes"),
        ("names: {0: door, 7: hood}\ntrain: images\n", r"data\.yaml numbers its classes"),
        (f"names: {list(range(300))}\ntrain: images\n", r"data\.yaml names 300 classes"),
        ("names: [door]\ntrain: {a: b}\n", r"data\.yaml has train = "),
        ("names: [door]\ntrain: [images, 5]\n", r"data\.yaml has train = "),
        ("names: [door]\nmasks_dir: [5]\ntrain: images\n", r"data\.yaml has masks_dir = \[5\]"),
    ],
)
def test_damaged_descriptions_of_yolo(tmp_path: Path, description: str, reason: str) -> None:
    yolo(tmp_path, b"0 0.1 0.1 0.9 0.1 0.7 0.5", description.encode())
    with pytest.raises(DataError, match=reason):
        carseg.data.load(tmp_path).verified()
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
    labelme(tmp_path, json.dumps(document).encode())
    dataset = carseg.data.load(tmp_path)
    with pytest.raises(DataError, match=reason):
        dataset[0].load()


def refuses_without_memory(dataset: carseg.data.Dataset, reason: str) -> None:
    tracemalloc.start()
    with pytest.raises(DataError, match=reason):
        dataset[0].load()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


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
    supervisely(tmp_path, json.dumps(document).encode())
    dataset = carseg.data.load(tmp_path)
    refuses_without_memory(dataset, rf"a\.png\.json has {reason}.* \(objects\[0\], 'door'\)")


def test_a_size_that_a_label_announces_takes_no_memory(tmp_path: Path) -> None:
    document = {**LABELME, "imageHeight": 16_000, "imageWidth": 16_000}
    labelme(tmp_path, json.dumps(document).encode())
    dataset = carseg.data.load(tmp_path)
    refuses_without_memory(dataset, r"the label of a is 16000x16000 pixels, the image is 64x48")


@pytest.mark.parametrize(
    ("write", "document"),
    [(labelme, LABELME), (supervisely, SUPERVISELY), (coco, COCO), (label_studio, LABEL_STUDIO), (cvat, CVAT)],
)
def test_a_shape_outside_the_image_is_found(tmp_path: Path, write: Callable[[Path, bytes], str], document: Any) -> None:
    text = document.decode() if isinstance(document, bytes) else json.dumps(document)
    for inside, outside in (("24.0", "224.0"), ("8.0", "208.0"), ("24,", "224,"), (' points="8,', ' points="208,')):
        text = text.replace(inside, outside)
    write(tmp_path, text.replace(";8,20", ";208,20").encode())
    [problem] = carseg.data.check(tmp_path).problems
    assert problem.kind == "label"
    assert re.search(r"has a shape at x [\d.]+ to [\d.]+ and y .* outside the image's 64x48 pixels", problem.text)
