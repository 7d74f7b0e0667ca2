"""Projects of Supervisely, as Dataset Ninja hands them out."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import carseg.data
from carseg.data.load import load_splits
from carseg.errors import DataError
from carseg.labels import IGNORE

from drawn_data import SQUARE, SQUARE_MASK, save


def bitmap(bits: np.ndarray, mode: str = "1") -> str:
    """Return bits, bool (H, W), as Supervisely stores them."""
    file = io.BytesIO()
    if mode == "RGBA":
        Image.fromarray(np.dstack([np.full((*bits.shape, 3), 7, np.uint8), bits * np.uint8(255)])).save(file, "PNG")
    else:
        Image.fromarray(bits).save(file, "PNG")
    return base64.b64encode(zlib.compress(file.getvalue())).decode()


def polygon(title: str, exterior: object, *interior: object) -> dict[str, object]:
    return {
        "classTitle": title,
        "geometryType": "polygon",
        "points": {"exterior": exterior, "interior": list(interior)},
    }


def write_project(root: Path, **datasets: dict[str, list[object]]) -> None:
    classes = [{"title": title, "shape": "any", "color": "#FF0000"} for title in ("wheel", "door", "Ignore")]
    root.mkdir(parents=True, exist_ok=True)
    (root / "meta.json").write_text(json.dumps({"classes": classes, "tags": []}))
    for dataset, images in datasets.items():
        (root / dataset / "ann").mkdir(parents=True)
        for name, objects in images.items():
            save(root / dataset / "img" / name, np.zeros((48, 64, 3), np.uint8))
            note = {"description": "", "tags": [], "size": {"height": 48, "width": 64}, "objects": objects}
            (root / dataset / "ann" / f"{name}.json").write_text(json.dumps(note))


def test_bit_masks_polygons_with_holes_and_rectangles_lie_in_the_order_of_the_file(tmp_path: Path) -> None:
    bits = np.zeros((4, 6), bool)
    bits[1:, 2:] = True
    objects = [
        {"classTitle": "door", "geometryType": "bitmap", "bitmap": {"data": bitmap(bits), "origin": [40, 30]}},
        {"classTitle": "wheel", "geometryType": "bitmap", "bitmap": {"data": bitmap(bits, "RGBA"), "origin": [60, 46]}},
        polygon("wheel", [[12, 10], [16, 10], [16, 14], [12, 14]]),
        polygon("door", SQUARE, [[20, 12], [22, 12], [22, 18], [20, 18]]),  # over the wheel, which is smaller
        {
            "classTitle": "Ignore",
            "geometryType": "rectangle",
            "points": {"exterior": [[0, 40], [8, 48]], "interior": []},
        },
    ]
    write_project(tmp_path, ds={"a.jpg": objects, "empty.jpg": []})
    dataset = carseg.data.load(tmp_path)
    assert (dataset.format, dataset.other_formats) == ("supervisely", ())
    assert dataset.labels.classes == ("background", "wheel", "door")
    expected = SQUARE_MASK * 2
    expected[12:18, 20:22] = 0
    expected[31:34, 42:46] = 2
    expected[47:48, 62:64] = 1
    expected[40:48, 0:8] = IGNORE
    np.testing.assert_array_equal(dataset[0].load()[1], expected)
    assert not dataset[1].load()[1].any()
    np.testing.assert_array_equal(carseg.data.load(tmp_path / "ds")[0].load()[1], expected)


def test_datasets_are_splits_where_they_are_called_so(tmp_path: Path) -> None:
    door = {"a.jpg": [polygon("door", SQUARE)]}
    write_project(tmp_path / "splits", train=door, valid=door)
    assert {split: [s.name for s in data] for split, data in load_splits(tmp_path / "splits").items()} == {
        "train": ["a"],
        "val": ["a"],
    }
    write_project(tmp_path / "cars", train=door, extra={"a.jpg": [], "b.png": [], "b.jpg": []})
    names = [sample.name for sample in carseg.data.load(tmp_path / "cars")]
    assert names == ["extra/a", "extra/b.jpg", "extra/b.png", "train/a"]
    (tmp_path / "cars" / "extra" / "img" / "a.jpg").unlink()
    (tmp_path / "cars" / "extra" / "ann" / "b.png.json").unlink()
    assert set(carseg.data.load(tmp_path / "cars").problems) == {"extra/a.jpg", "extra/b.png"}


def test_lines_have_the_width_that_the_caller_says(tmp_path: Path) -> None:
    line = {"classTitle": "door", "geometryType": "line", "points": {"exterior": [[8, 20], [40, 20]], "interior": []}}
    write_project(tmp_path, ds={"a.jpg": [line]})
    with pytest.raises(DataError, match=r"a\.jpg\.json has a line of 2 points.*--line-width.*objects\[0\], 'door'"):
        carseg.data.load(tmp_path)[0].load()
    assert not carseg.data.load(tmp_path, line_width=0)[0].load()[1].any()
    mask = carseg.data.load(tmp_path, line_width=4)[0].load()[1]
    assert (mask[18:22, 8:40] == 2).all() and not mask[:18].any() and not mask[22:].any()
