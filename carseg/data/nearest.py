"""Which format a folder is nearest to that no reader recognises, and what is to be done about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from carseg.data.formats._base import files_in, images_below, subfolder
from carseg.data.formats.masks import IMAGE_FOLDERS, MASK_FOLDERS

_BRUSH = re.compile(r"task-\d+-annotation-\d+-.*\.png", re.IGNORECASE)  # Label Studio: one file per drawn region
_LOOKED_INTO = 20  # folders, files
_START = 1 << 16  # bytes

# What the beginning of a tool's own file holds, and where to go from it.
_TOOLS = (
    (".json", '"_via_', "VGG's annotator: export the annotations as COCO"),
    (".json", '"regions"', "VGG's annotator: export the annotations as COCO"),
    (".json", '"completed_by"', "Label Studio: export as COCO or YOLO with images"),
    (".json", '"original_width"', "Label Studio: export as COCO or YOLO with images"),
    (".json", '"data_row"', "Labelbox: export the masks and put them into masks/ beside images/"),
    (".xml", "<annotations", "CVAT: export as COCO 1.0, or as Segmentation mask with images"),
    (".xml", "<bndbox", "boxes of Pascal VOC: label the outlines instead"),
)


def nearest(folder: Path, fitting: Callable[[Path], tuple[str, ...]]) -> str:
    """Return what the folder is nearest to and the way to a format that is read, "" where nothing is near.

    Args:
        folder: a folder that no reader recognises.
        fitting: gives the names of the formats that recognise a folder.
    """
    return next(_hints(folder, fitting), "")


def _hints(folder: Path, fitting: Callable[[Path], tuple[str, ...]]) -> Iterator[str]:
    if subfolder(folder, ("segmentationclass",)):
        yield (
            "it is nearest to voc, whose SegmentationClass/ it has: put the images into JPEGImages/ beside it, "
            "or say where they are (images=)"
        )
    if any(_BRUSH.fullmatch(path.name) for path in files_in(folder, ".png")):
        yield (
            "it holds brush masks of Label Studio, a file for each drawn region, and is nearest to masks: join those "
            "of an image into one label image, and put them into masks/ beside images/"
        )
    texts = files_in(folder, ".txt")
    if texts and not {path.stem for path in texts}.isdisjoint(images_below(folder)):
        yield "it is nearest to yolo, with texts beside the images: format='yolo', images='.', annotations='.' reads it"
    for below in ("[!.]*", "[!.]*/[!.]*"):
        inside = [place for place in sorted(folder.glob(below)) if place.is_dir()]
        found = [(place, names) for place in inside[:_LOOKED_INTO] if (names := fitting(place))]
        if found:
            listed = ", ".join(f"{place} ({' or '.join(names)})" for place, names in found[:3])
            yield f"it is a folder too high, open what lies in it: {listed}"
    if folder.name.lower() in {*IMAGE_FOLDERS, *MASK_FOLDERS} and (names := fitting(folder.parent)):
        yield f"it is a folder too low, open the one above it ({' or '.join(names)}): {folder.parent}"
    for ending, mark, tool in _TOOLS:
        for path in islice(files_in(folder, ending), _LOOKED_INTO):
            if mark in _start_of(path):
                yield f"{path.name} is a file of {tool}"


def _start_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_START).decode("utf-8", "replace")
    except OSError:
        return ""
