"""BDD100K's drivable area maps as its archives unpack: pictures in ``images/100k/SPLIT/``, labels in

labels/drivable/masks/SPLIT/NAME.png               0 direct lane, 1 alternative lane, 2 neither
drivable_maps/labels/SPLIT/NAME_drivable_id.png    0 neither, 1 direct lane, 2 alternative lane (the older release)
"""

from __future__ import annotations

from pathlib import Path

from carseg.data.found import Found, files_below, pair, pictures_below, split_folders
from carseg.data.pixels import MaskFile
from carseg.labels import BDD

_LEGACY_ENDING = "_drivable_id"
_LEGACY = {1: "direct_lane", 2: "alternative_lane", 0: "background"}


def read_folder(folder: Path) -> dict[str, Found] | None:
    """Any split that has both pictures and maps."""
    images = next((folder / p for p in ("images/100k", "images") if (folder / p).is_dir()), None)
    maps = next((folder / p for p in ("labels/drivable/masks", "drivable_maps/labels") if (folder / p).is_dir()), None)
    if images is None or maps is None:
        return None
    pictures, labels = split_folders(images), split_folders(maps)
    found = {}
    for split in pictures.keys() & labels.keys():
        files = files_below(labels[split], (".png",))
        legacy = any(name.endswith(_LEGACY_ENDING) for name in files)
        records, problems = pair(pictures_below(pictures[split]), files, MaskFile, (_LEGACY_ENDING if legacy else "",))
        values = _LEGACY if legacy else dict(enumerate(BDD.classes))
        found[split] = Found("bdd100k", records, values, problems=problems)
    return {split: found[split] for split in pictures if split in found} or None
