"""The formats of labelled images, one per file: ``NAME``, ``LAYOUT`` and ``read``.

To read another one, insert a module or object with these three into ``FORMATS``.
"""

from __future__ import annotations

from carseg.data.formats import arrays, bdd100k, camvid, carvana, cityscapes, coco, labelme, masks, voc, yolo
from carseg.data.formats._base import Format, Found, Item

__all__ = ["FORMATS", "Format", "Found", "Item"]

# Asked in this order, particular layouts before general ones; the first that recognises a folder reads it.
FORMATS: list[Format] = [cityscapes, voc, bdd100k, carvana, yolo, labelme, coco, camvid, masks, arrays]
