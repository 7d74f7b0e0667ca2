"""Label files of a door of 16x16 pixels in images of 48x64, in several formats."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from carseg.data import Dataset

from drawn_data import draw_image, draw_mask

SQUARE = [8, 8, 24, 8, 24, 24, 8, 24]


def write_coco(path: Path, *files: str) -> Path:
    """Write a COCO file: in each image, 48x64, a door of 16x16 pixels."""
    numbered = list(enumerate(files, start=1))
    note = {"category_id": 1, "segmentation": [SQUARE], "area": 256}
    document = {
        "images": [{"id": i, "file_name": file, "height": 48, "width": 64} for i, file in numbered],
        "annotations": [{"id": i, "image_id": i, **note} for i, _ in numbered],
        "categories": [{"id": 1, "name": "door"}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def write_yolo(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("0 " + " ".join(f"{x / 64} {y / 48}" for x, y in zip(SQUARE[::2], SQUARE[1::2], strict=True)))


def write_labelme(path: Path, image: str) -> None:
    shape = {"label": "door", "points": np.reshape(SQUARE, (4, 2)).tolist(), "shape_type": "polygon"}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"shapes": [shape], "imagePath": image, "imageHeight": 48, "imageWidth": 64}))


def has_the_door(dataset: Dataset) -> bool:
    rgb, mask = dataset[0].load()
    np.testing.assert_array_equal(rgb, draw_image(draw_mask(0)))
    assert dataset.labels.classes == ("background", "door")
    return bool((mask == 1).sum() == 256 and (mask[8:24, 8:24] == 1).all())
