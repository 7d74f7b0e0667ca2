"""BDD100K's drivable area maps as its archives unpack.

images/100k/SPLIT/NAME.jpg                         the images
labels/drivable/masks/SPLIT/NAME.png               0 direct lane, 1 alternative lane, 2 neither
drivable_maps/labels/SPLIT/NAME_drivable_id.png    0 neither, 1 direct lane, 2 alternative lane (the older release)
"""

from __future__ import annotations

from pathlib import Path

from carseg.data.formats._base import Found, files_below, images_below, labeled_splits, pair, split_folders
from carseg.data.formats._values import MaskFile
from carseg.labels import BDD

NAME = "bdd100k"
LAYOUT = "images/ and labels/drivable/masks/ or drivable_maps/labels/"

_LABELS = (".png",)
_LEGACY_ENDING = "_drivable_id"
_LEGACY = {1: "direct_lane", 2: "alternative_lane", 0: "background"}


def read(folder: Path) -> dict[str, Found] | None:
    """Return the splits that have both images and maps, and the validation split beside such a training split."""
    image_root = next((folder / p for p in ("images/100k", "images") if (folder / p).is_dir()), None)
    maps = next((folder / p for p in ("labels/drivable/masks", "drivable_maps/labels") if (folder / p).is_dir()), None)
    if image_root is None or maps is None:
        return None
    folders = labeled_splits(split_folders(image_root), split_folders(maps), _LABELS)
    files = {split: files_below(labels, _LABELS) for split, (_, labels) in folders.items()}
    legacy = any(name.endswith(_LEGACY_ENDING) for names in files.values() for name in names)
    ending, values = (_LEGACY_ENDING, _LEGACY) if legacy else ("", dict(enumerate(BDD.classes)))
    found = {}
    for split, (images, _) in folders.items():
        records, problems = pair(images_below(images), files[split], MaskFile, (ending,))
        found[split] = Found(NAME, records, values, problems=problems)
    return found or None
