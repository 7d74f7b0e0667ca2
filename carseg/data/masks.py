"""Pictures beside label pictures of the same names: index, palette, grey or colour-coded files.

A label's values are its palette indices or grey levels, 255 is ignored; where a colour table lies in the folder
(``carseg.data.colors``) they are its colours. Two folders are paired as

    images/[train|val|test/]  masks/[train|val|test/]      (also imgs, img_dir, ... and labels, annotations, ...)
    train/ val/ test/         train_masks/ | trainannot/ | train_labels/ ...
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from carseg.data.colors import color_table
from carseg.data.found import Found, Record, files_below, pair, pictures_below, split_folders, subfolder
from carseg.data.pixels import ColorFile, MaskFile
from carseg.errors import DataError
from carseg.labels import IGNORE

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "img_dir", "pictures", "701_stillsraw_full")
MASK_FOLDERS = ("masks", "mask", "labels", "label", "annotations", "ann_dir", "gt", "labeledapproved_full")
MASK_SUFFIXES = (".png", ".gif", ".bmp", ".tif", ".tiff")
MASK_ENDINGS = ("", "_mask", "_label", "_labels", "_seg", "_gt", "_L", "_P")
_SIBLINGS = ("_masks", "_mask", "_labels", "_label", "annot", "_annot", "_gt")


def mask_folders(folder: Path) -> dict[str, tuple[Path, Path]]:
    """The folders of pictures and of label pictures by split ("": no splits), {} where there are none."""
    images, masks = subfolder(folder, IMAGE_FOLDERS), subfolder(folder, MASK_FOLDERS)
    if images is not None and masks is not None:
        inner, labels = split_folders(images), split_folders(masks)
        pairs = {split: (inner[split], labels[split]) for split in inner if split in labels} or {"": (images, masks)}
    else:
        pairs = {}
        for split, pictures in split_folders(folder).items():
            sibling = subfolder(folder, [pictures.name.lower() + ending for ending in _SIBLINGS])
            if sibling is not None:
                pairs[split] = (pictures, sibling)
    return {split: two for split, two in pairs.items() if files_below(two[1], MASK_SUFFIXES)}


def read_folder(folder: Path) -> dict[str, Found] | None:
    """Every split of a folder of pictures and label pictures; names come from a colour table, or are left open."""
    pairs = mask_folders(folder)
    table = color_table(folder)
    found = {}
    colors = tuple(table.values()) if table else ()
    for split, (images, masks) in pairs.items():
        records, problems = pair(
            pictures_below(images),
            files_below(masks, MASK_SUFFIXES),
            lambda path: ColorFile(path, colors) if colors else MaskFile(path),
            MASK_ENDINGS,
        )
        values: Mapping[int, str | None] | None = dict(enumerate(table)) if table else None
        found[split] = Found("masks", records, values, colors=table or {}, problems=problems)
    return found or None


def scan_values(records: list[Record], limit: int | None = None) -> set[int]:
    """Values stored in the labels of these records, or of ``limit`` of them; broken labels are passed over."""
    step = max(1, len(records) // limit) if limit else 1
    values: set[int] = set()
    for record in records[::step]:
        try:
            values.update(np.unique(record.label.read(0, 0)).tolist())
        except DataError:
            continue  # verify() and check() name it
    return values


def stores_binary(records: list[Record]) -> bool:
    """Whether the labels hold nothing but 0 and 255, as far as 64 of them tell."""
    if 1 in scan_values(records[:1]):  # the usual case, decided by one file
        return False
    values = scan_values(records, limit=64)
    return IGNORE in values and values <= {0, IGNORE}
