"""The formats of labelled images, one per file: ``NAME``, ``LAYOUT`` and ``read``.

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
    labelme,
    masks,
    supervisely,
    voc,
    yolo,
)
from carseg.data.formats._base import Format, Found, Item, MovableFormat

__all__ = ["ELSEWHERE", "FORMATS", "Format", "Found", "Item", "MovableFormat"]

# Asked in this order, particular layouts before general ones; the first that recognises a folder reads it.
FORMATS: list[Format] = [cityscapes, voc, bdd100k, carvana, supervisely, yolo, labelme, coco, camvid, masks, arrays]
# Those of them whose images and annotations may lie elsewhere, in the same order.
ELSEWHERE: list[MovableFormat] = [voc, carvana, yolo, labelme, coco, camvid, masks]
