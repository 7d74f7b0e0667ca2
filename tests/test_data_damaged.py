"""Label files that are broken, or were written to do harm: each is refused in one sentence, and quickly.

``hostile.py`` has the files that are none of any format; here an error has to name what is wrong in one.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import carseg.data
from carseg.errors import DataError
from carseg.labels import IGNORE

from drawn_data import draw_image, draw_mask, index_folder, save
from written_labels import write_coco

HUGE, LONG = 10**400, "9" * 5000
SQUARE = [8, 8, 24, 8, 24, 24, 8, 24]
FAR = [0, 0, 1e6, 1e6, -1e6, 5]
SIDES = [48, 64]

# What is written in place of a field of COCO's first image, annotation or category, and what the error names.
FIELDS: list[tuple[str, str, Any]] = [
    ("images", "id", None),
    ("images", "id", [1]),
    ("images", "id", math.nan),
    ("images", "id", math.inf),
    ("images", "id", True),
    ("images", "file_name", None),
    ("images", "file_name", {}),
    ("images", "file_name", ""),
    ("images", "height", HUGE),
    ("images", "height", 48.5),
    ("images", "width", "wide"),
    ("images", "width", math.inf),
    ("annotations", "image_id", []),
    ("annotations", "category_id", 44),
    ("annotations", "category_id", math.nan),
    ("annotations", "category_id", None),
    ("annotations", "category_id", {"a": 1}),
    ("annotations", "segmentation", 3),
    ("annotations", "segmentation", "3"),
    ("annotations", "segmentation", SQUARE),
    ("annotations", "segmentation", [[[8, 8], [24, 8], [24, 24]]]),
    ("annotations", "segmentation", [SQUARE[:7]]),
    ("annotations", "segmentation", [[*SQUARE[:7], HUGE]]),
    ("annotations", "segmentation", [[*SQUARE[:7], math.nan]]),
    ("annotations", "segmentation", [[*SQUARE[:7], 1e12]]),
    ("annotations", "segmentation", [FAR * 200]),
    ("annotations", "segmentation", [FAR] * 200),
    ("annotations", "segmentation", {"size": SIDES}),
    ("annotations", "segmentation", {"counts": [3072]}),
    ("annotations", "segmentation", {"size": [10**6, 10**6], "counts": [10**12]}),
    ("annotations", "segmentation", {"size": [HUGE, 1], "counts": [HUGE]}),
    ("annotations", "segmentation", {"size": [math.inf, 1], "counts": [1]}),
    ("annotations", "segmentation", {"size": [-48, -64], "counts": [3072]}),
    ("annotations", "segmentation", {"size": SIDES, "counts": [HUGE]}),
    ("annotations", "segmentation", {"size": SIDES, "counts": [2**63 - 1, 2**63 - 1, 3074]}),
    ("annotations", "segmentation", {"size": SIDES, "counts": [1535.5, 1536.5]}),
    ("annotations", "segmentation", {"size": SIDES, "counts": [math.nan]}),
    ("annotations", "segmentation", {"size": SIDES, "counts": {"0": 3072}}),
    ("annotations", "segmentation", {"size": SIDES, "counts": [[3072]]}),
    ("annotations", "segmentation", {"size": SIDES, "counts": "o" * 5000}),
    ("annotations", "segmentation", {"size": SIDES, "counts": "é"}),
    ("categories", "id", None),
    ("categories", "id", [1]),
    ("categories", "name", None),
    ("categories", "name", " "),
    ("categories", "name", False),
    ("categories", "name", [["door"]]),
]


@pytest.mark.parametrize(("kind", "field", "value"), FIELDS)
def test_a_field_of_coco_that_makes_no_sense_is_named(tmp_path: Path, kind: str, field: str, value: Any) -> None:
    save(tmp_path / "a.png", draw_image(draw_mask(0)))
    file = write_coco(tmp_path / "annotations.json", "a.png")
    document = json.loads(file.read_text())
    document[kind][0][field] = value
    file.write_text(json.dumps(document))
    with pytest.raises(DataError) as error:
        carseg.data.load(tmp_path).verified()
    assert str(file) in str(error.value)
    assert f"{kind}[0]" in str(error.value)
    assert field in str(error.value)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize(
    "text",
    [
        '{"images": [' + LONG + '], "annotations": [], "categories": []}',
        '{"images": 1, "annotations": [], "categories": []}',
        '{"images": [null], "annotations": [], "categories": []}',
        '{"images": [], "annotations": [' + "[" * 900 + "]" * 900 + '], "categories": []}',
        '{"images": [], "annotations": [], "categories": [' + "[" * 900 + "]" * 900 + "]}",
        '{"images": [], "annotations": [], "categories": {"1": "door"}}',
        '{"images": [{"id": 1, "file_name": "a.png"}]',
    ],
)
def test_coco_files_that_are_none_are_named(tmp_path: Path, text: str) -> None:
    save(tmp_path / "a.png", draw_image(draw_mask(0)))
    file = tmp_path / "annotations.json"
    file.write_text(text)
    with pytest.raises(DataError, match=str(file)) as error:
        carseg.data.load(tmp_path)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.json", '{"' + LONG + '": "door"}'),
        ("labels.json", f'{{"classes": ["background", "door"], "background": {HUGE}}}'),
        ("labels.json", '{"classes": ["background", "door"], "colors": [[0, 0, 0], [1e400, 0, 0]]}'),
        ("labels.json", '{"classes": ["background", "door"], "foreground": [NaN]}'),
        ("labels.json", '["background", ' + "[" * 900 + "]" * 900 + "]"),
        ("labels.json", "3"),
        ("_classes.csv", f"value,name\n{LONG},door\n"),
        ("data.yaml", "masks_dir: masks\nnames: &n [*n]\n"),
        ("data.yaml", "masks_dir: masks\nnames: " + "[" * 5000),
        ("data.yaml", f"masks_dir: masks\nnames: {{{LONG}: door}}\n"),
        ("data.yaml", "masks_dir: masks\nnames: {.inf: door}\n"),
        ("data.yaml", "masks_dir: masks\nnames: !!timestamp door\n"),
        ("data.yaml", "masks_dir: masks\nnames: !!python/object/apply:os.getcwd []\n"),
        ("classes.txt", "\n".join(map(str, range(300)))),
    ],
)
def test_class_files_that_are_none_are_named(tmp_path: Path, name: str, text: str) -> None:
    index_folder(tmp_path, ["a"])
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=str(tmp_path / name)) as error:
        carseg.data.load(tmp_path, format="masks")
    assert len(str(error.value)) < 1000


def npy(shape: tuple[int, ...], data: bytes = b"", dtype: str = "|u1") -> bytes:
    """Return the bytes of an ``.npy`` whose header may announce more than it holds."""
    file = BytesIO()
    np.lib.format.write_array_header_1_0(file, {"shape": shape, "fortran_order": False, "descr": dtype})
    return file.getvalue() + data


def archive(**members: bytes) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in members.items():
            zipped.writestr(f"{name}.npy", content)
    return file.getvalue()


IMAGES = npy((2, 48, 64, 3), bytes(2 * 48 * 64 * 3))


@pytest.mark.parametrize(
    "content",
    [
        lambda: archive(images=IMAGES, labels=npy((2, 10**6, 10**6))),
        lambda: archive(images=IMAGES, labels=npy((10**9, 10**9, 10**9))),
        lambda: archive(images=IMAGES, labels=npy((2, 48, 64), bytes(100))),
        lambda: archive(images=IMAGES, labels=npy((2, -48, -64), bytes(2 * 48 * 64))),
        lambda: archive(images=IMAGES, labels=npy((2, 4000, 4000), bytes(2 * 4000 * 4000))),
        lambda: archive(images=IMAGES, labels=b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16),
        lambda: archive(images=IMAGES, labels=npy((2, 48, 64), b"", "|O")),
        lambda: archive(images=IMAGES, labels=npy((2, 48, 64), bytes(8 * 2 * 48 * 64), "<M8[s]")),
        lambda: archive(images=IMAGES, labels=npy((2, 48, 64), b"\xff\xff\xff\x7e" * 2 * 48 * 64, "<f4")),
        lambda: archive(images=IMAGES)[:-40],
        lambda: archive(images=np.random.default_rng(0).bytes(500), labels=IMAGES).replace(b"x", b"y"),
        lambda: b"PK\x03\x04",
    ],
)
def test_archives_that_announce_what_they_do_not_hold_are_named(tmp_path: Path, content: Callable[[], bytes]) -> None:
    (tmp_path / "set.npz").write_bytes(content())
    with pytest.raises(DataError, match=r"set\.npz|label values"):
        carseg.data.load(tmp_path).verified()


def test_a_label_without_damage_beside_them_is_read(tmp_path: Path) -> None:
    labels = np.array([[0, 1], [1, IGNORE]], np.uint8).repeat(24, 0).repeat(32, 1)
    (tmp_path / "set.npz").write_bytes(archive(images=IMAGES, labels=npy((2, 48, 64), labels.tobytes() * 2)))
    assert (carseg.data.load(tmp_path).verified()[1].load()[1] == labels).all()
