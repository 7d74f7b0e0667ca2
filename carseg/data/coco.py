"""COCO instance annotations: polygons of one or several rings, and run lengths.

Painted as every figure of the project assumes: pycocotools' rasterisation, the rings of an annotation united, annotations in
the order of decreasing ``area``, ties by annotation id, so that the smaller part lies on top.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from carseg.data.found import SPLITS, Found, Record, pictures_below, subfolder
from carseg.data.masks import IMAGE_FOLDERS
from carseg.errors import DataError, MissingExtraError


@dataclass(frozen=True)
class CocoLabel:
    """The annotations of one picture: (stored value, segmentation) in painting order; the size is COCO's own."""

    name: str
    height: int
    width: int
    shapes: tuple[tuple[int, Any], ...]

    def read(self, height: int, width: int) -> np.ndarray:
        mask = np.zeros((self.height, self.width), dtype=np.uint8)
        for value, segmentation in self.shapes:
            mask[rasterise(segmentation, self.height, self.width, self.name)] = value
        return mask


def rasterise(segmentation: Any, height: int, width: int, name: str) -> np.ndarray:
    """bool (height, width): a COCO segmentation (rings, counts, or compressed counts) as pycocotools paints it."""
    try:
        from pycocotools import mask as run_lengths
    except ImportError:
        raise MissingExtraError("pycocotools", "coco", "reading COCO polygons") from None
    try:
        if isinstance(segmentation, list):
            rings = [ring for ring in segmentation if len(ring) >= 6]
            if not rings:
                return np.zeros((height, width), dtype=bool)
            runs = run_lengths.merge(run_lengths.frPyObjects(rings, height, width))
        elif isinstance(segmentation["counts"], list):
            runs = run_lengths.frPyObjects(segmentation, height, width)
        else:
            runs = segmentation
        painted = run_lengths.decode(runs).astype(bool)
    except (TypeError, KeyError, ValueError, IndexError) as error:
        raise DataError(f"{name} has a segmentation that is neither polygons nor run lengths: {error!r}") from None
    if painted.shape != (height, width):
        raise DataError(
            f"{name} has run lengths for {painted.shape[1]}x{painted.shape[0]} pixels, not {width}x{height}"
        )
    return painted


def read_folder(folder: Path) -> dict[str, Found] | None:
    """A COCO file beside ``images/`` or the pictures, or ``annotations/*_SPLIT*.json`` beside folders of pictures."""
    here = _coco_files(folder)
    if here:
        if len(here) > 1 and not all(_split_of(path) for path in here):
            names = ", ".join(path.name for path in here)
            raise DataError(f"{folder} holds several COCO files ({names}); name one of them instead of the folder")
        return {_split_of(path) if len(here) > 1 else "": read_file(path) for path in here}
    annotations = subfolder(folder, ("annotations",))
    inside = _coco_files(annotations) if annotations else []
    if not inside:
        return None
    return {_split_of(path): read_file(path) for path in inside}


def read_file(path: Path) -> Found:
    """The pictures of one COCO file; they are looked for below the file's folder and the folder above."""
    data = _parse(path)
    if data is None:
        raise DataError(f"{path} is no COCO file: it needs 'images', 'annotations' and 'categories'")
    try:
        values, background = _values(data["categories"])
        stored = {category: value for value, (category, _) in values.items()}
        shapes: dict[int, list[tuple[float, int, int, Any]]] = {}
        for note in data["annotations"]:
            area = float(note.get("area", 0))
            shapes.setdefault(note["image_id"], []).append(
                (-area, note["id"], stored[note["category_id"]], note["segmentation"])
            )
        records, problems = [], {}
        files = _pictures(path)
        for image in data["images"]:
            name = Path(image["file_name"]).with_suffix("").as_posix()
            picture = files.get(image["file_name"]) or files.get(Path(image["file_name"]).name)
            if picture is None:
                problems[name] = f"{path.name} speaks of {image['file_name']}, which is not there"
                continue
            painted = tuple((v, s) for _, _, v, s in sorted(shapes.get(image["id"], []), key=lambda shape: shape[:2]))
            records.append(Record(name, picture, CocoLabel(name, int(image["height"]), int(image["width"]), painted)))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is no valid COCO file: {error!r}") from None
    classes = {value: name for value, (_, name) in values.items()}
    return Found("coco", sorted(records, key=lambda r: r.name), classes, background, problems=problems)


def _values(categories: list[dict[str, Any]]) -> tuple[dict[int, tuple[int | None, str]], str]:
    """Stored value to (category id, name), in the order of the ids; a background is put first where none is there."""
    listed = sorted((int(c["id"]), str(c["name"])) for c in categories)
    first = listed[0][1] if listed else ""
    if first.strip("_").lower() == "background":
        return dict(enumerate(listed)), first
    return dict(enumerate([(None, "background"), *listed])), "background"


def _pictures(path: Path) -> dict[str, Path]:
    """Pictures that a COCO file may speak of, by file name and by their path below a folder of pictures."""
    base = path.parent.parent if path.parent.name.lower() == "annotations" else path.parent
    folder = subfolder(base, IMAGE_FOLDERS) or base
    files: dict[str, Path] = {}
    for picture in pictures_below(folder).values():
        files.setdefault(picture.name, picture)
        files[picture.relative_to(folder).as_posix()] = picture
        files[picture.relative_to(base).as_posix()] = picture
    return files


def _coco_files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.json")) if _parse(path) is not None]


def _parse(path: Path) -> Mapping[str, Any] | None:
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    keys = {"images", "annotations", "categories"}
    return data if isinstance(data, dict) and keys <= data.keys() else None


def _split_of(path: Path) -> str:
    words = path.stem.lower().replace("-", "_").replace(".", "_").split("_")
    stripped = [word.rstrip("0123456789") for word in words]
    return next((SPLITS[word] for word in stripped if word in SPLITS), "")
