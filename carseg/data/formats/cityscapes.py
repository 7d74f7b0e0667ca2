"""Cityscapes: ``leftImg8bit/SPLIT/CITY/*_leftImg8bit.png`` and ``gtFine`` labels, as the 19 evaluated classes.

Full ids (``labelIds``) and training ids (``labelTrainIds``) both give the training ids; everything else is ignored.
"""

from __future__ import annotations

from pathlib import Path

from carseg.data.formats._base import Found, files_below, images_below, labeled_splits, pair, split_folders
from carseg.data.formats._values import MaskFile

NAME = "cityscapes"
LAYOUT = "leftImg8bit/ and gtFine/"

_LABELS = (".png",)
_IMAGE = "_leftImg8bit"
# Full id of each class, in the order of the training ids.
_IDS = {
    7: "road",
    8: "sidewalk",
    11: "building",
    12: "wall",
    13: "fence",
    17: "pole",
    19: "traffic_light",
    20: "traffic_sign",
    21: "vegetation",
    22: "terrain",
    23: "sky",
    24: "person",
    25: "rider",
    26: "car",
    27: "truck",
    28: "bus",
    31: "train",
    32: "motorcycle",
    33: "bicycle",
}
_FULL = {**_IDS, **{value: None for value in range(34) if value not in _IDS}}
_TRAIN = dict(enumerate(_IDS.values()))


def read(folder: Path) -> dict[str, Found] | None:
    """Return the splits that have both images and labels, and the validation split beside such a training split.

    Full ids are preferred where both kinds are there.
    """
    image_root, label_root = folder / "leftImg8bit", folder / "gtFine"
    if not (image_root.is_dir() and label_root.is_dir()):
        return None
    folders = labeled_splits(split_folders(image_root), split_folders(label_root), _LABELS)
    files = {split: files_below(labels, _LABELS) for split, (_, labels) in folders.items()}
    full = any(name.endswith("_labelIds") for names in files.values() for name in names)
    ending = "_gtFine_labelIds" if full else "_gtFine_labelTrainIds"
    found = {}
    for split, (images, _) in folders.items():
        named = {name.removesuffix(_IMAGE): path for name, path in images_below(images).items()}
        labels = {name: path for name, path in files[split].items() if name.endswith(ending)}
        records, problems = pair(named, labels, MaskFile, (ending,))
        found[split] = Found(NAME, records, _FULL if full else _TRAIN, problems=problems)
    return found or None
