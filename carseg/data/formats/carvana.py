"""Carvana's naming: ``NAME.jpg`` and ``NAME_mask.gif`` in one folder, or in two as ``masks`` pairs them."""

from __future__ import annotations

from pathlib import Path

from carseg.data.formats._base import Found, files_below, images_below, pair
from carseg.data.formats._values import MaskFile
from carseg.data.formats.masks import mask_folders, refuse_unsplit

NAME = "carvana"
LAYOUT = "*.jpg and *_mask.gif"

# The published masks hold 0 and 1; copies saved by image editors hold 0 and 255.
_VALUES = {0: "background", 1: "car", 255: "car"}


def read(folder: Path, images: Path | None = None, annotations: Path | None = None) -> dict[str, Found] | None:
    """Return the splits of a folder whose label images are all called ``*_mask.gif``."""
    pairs = mask_folders(folder, images, annotations)
    listed = {split: files_below(masks, (".gif",)) for split, (_, masks) in pairs.items()}
    if not all(name.endswith("_mask") for labels in listed.values() for name in labels):
        return None
    if any(listed.values()):
        refuse_unsplit(pairs)
    found = {}
    for split, labels in listed.items():
        records, problems = pair(images_below(pairs[split][0]), labels, MaskFile, ("_mask",))
        found[split] = Found(NAME, records, _VALUES, problems=problems)
    return found if any(listed.values()) else None
