"""YOLO segmentation: one text file per image, ``class x1 y1 x2 y2 ...`` per line, in shares of width and height.

Names come from ``data.yaml`` (or any one ``*.yaml`` with ``names``), else from a class file, else they are ``class_0``,
``class_1``, ... A background is put before the classes. An empty text file is an image of nothing but background; a
missing one is reported, unless the caller says that it is one too, as Ultralytics has it. A split is one folder of
images or more, or a text file that lists images. See ``_rasterize`` for the pixels that a polygon covers.

Where ``data.yaml`` has ``masks_dir``, as Ultralytics describes semantic segmentation, labels are label images whose
values are the numbers of the classes.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from carseg._files import to_json
from carseg.data.formats import masks
from carseg.data.formats._base import (
    SPLIT_ORDER,
    SPLITS,
    Found,
    Item,
    files_below,
    labeled_splits,
    maybe_background,
    pair,
    roots,
    split_folders,
)
from carseg.data.formats._class_files import Values, class_file
from carseg.data.formats._documents import brief, read_yaml
from carseg.data.formats._rasterize import Points, paint
from carseg.data.formats._shape_classes import lacks_background
from carseg.data.formats._values import MaskFile
from carseg.data.formats._writing import IGNORED, LabeledImage, Writer, classes_of, write_text
from carseg.data.formats._yolo_yaml import TEXTS, Description, Files, below, description
from carseg.errors import DataError
from carseg.labels import IGNORE, plain_name

NAME = "yolo"
LAYOUT = "data.yaml, or images/ and labels/*.txt"

_DIGITS = 6  # of a pixel
_OVERHANG = 0.01  # how far beyond the image a polygon may reach, for exporters that round; as Ultralytics has it


@dataclass(frozen=True)
class YoloLabel:
    """The polygons of one text file; class i is stored as value i + 1. ``classes`` are the numbers that there are."""

    path: Path
    classes: Collection[int]

    def read(self, height: int, width: int) -> np.ndarray:
        shapes: list[tuple[int, Points]] = []
        try:
            lines = self.path.read_text("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{self.path} cannot be read: {error}") from None
        for number, line in enumerate(lines, start=1):
            fields = line.split()
            if not fields:
                continue
            try:
                shapes.append((self._class(fields[0]) + 1, _polygon(fields[1:], height, width)))
            except ValueError as error:
                reason = str(error) if isinstance(error, DataError) else "is not numbers"
                raise DataError(f"line {number} of {self.path} {reason}") from None
        return paint(shapes, height, width)

    def _class(self, field: str) -> int:
        number = float(field)  # some exporters write 0.0
        if not (number.is_integer() and number in self.classes):
            numbers = f"{min(self.classes)}..{max(self.classes)}" if self.classes else "none"
            raise DataError(f"has the class {brief(field)[1:-1]}, which is no class of the data set: it has {numbers}")
        return int(number)


def _polygon(fields: list[str], height: int, width: int) -> Points:
    values = [float(field) for field in fields]
    if len(values) < 6 or len(values) % 2:
        kind = "a box" if len(values) == 4 else f"{len(values)} numbers"
        raise DataError(f"is {kind}, not a polygon of three points or more")
    wrong = next((i for i, value in enumerate(values) if not -_OVERHANG <= value <= 1 + _OVERHANG), None)
    if wrong is not None:
        raise DataError(f"has coordinates outside 0..1: {brief(fields[wrong])[1:-1]} in place {wrong + 1}")
    # Shares of a number of pixels seldom give it back exactly.
    sides = [
        round(value * side, _DIGITS) for value, side in zip(values, itertools.cycle((width, height)), strict=False)
    ]
    return list(zip(sides[::2], sides[1::2], strict=True))


def read(
    folder: Path, images: Path | None = None, annotations: Path | None = None, *, chosen: Path | None = None
) -> dict[str, Found] | None:
    """Return the splits that ``data.yaml``, or the ``chosen`` file, names, or of ``images/`` and ``labels/*.txt``."""
    described = description(folder, chosen)
    if chosen and described is None:
        return None
    if described and described.entries.get("kpt_shape"):
        raise DataError(f"{described.path} describes keypoints (kpt_shape), not polygons: label the outlines instead")
    places, missing = described.places() if described and not (images or annotations) else ({}, {})
    if described and described.masks_dir:
        return _label_images(described, places, missing)
    if not places:
        image_root, label_root = roots(folder, masks.IMAGE_FOLDERS, ("labels",), images, annotations)
        if image_root is None or label_root is None or not files_below(label_root, TEXTS):
            return None
        folders = labeled_splits(split_folders(image_root), split_folders(label_root), TEXTS)
        masks.refuse_unsplit(folders, TEXTS)
        folders = folders or {"": (image_root, label_root)}
        places = {split: [below(*both)] for split, both in folders.items()}
    if described is None and folder.name.lower() in SPLITS:
        described = description(folder.parent)
    texts = [path for parts in places.values() for _, its_texts in parts for path in its_texts.values()]
    names = (described.names() if described else {}) or _listed(folder) or _numbered(texts)
    values: Values = {0: None if lacks_background(class_file(folder)) else "background"}
    values |= {number + 1: None if plain_name(name or IGNORED) == IGNORED else name for number, name in names.items()}
    found = {}
    for split, parts in places.items():
        records: list[Item] = []
        problems: dict[str, str] = {}
        unlabeled: Files = {}
        for its_images, its_texts in parts:
            some, loose = pair(its_images, its_texts, lambda path: YoloLabel(path, names))
            records += some
            problems |= {name: why for name, why in loose.items() if Path(name).name != "classes"}
            unlabeled |= {name: its_images[name] for name in loose if name in its_images}
        problems |= {name: maybe_background(image) for name, image in unlabeled.items()} | missing.get(split, {})
        found[split] = Found(NAME, records, values, problems=problems, unlabeled=unlabeled)
    return found if any(part.records for part in found.values()) else None


def _label_images(
    described: Description, places: dict[str, list[tuple[Files, Files]]], missing: dict[str, dict[str, str]]
) -> dict[str, Found] | None:
    """Return the splits of a description with ``masks_dir``, None where there are no label images."""
    paired = {split: [pair(*both, MaskFile, masks.MASK_ENDINGS) for both in parts] for split, parts in places.items()}
    records = [record for parts in paired.values() for some, _ in parts for record in some]
    if not records:
        return None
    values: Values = dict(described.names())
    if not values:
        raise DataError(f"{described.path} has masks_dir and names no class: name those of the label images")
    stored = masks.scan_values(records, limit=64) if len(values) == 2 else set()
    if IGNORE in stored and stored <= {0, IGNORE}:  # as paint programs store two classes
        values[IGNORE] = values.pop(1)
    found = {}
    for split, parts in paired.items():
        problems = {name: why for _, loose in parts for name, why in loose.items()} | missing.get(split, {})
        found[split] = Found(masks.NAME, [record for some, _ in parts for record in some], values, problems=problems)
    return found


def _listed(folder: Path) -> Values:
    written = class_file(folder) or class_file(folder / "labels")
    return written.values if written else {}


def _numbered(texts: list[Path]) -> Values:
    """Return a name for every class up to the highest that occurs; broken lines are skipped."""
    highest = 0
    for path in texts:
        with suppress(OSError, UnicodeDecodeError):
            for line in path.read_text("utf-8-sig").splitlines():
                with suppress(ValueError):
                    first, *rest = line.split(maxsplit=1) or [""]
                    number = float(first)
                    if rest and number.is_integer() and number < IGNORE - 1:
                        highest = max(highest, int(number))
    return {i: f"class_{i}" for i in range(highest + 1)}


class YoloWriter(Writer):
    """Writes ``labels/NAME.txt``, and ``data.yaml`` for all splits.

    Pixels to ignore are a class "ignore" behind the others, where there are any: YOLO has no way to leave pixels out.
    """

    ignored = False  # whether any image has pixels to ignore

    def add(self, image: LabeledImage) -> None:
        self.ignored |= any(region.label == IGNORE for region in image.regions)
        write_text(self.folder / "labels" / f"{image.name}.txt", text(image))

    @classmethod
    def describe(cls, root: Path, writers: Sequence[Self]) -> None:
        path = root / "data.yaml"
        before = read_yaml(path) if path.exists() else {}  # of splits that were written earlier
        ignored = IGNORED in before.get("names", {}).values() or any(one.ignored for one in writers)
        names = [*classes_of(writers[0].labels).values(), *([IGNORED] if ignored else [])]
        places = {split: f"{split}/images" for split in SPLIT_ORDER if (root / split / "labels").is_dir()}
        # Ultralytics wants both.
        places = places or {"train": "images", "val": "images"}
        lines = [f"{split}: {place}" for split, place in places.items()]
        listed = [f"  {number}: {to_json(name)}" for number, name in enumerate(names)]
        write_text(path, "\n".join([*lines, "names:", *listed, ""]))


def text(image: LabeledImage) -> str:
    """Return a line for each polygon: the number of its class, and x and y of its corners in shares of the sides."""
    numbers = {label: number for number, label in enumerate((*classes_of(image.labels), IGNORE))}
    sides = image.size
    lines = []
    for region, ring in image.rings():
        shares = (f"{value / side:.12g}" for corner in ring for value, side in zip(corner, sides, strict=True))
        lines.append(f"{numbers[region.label]} {' '.join(shares)}\n")
    return "".join(lines)
