"""YOLO segmentation: one text file a picture, ``class x1 y1 x2 y2 ...`` a line, in shares of width and height.

Names come from ``data.yaml`` (or any one ``*.yaml`` with ``names``), else from a class file, else they are ``class_0``,
``class_1``, ... A background is put before the classes. An empty text file is a picture of nothing but background; a
missing one is reported. See ``carseg.data.shapes`` for what a polygon covers.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from carseg import image
from carseg.data.classes import class_file
from carseg.data.found import (
    SPLITS,
    Found,
    Record,
    files_below,
    files_in,
    pair,
    pictures_below,
    split_folders,
    subfolder,
)
from carseg.data.masks import IMAGE_FOLDERS
from carseg.data.shapes import Points, paint
from carseg.errors import DataError
from carseg.labels import IGNORE


@dataclass(frozen=True)
class YoloLabel:
    """The polygons of one text file; class i is stored as value i + 1."""

    path: Path

    def read(self, height: int, width: int) -> np.ndarray:
        shapes: list[tuple[int, Points]] = []
        try:
            lines = self.path.read_text("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{self.path} cannot be read: {error}") from None
        for number, line in enumerate(lines, start=1):
            fields = line.split()
            try:
                values = [float(field) for field in fields[1:]]
                if not fields:
                    continue
                if len(values) < 6 or len(values) % 2:
                    kind = "a box" if len(values) == 4 else f"{len(values)} numbers"
                    raise DataError(f"is {kind}, not a polygon")
                if not all(0 <= value <= 1 for value in values):
                    raise DataError("has coordinates outside 0..1")
                points = [(x * width, y * height) for x, y in zip(values[::2], values[1::2], strict=True)]
                if not 0 <= int(fields[0]) < IGNORE - 1:
                    raise DataError(f"has the class {fields[0]}")
                shapes.append((int(fields[0]) + 1, points))
            except ValueError as error:
                reason = str(error) if isinstance(error, DataError) else "is not numbers"
                raise DataError(f"line {number} of {self.path} {reason}") from None
        return paint(shapes, height, width)


def read_folder(folder: Path) -> dict[str, Found] | None:
    """The splits that ``data.yaml`` names, or ``images/`` beside ``labels/*.txt``."""
    described = _description(folder)
    places = _places(folder, described) if described else {}
    if not places:
        images, labels = subfolder(folder, IMAGE_FOLDERS), subfolder(folder, ("labels",))
        if images is None or labels is None or not files_below(labels, (".txt",)):
            return None
        inner, notes = split_folders(images), split_folders(labels)
        places = {s: [(inner[s], notes[s])] for s in inner if s in notes} or {"": [(images, labels)]}
    if described is None and folder.name.lower() in SPLITS:
        described = _description(folder.parent)
    text_folders = [labels for folders in places.values() for _, labels in folders]
    names = _names(described or {}) or _listed(folder) or _numbered(text_folders)
    values: dict[int, str | None] = dict(enumerate(["background", *names]))
    found = {}
    for split, folders in places.items():
        records: list[Record] = []
        problems: dict[str, str] = {}
        for images, labels in folders:
            some, loose = pair(pictures_below(images), files_below(labels, (".txt",)), YoloLabel)
            records += some
            problems |= {name: why for name, why in loose.items() if Path(name).name != "classes"}
        found[split] = Found("yolo", records, values, problems=problems)
    return found if any(part.records for part in found.values()) else None


def _listed(folder: Path) -> list[str]:
    written = class_file(folder) or class_file(folder / "labels")
    return [str(name) for name in written[0].values()] if written else []


def _numbered(folders: list[Path]) -> list[str]:
    """A name for every class up to the highest that occurs; broken lines are passed over."""
    numbers = [0]
    for path in (path for folder in folders for path in files_below(folder, (".txt",)).values()):
        with suppress(OSError, UnicodeDecodeError):
            fields = (line.split(maxsplit=1) for line in path.read_text("utf-8-sig").splitlines())
            numbers += [int(first) for first, *rest in filter(None, fields) if rest and first.isdecimal()]
    return [f"class_{i}" for i in range(min(max(numbers), IGNORE - 2) + 1)]


def _description(folder: Path) -> Mapping[str, Any] | None:
    import yaml  # type: ignore[import-untyped]  # comes with timm and huggingface-hub

    for path in sorted(files_in(folder, ".yaml", ".yml"), key=lambda p: p.name != "data.yaml"):
        try:
            described = yaml.safe_load(path.read_text("utf-8-sig"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            if path.name != "data.yaml":
                continue
            raise DataError(f"{path} is no valid YAML file: {error}") from None
        if isinstance(described, dict) and "names" in described:
            return described
    return None


def _names(described: Mapping[str, Any]) -> list[str]:
    names = described.get("names") or []
    if isinstance(names, dict):
        if set(names) != set(range(len(names))):
            raise DataError(f"data.yaml numbers its classes {list(names)}, not 0..{len(names) - 1}")
        names = [names[i] for i in range(len(names))]
    if not isinstance(names, list):
        raise DataError(f"data.yaml's names are no list of classes but {names!r}")
    return [str(name) for name in names]


def _places(folder: Path, described: Mapping[str, Any]) -> dict[str, list[tuple[Path, Path]]]:
    """For each split its folders of pictures and of text files."""
    places = {}
    for split in ("train", "val", "test"):
        said = described.get(split) or (described.get("valid") if split == "val" else None)
        folders = [
            _find(folder, described, str(place))
            for place in (said if isinstance(said, list) else [said] if said else [])
        ]
        pairs = [(images, labels) for images in folders if images and (labels := _labels_of(images)).is_dir()]
        if pairs:
            places[split] = pairs
    return places


def _find(folder: Path, described: Mapping[str, Any], place: str) -> Path | None:
    """Where a path of ``data.yaml`` points: exporters write it relative to here, to ``path``, or one folder up."""
    if Path(place).suffix.lower() in {".txt", *image.SUFFIXES}:
        raise DataError(f"data.yaml of {folder} lists {place}; only folders of pictures can be read")
    inside = place.removeprefix("../").removeprefix("./")
    candidates = [folder / place, folder / str(described.get("path") or "") / place, folder / inside]
    return next((candidate.resolve() for candidate in candidates if candidate.is_dir()), None)


def _labels_of(images: Path) -> Path:
    """The folder of text files: the last "images" of the path becomes "labels"."""
    parts = list(images.parts)
    for i in range(len(parts) - 1, -1, -1):
        if parts[i].lower() in IMAGE_FOLDERS:
            parts[i] = "labels"
            break
    return Path(*parts)
