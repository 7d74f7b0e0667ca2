"""The label files that carseg writes, opened with each tool's own package. Run by hand, in an environment of its own:

    carseg label DIR --to labelme --out /tmp/labels/labelme      # and yolo, coco, cvat, label-studio, voc, masks
    pip install labelme pycocotools ultralytics label-studio-sdk datumaro lxml
    python tests/labels_in_tools.py /tmp/labels

cvat-sdk talks to a server and opens no files: datumaro, CVAT's own library of formats, reads them in its place. Says
for each how many images and shapes the tool has read, and ends with 1 where one cannot be opened.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image


def labelme(folder: Path) -> tuple[int, int]:
    """Return how many files and shapes labelme opens, of which every shape has pixels."""
    from labelme._label_file import LabelFile
    from labelme.utils import shape_to_mask

    files = [path for path in sorted(folder.rglob("*.json")) if path.name != "labels.json"]
    shapes = 0
    for path in files:
        opened = LabelFile(str(path))
        with Image.open(path.parent / opened.imagePath) as image:
            size = image.size
        for shape in opened.shapes:
            points = [[float(x), float(y)] for x, y in shape["points"]]
            assert shape_to_mask((size[1], size[0]), points, shape["shape_type"]).any(), (path, shape["label"])
        shapes += len(opened.shapes)
    return len(files), shapes


def coco(folder: Path) -> tuple[int, int]:
    """Return how many images and annotations pycocotools reads; areas are those of the masks."""
    from pycocotools.coco import COCO

    data = COCO(str(folder / "annotations.json"))
    for number in data.getImgIds():
        assert (folder / "images" / data.loadImgs(number)[0]["file_name"]).is_file()
    for note in data.loadAnns(data.getAnnIds()):
        covered = int(data.annToMask(note).sum())
        assert abs(covered - note["area"]) <= 6 + 0.05 * note["area"], (note["id"], covered, note["area"])
    return len(data.getImgIds()), len(data.getAnnIds())


def yolo(folder: Path) -> tuple[int, int]:
    """Return how many images and polygons Ultralytics' data set has, which it checks as before a training."""
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset

    described = check_det_dataset(str(folder / "data.yaml"), autodownload=False)
    data = YOLODataset(img_path=described["train"], data=described, task="segment", augment=False, cache=False)
    assert all(len(label["segments"]) == len(label["cls"]) for label in data.labels)
    return len(data.labels), sum(len(label["segments"]) for label in data.labels)


def cvat(folder: Path) -> tuple[int, int]:
    """Return how many images and shapes datumaro reads from CVAT's XML."""
    from datumaro.components.dataset import Dataset

    data = Dataset.import_from(str(folder), "cvat")
    labels = [label["name"] for label in json.loads((folder / "cvat_labels.json").read_text())]
    named = [label.name for label in data.categories()[next(iter(data.categories()))]]
    assert set(labels) <= set(named), (labels, named)
    return len(data), sum(len(item.annotations) for item in data)


def label_studio(folder: Path) -> tuple[int, int]:
    """Return how many tasks and shapes Label Studio's SDK finds valid under the configuration beside them."""
    from label_studio_sdk.label_interface import LabelInterface

    interface = LabelInterface((folder / "labeling_config.xml").read_text())
    interface.validate()
    tasks = json.loads((folder / "tasks.json").read_text())
    for task in tasks:
        assert interface.validate_task({"data": task["data"]}), task["data"]
        for prediction in task["predictions"]:
            assert interface.validate_prediction(prediction), task["data"]
    return len(tasks), sum(len(prediction["result"]) for task in tasks for prediction in task["predictions"])


def voc(folder: Path) -> tuple[int, int]:
    """Return how many images and classes in them datumaro reads from the layout of Pascal VOC."""
    from datumaro.components.dataset import Dataset

    data = Dataset.import_from(str(folder), "voc_segmentation")
    return len(data), sum(len(item.annotations) for item in data)


def masks(folder: Path) -> tuple[int, int]:
    """Return how many label images there are, and how many classes they have in all, as Pillow opens them."""
    labels = []
    for path in sorted((folder / "masks").rglob("*.png")):
        with Image.open(path) as image:
            labels.append(np.asarray(image))
    return len(labels), sum(len(np.unique(label)) - 1 for label in labels)


TOOLS: dict[str, Callable[[Path], tuple[int, int]]] = {
    "labelme": labelme,
    "yolo": yolo,
    "coco": coco,
    "cvat": cvat,
    "label-studio": label_studio,
    "voc": voc,
    "masks": masks,
}


def main(root: Path) -> int:
    failed = 0
    for name, opens in TOOLS.items():
        try:
            images, shapes = opens(root / name)
        except Exception:
            failed += 1
            traceback.print_exc()
            print(f"{name}: cannot be opened")
        else:
            print(f"{name}: {images} images, {shapes} shapes")
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
