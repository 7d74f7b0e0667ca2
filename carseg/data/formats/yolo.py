"""YOLO segmentation: one text file per image, ``class x1 y1 x2 y2 ...`` per line, in shares of width and height.

Names come from ``data.yaml`` (or any one ``*.yaml`` with ``names``), else from a class file, else they are ``class_0``,
``class_1``, ... A background is put before the classes. An empty text file is an image of nothing but background; a
missing one is reported. A split is one folder of images or more, or a text file that lists images. See
``_rasterize`` for the pixels that a polygon covers.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from carseg.data.formats._base import (
    SPLIT_ORDER,
    SPLITS,
    Found,
    Item,
    files_below,
    files_in,
    filled_lines,
    images_below,
    labeled_splits,
    pair,
    roots,
    split_folders,
)
from carseg.data.formats._class_files import Values, class_file
from carseg.data.formats._rasterize import Points, paint
from carseg.data.formats.masks import IMAGE_FOLDERS
from carseg.errors import DataError
from carseg.labels import IGNORE

NAME = "yolo"
LAYOUT = "data.yaml, or images/ and labels/*.txt"

Files = dict[str, Path]

_TEXTS = (".txt",)
_OVERHANG = 0.01  # how far beyond the image a polygon may reach, for exporters that round; as Ultralytics has it


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
                if not all(-_OVERHANG <= value <= 1 + _OVERHANG for value in values):
                    raise DataError("has coordinates outside 0..1")
                points = [(x * width, y * height) for x, y in zip(values[::2], values[1::2], strict=True)]
                number_of_class = float(fields[0])  # some exporters write 0.0
                if not (number_of_class.is_integer() and 0 <= number_of_class < IGNORE - 1):
                    raise DataError(f"has the class {fields[0]}")
                shapes.append((int(number_of_class) + 1, points))
            except ValueError as error:
                reason = str(error) if isinstance(error, DataError) else "is not numbers"
                raise DataError(f"line {number} of {self.path} {reason}") from None
        return paint(shapes, height, width)


def read(
    folder: Path, images: Path | None = None, annotations: Path | None = None, *, chosen: Path | None = None
) -> dict[str, Found] | None:
    """Return the splits that ``data.yaml``, or the ``chosen`` file, names, or of ``images/`` and ``labels/*.txt``."""
    described = _description(folder, chosen)
    if chosen and described is None:
        return None
    if described and "kpt_shape" in described:
        raise DataError(f"{chosen or folder} describes keypoints (kpt_shape), not polygons: label the outlines instead")
    places, missing = _places(folder, described) if described and not (images or annotations) else ({}, {})
    if not places:
        image_root, label_root = roots(folder, IMAGE_FOLDERS, ("labels",), images, annotations)
        if image_root is None or label_root is None or not files_below(label_root, _TEXTS):
            return None
        folders = labeled_splits(split_folders(image_root), split_folders(label_root), _TEXTS)
        folders = folders or {"": (image_root, label_root)}
        places = {split: [_below(*both)] for split, both in folders.items()}
    if described is None and folder.name.lower() in SPLITS:
        described = _description(folder.parent)
    texts = [path for parts in places.values() for _, its_texts in parts for path in its_texts.values()]
    names = _names(described or {}) or _listed(folder) or _numbered(texts)
    values: Values = {0: "background"}
    values |= {number + 1: name for number, name in names.items()}
    found = {}
    for split, parts in places.items():
        records: list[Item] = []
        problems: dict[str, str] = {}
        for its_images, its_texts in parts:
            some, loose = pair(its_images, its_texts, YoloLabel)
            records += some
            problems |= {name: why for name, why in loose.items() if Path(name).name != "classes"}
        found[split] = Found(NAME, records, values, problems=problems | missing.get(split, {}))
    return found if any(part.records for part in found.values()) else None


def _listed(folder: Path) -> Values:
    written = class_file(folder) or class_file(folder / "labels")
    return written.values if written else {}


def _numbered(texts: list[Path]) -> Values:
    """Return a name for every class up to the highest that occurs; broken lines are skipped."""
    numbers = [0]
    for path in texts:
        with suppress(OSError, UnicodeDecodeError):
            fields = (line.split(maxsplit=1) for line in path.read_text("utf-8-sig").splitlines())
            numbers += [int(first) for first, *rest in filter(None, fields) if rest and first.isdecimal()]
    return {i: f"class_{i}" for i in range(min(max(numbers), IGNORE - 2) + 1)}


def _description(folder: Path, chosen: Path | None = None) -> Mapping[str, Any] | None:
    import yaml  # type: ignore[import-untyped]  # comes with timm and huggingface-hub

    there = sorted(files_in(folder, ".yaml", ".yml"), key=lambda p: p.name != "data.yaml")
    for path in [chosen] if chosen else there:
        try:
            described = yaml.safe_load(path.read_text("utf-8-sig"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            if path.name != "data.yaml" and path != chosen:
                continue
            raise DataError(f"{path} is no valid YAML file: {error}") from None
        if isinstance(described, dict) and "names" in described:
            return described
    return None


def _names(described: Mapping[str, Any]) -> Values:
    names = described.get("names") or []
    if isinstance(names, dict):
        by_number = {int(n) if str(n).isdecimal() else n: name for n, name in names.items()}  # some are quoted
        if set(by_number) != set(range(len(names))):
            raise DataError(f"data.yaml numbers its classes {list(names)}, not 0..{len(names) - 1}")
        names = [by_number[i] for i in range(len(names))]
    if not isinstance(names, list):
        raise DataError(f"data.yaml's names are no list of classes but {names!r}")
    return dict(enumerate(map(str, names)))


def _places(
    folder: Path, described: Mapping[str, Any]
) -> tuple[dict[str, list[tuple[Files, Files]]], dict[str, dict[str, str]]]:
    """Return each split's images and text files by name, folder by folder or list by list; and what is not there.

    A test split may be without labels, or only be named: it is left out then.
    """
    places: dict[str, list[tuple[Files, Files]]] = {}
    missing: dict[str, dict[str, str]] = {}
    for split in SPLIT_ORDER:
        stated = described.get(split) or (described.get("valid") if split == "val" else None)
        listed = stated if isinstance(stated, list) else [stated] if stated else []
        for place in map(str, listed):
            there = _find(folder, described, place)
            if there is not None and there.is_file():
                places.setdefault(split, []).append(_listed_in(there, folder, described))
            elif there is not None and (split != "test" or _labels_of(there).is_dir()):
                prefix = f"{place.strip('./')}/" if len(listed) > 1 else ""  # a name may be in several of them
                places.setdefault(split, []).append(_below(there, _labels_of(there), prefix))
            elif split != "test":
                missing.setdefault(split, {})[place] = f"data.yaml names {place} for {split}, which is not there"
    if not places:  # whatever it describes, it is not this folder
        return {}, {}
    return {split: places.get(split, []) for split in SPLIT_ORDER if split in places or split in missing}, missing


def _below(image_root: Path, label_root: Path, prefix: str = "") -> tuple[Files, Files]:
    images, texts = images_below(image_root), files_below(label_root, _TEXTS)
    return {prefix + name: path for name, path in images.items()}, {prefix + n: p for n, p in texts.items()}


def _listed_in(file: Path, folder: Path, described: Mapping[str, Any]) -> tuple[Files, Files]:
    """Return the images that a text file lists, and the text files that belong to them.

    CVAT writes ``data/`` before each, a folder that its archive has not.

    Raises:
        DataError: it lists one that is not there, or is no text.
    """
    images, texts = {}, {}
    try:
        lines = filled_lines(file.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as a list of images: {error}") from None
    for line in lines:
        image = _find(folder, described, line) or _find(folder, described, line.partition("/")[2] or line)
        if image is None:
            raise DataError(f"{file} lists {line}, which is not there")
        inside = image.relative_to(folder) if image.is_relative_to(folder) else image
        name, text = inside.with_suffix("").as_posix(), _labels_of(image).with_suffix(".txt")
        images[name] = image
        if text.is_file():
            texts[name] = text
    return images, texts


def _find(folder: Path, described: Mapping[str, Any], place: str) -> Path | None:
    """Return what a path of ``data.yaml``, or of a list, points to, None if there is nothing.

    Exporters write it relative to this folder, to the entry ``path``, or to the folder above.
    """
    inside = place.removeprefix("../").removeprefix("./")
    root = folder / str(described.get("path") or "")
    candidates = [folder / place, root / place, folder / inside]
    # Not resolved: the labels of linked images lie beside the links.
    return next((Path(os.path.abspath(candidate)) for candidate in candidates if candidate.exists()), None)


def _labels_of(place: Path) -> Path:
    """Return the path of a folder's or an image's text files: its last folder called like "images" becomes "labels"."""
    parts = list(place.parts)
    for i in range(len(parts) - 1, -1, -1):
        if parts[i].lower() in IMAGE_FOLDERS:
            parts[i] = "labels"
            break
    return Path(*parts)
