"""The label files of every format, sound ones, and the folders that they lie in."""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from struct import pack
from typing import Any

import numpy as np

from drawn_data import SQUARE, draw_image, draw_mask, save

RING = [value for point in SQUARE for value in point]


def png(width: int, height: int, rows: int = 4) -> bytes:
    """Return a PNG that announces a size, and holds so many rows."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    header = pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress((b"\0" + b"\xff" * width) * rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def packed(data: bytes) -> str:
    """Return a bit mask as Supervisely has it."""
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
COCO = {
    "images": [{"id": 1, "file_name": "a.png", "height": 48, "width": 64}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [RING], "area": 192, "bbox": [8, 8, 16, 12]},
        {"id": 2, "image_id": 1, "category_id": 1, "segmentation": {"size": [48, 64], "counts": [1000, 2072]}},
    ],
    "categories": [{"id": 1, "name": "door"}],
}
CVAT = b"""<annotations><meta><task><labels><label><name>door</name></label></labels></task></meta>
<image id="0" name="a.png" width="64" height="48"><polygon label="door" points="8,8;24,8;24,20;8,20" z_order="0"/>
<mask label="door" rle="4,8,4" left="1" top="1" width="4" height="4" z_order="0"/></image></annotations>"""
LABEL_STUDIO = [
    {
        "data": {"image": "/data/local-files/?d=images/a.png"},
        "annotations": [
            {"result": [{"type": "polygonlabels", "value": {"points": SQUARE, "polygonlabels": ["door"]}}]}
        ],
    }
]
CLASSES = {
    "name": "doors",
    "classes": ["background", "door", "hood"],
    "colors": [[0, 0, 0], [200, 60, 30], [40, 180, 60]],
    "background": 0,
    "foreground": [1, 2],
    "min_area": 0.1,
}
YOLO = {"path": ".", "train": "images", "names": ["door"]}
MASKS_YAML = {"masks_dir": "masks", "train": "images", "names": {"0": "background", "1": "door", "2": "hood"}}


def labelme(folder: Path, content: bytes) -> str:
    save(folder / "a.png", np.zeros((48, 64, 3), np.uint8))
    (folder / "a.json").write_bytes(content)
    return "labelme"


def supervisely(folder: Path, content: bytes, meta: bytes = json.dumps(META).encode()) -> str:
    save(folder / "ds" / "img" / "a.png", np.zeros((48, 64, 3), np.uint8))
    (folder / "ds" / "ann").mkdir()
    (folder / "ds" / "ann" / "a.png.json").write_bytes(content)
    (folder / "meta.json").write_bytes(meta)
    return "supervisely"


def supervisely_meta(folder: Path, content: bytes) -> str:
    return supervisely(folder, json.dumps(SUPERVISELY).encode(), content)


def coco(folder: Path, content: bytes) -> str:
    save(folder / "a.png", draw_image(draw_mask(0)))
    (folder / "annotations.json").write_bytes(content)
    return "coco"


def cvat(folder: Path, content: bytes) -> str:
    save(folder / "images" / "a.png", np.zeros((48, 64, 3), np.uint8))
    (folder / "annotations.xml").write_bytes(content)
    return "cvat"


def label_studio(folder: Path, content: bytes) -> str:
    save(folder / "images" / "a.png", np.zeros((48, 64, 3), np.uint8))
    (folder / "tasks.json").write_bytes(content)
    return "label_studio"


def yolo(folder: Path, content: bytes, description: bytes = b"train: images\nnames: [door]\n") -> str:
    save(folder / "images" / "a.png", np.zeros((48, 64, 3), np.uint8))
    (folder / "labels").mkdir()
    (folder / "labels" / "a.txt").write_bytes(content)
    (folder / "data.yaml").write_bytes(description)
    return "yolo"


def yolo_description(folder: Path, content: bytes) -> str:
    return yolo(folder, b"0 0.1 0.1 0.9 0.1 0.7 0.5", content)


def yolo_list(folder: Path, content: bytes) -> str:
    yolo(folder, b"0 0.1 0.1 0.9 0.1 0.7 0.5", b"train: list.txt\nnames: [door]\n")
    (folder / "list.txt").write_bytes(content)
    return "yolo"


def beside_masks(name: str) -> Callable[[Path, bytes], str]:
    """Return what writes a class file beside label images."""

    def write(folder: Path, content: bytes) -> str:
        mask = draw_mask(0)
        save(folder / "images" / "a.png", draw_image(mask))
        save(folder / "masks" / "a.png", draw_image(mask) if "dict" in name or "map" in name else mask)
        (folder / name).write_bytes(content)
        return "yolo" if name == "data.yaml" else "masks"

    return write


def voc(name: str) -> Callable[[Path, bytes], str]:
    def write(folder: Path, content: bytes) -> str:
        mask = draw_mask(0)
        save(folder / "JPEGImages" / "a.png", draw_image(mask))
        save(folder / "SegmentationClass" / "a.png", draw_image(mask) if name == "labelmap.txt" else mask)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        return "voc"

    return write


def arrays(name: str) -> Callable[[Path, bytes], str]:
    def write(folder: Path, content: bytes) -> str:
        if name == "labels.npy":
            np.save(folder / "images.npy", np.zeros((2, 48, 64, 3), np.uint8))
        (folder / name).write_bytes(content)
        return "arrays"

    return write


def _stack() -> bytes:
    file = io.BytesIO()
    np.savez(file, images=np.zeros((2, 48, 64, 3), np.uint8), labels=np.zeros((2, 48, 64), np.uint8))
    return file.getvalue()


def _array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros((2, 48, 64), np.uint8))
    return file.getvalue()


_COLORS = b"background: 20,30,40::\ndoor: 200,60,30::\nhood: 40,180,60::\n"

# A sound file, an object where it is JSON, and what writes it into a folder of its format.
LABELS: dict[str, tuple[Any, Callable[[Path, bytes], str]]] = {
    "labelme": (LABELME, labelme),
    "supervisely": (SUPERVISELY, supervisely),
    "supervisely's meta": (META, supervisely_meta),
    "coco": (COCO, coco),
    "cvat": (CVAT, cvat),
    "label studio": (LABEL_STUDIO, label_studio),
    "yolo": (b"0 0.1 0.1 0.9 0.1 0.7 0.5", yolo),
    "yolo's data.yaml": (YOLO, yolo_description),
    "yolo's list": (b"images/a.png\n", yolo_list),
    "labels.json": (CLASSES, beside_masks("labels.json")),
    "labels.json of numbers": ({"0": "background", "1": "door", "2": "hood"}, beside_masks("labels.json")),
    "_classes.csv": (b"value,name\n0,background\n1,door\n2,hood\n", beside_masks("_classes.csv")),
    "classes.txt": (b"background\ndoor\nhood\n", beside_masks("classes.txt")),
    "class_dict.csv": (b"name,r,g,b\na,20,30,40\nb,200,60,30\nc,40,180,60\n", beside_masks("class_dict.csv")),
    "data.yaml of label images": (MASKS_YAML, beside_masks("data.yaml")),
    "voc's labelmap.txt": (_COLORS, voc("labelmap.txt")),
    "voc's list": (b"a\n", voc("ImageSets/Segmentation/train.txt")),
    "set.npz": (_stack(), arrays("set.npz")),
    "labels.npy": (_array(), arrays("labels.npy")),
}
