"""CamVid as it is passed around: colour-coded labels of 32 or 11 classes, and the SegNet copy's index labels.

Colours are those of the data set's own table and of the 11-class table that came with SegNet; the 11 classes are made
of the 32 as in the SegNet line of work.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from carseg.data.dataset import spread
from carseg.data.formats._base import Found, images_below, pair
from carseg.data.formats._class_files import class_file
from carseg.data.formats._color_tables import color_table
from carseg.data.formats._values import ColorFile, MaskFile, read_pixels
from carseg.data.formats.masks import MASK_ENDINGS, label_files, mask_folders, refuse_unsplit
from carseg.errors import DataError
from carseg.labels import CAMVID, CAMVID32, Color

NAME = "camvid"
LAYOUT = "label images in four or more of CamVid's colours and no class file, or train/ and trainannot/"

_COLORS32: dict[str, Color] = {
    "animal": (64, 128, 64),
    "archway": (192, 0, 128),
    "bicyclist": (0, 128, 192),
    "bridge": (0, 128, 64),
    "building": (128, 0, 0),
    "car": (64, 0, 128),
    "cart_luggage_pram": (64, 0, 192),
    "child": (192, 128, 64),
    "column_pole": (192, 192, 128),
    "fence": (64, 64, 128),
    "lane_markings_driving": (128, 0, 192),
    "lane_markings_non_driving": (192, 0, 64),
    "misc_text": (128, 128, 64),
    "motorcycle_scooter": (192, 0, 192),
    "other_moving": (128, 64, 64),
    "parking_block": (64, 192, 128),
    "pedestrian": (64, 64, 0),
    "road": (128, 64, 128),
    "road_shoulder": (128, 128, 192),
    "sidewalk": (0, 0, 192),
    "sign_symbol": (192, 128, 128),
    "sky": (128, 128, 128),
    "suv_pickup_truck": (64, 128, 192),
    "traffic_cone": (0, 0, 64),
    "traffic_light": (0, 64, 64),
    "train": (192, 64, 128),
    "tree": (128, 128, 0),
    "truck_bus": (192, 128, 192),
    "tunnel": (64, 0, 64),
    "vegetation_misc": (192, 192, 0),
    "void": (0, 0, 0),
    "wall": (64, 192, 0),
}

# Which of the 32 make each of the 11; "void" makes none of them.
_MADE_OF = {
    "sky": ("sky",),
    "building": ("building", "bridge", "wall", "tunnel", "archway"),
    "pole": ("column_pole", "traffic_cone"),
    "road": ("road", "lane_markings_driving", "lane_markings_non_driving"),
    "pavement": ("sidewalk", "parking_block", "road_shoulder"),
    "tree": ("tree", "vegetation_misc"),
    "sign_symbol": ("sign_symbol", "misc_text", "traffic_light"),
    "fence": ("fence",),
    "car": ("car", "suv_pickup_truck", "truck_bus", "train", "other_moving"),
    "pedestrian": ("pedestrian", "child", "cart_luggage_pram", "animal"),
    "bicyclist": ("bicyclist", "motorcycle_scooter"),
}
_TO_11 = {part: whole for whole, parts in _MADE_OF.items() for part in parts}
_IGNORE_VOID = {"void": "ignore"}
_MAPS32 = {"": _IGNORE_VOID, "camvid32": _IGNORE_VOID, "camvid": {**_TO_11, **_IGNORE_VOID}}

# 11-class labels take the colour of the first of the parts, but for the pavement, which some copies paint in its own.
_COLORS11 = [_COLORS32[parts[0]] for parts in _MADE_OF.values()]
_PAVEMENT: Color = (60, 40, 222)
_PALETTE11 = (*_COLORS11, _PAVEMENT, (0, 0, 0))
_FEWEST = 4  # colours beside the void's; other palettes have a few of CamVid's
_OF_VOC_TOO = {_COLORS32[name] for name in ("void", "building", "tree", "sky", "car", "archway", "sign_symbol")}
_VALUES11 = {**dict(enumerate(CAMVID.classes)), 11: "pavement", 12: None}
_SEGNET = {**dict(enumerate(CAMVID.classes)), 11: None}


def read(folder: Path, images: Path | None = None, annotations: Path | None = None) -> dict[str, Found] | None:
    """Return the splits of labels in CamVid's colours, or of ``train/`` beside ``trainannot/`` with values 0..11.

    A folder that has a class file, or a colour table that lacks a colour of the 11 classes, is not CamVid, though it
    looks like it. Nor, without a table, are few of its colours, or those alone that Pascal VOC's palette has too.
    """
    pairs = mask_folders(folder, images, annotations)
    listed = {split: label_files(*two) for split, two in pairs.items()}
    labels = [path for files in listed.values() for path in files.values()]
    colors = _colors(spread(labels, 16))
    if colors:
        written = color_table(folder)
        several = len(colors - {_COLORS32["void"]}) >= _FEWEST and bool(colors - _OF_VOC_TOO)
        told = {*written.values()} >= {*_COLORS11} if written else several and class_file(folder) is None
        is_camvid = colors <= {*_COLORS32.values(), _PAVEMENT} and told
        evidence = f"all {len(colors)} colours of its labels are CamVid's"
    else:
        annot = all(masks.name.lower().endswith("annot") for _, masks in pairs.values())
        is_camvid = bool(labels) and annot and class_file(folder) is None
        evidence = "its labels are called annot and no class file names their values"
    if not is_camvid:
        return None
    refuse_unsplit(pairs)
    full = bool(colors - set(_PALETTE11))
    palette = () if not colors else tuple(_COLORS32.values()) if full else _PALETTE11
    values = _SEGNET if not colors else dict(enumerate(CAMVID32.classes)) if full else _VALUES11
    found = {}
    for split, (image_root, _) in pairs.items():
        records, problems = pair(
            images_below(image_root),
            listed[split],
            lambda path: ColorFile(path, palette) if palette else MaskFile(path),
            MASK_ENDINGS,
        )
        found[split] = Found(NAME, records, values, maps=_MAPS32 if full else {}, problems=problems, evidence=evidence)
    return found


def _colors(labels: list[Path]) -> set[Color]:
    """Return the colours of these labels; none where they are grey or hold indices."""
    colors: set[Color] = set()
    for path in labels:
        try:
            pixels = read_pixels(path)
        except DataError:
            continue
        if pixels.ndim == 3 and not (pixels == pixels[..., :1]).all():
            colors.update(map(tuple, np.unique(pixels.reshape(-1, 3), axis=0).tolist()))
    return colors
