"""The formats of labelled images, one per file: ``NAME``, ``LAYOUT``, ``read`` and, of many, a writer.

To read another one, insert a module or object with these three into ``FORMATS``; if its ``read`` also takes folders of
images and annotations that lie elsewhere, into ``ELSEWHERE`` too.
"""

from __future__ import annotations

from carseg.data.formats import (
    arrays,
    bdd100k,
    camvid,
    carvana,
    cityscapes,
    coco,
    cvat,
    label_studio,
    labelme,
    masks,
    supervisely,
    voc,
    yolo,
)
from carseg.data.formats._base import Format, Found, Item, MovableFormat
from carseg.data.formats._writing import Writer

__all__ = ["ELSEWHERE", "FORMATS", "WRITERS", "Format", "Found", "Item", "MovableFormat"]

# Asked in this order, particular layouts before general ones; the first that recognises a folder reads it.
FORMATS: list[Format] = [
    *(cityscapes, voc, bdd100k, carvana, supervisely, yolo, labelme, coco, cvat, label_studio, camvid, masks, arrays)
]
# Those of them whose images and annotations may lie elsewhere, in the same order.
ELSEWHERE: list[MovableFormat] = [voc, carvana, yolo, labelme, coco, cvat, label_studio, camvid, masks]
# What writes a format, by its name.
WRITERS: dict[str, type[Writer]] = {
    labelme.NAME: labelme.LabelmeWriter,
    yolo.NAME: yolo.YoloWriter,
    coco.NAME: coco.CocoWriter,
    cvat.NAME: cvat.CvatWriter,
    "label-studio": label_studio.LabelStudioWriter,
    voc.NAME: voc.VocWriter,
    masks.NAME: masks.MasksWriter,
}
