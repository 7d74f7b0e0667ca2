"""labelme: one JSON file per image, with polygons, rectangles, circles or bit masks.

The classes are the labels that occur, in alphabetical order behind the background, unless a class file gives the order;
a label called ``__ignore__`` is ignored. X-AnyLabeling writes the same, and rotated boxes. See
``_rasterize`` for the pixels that a polygon covers.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from carseg.data.dataset import ImageSource
from carseg.data.formats._base import Found, Item, files_in, images_below, subfolder
from carseg.data.formats._class_files import JSON_FILE, class_file
from carseg.data.formats._rasterize import area, blank, fill
from carseg.data.formats.masks import IMAGE_FOLDERS
from carseg.errors import DataError, ImageError
from carseg.images import decode, open_image
from carseg.labels import IGNORE, plain_name

NAME = "labelme"
LAYOUT = "*.json with 'shapes' beside the images"

_NOTE_FOLDERS = ("annotations", "labels", "json", "jsons", "labelme")


@dataclass(frozen=True)
class LabelmeLabel:
    """The shapes of one image; ``values`` gives the stored value of each class by its plain name."""

    path: Path
    height: int | None
    width: int | None
    shapes: tuple[Mapping[str, Any], ...]
    values: Mapping[str, int]

    def read(self, height: int, width: int) -> np.ndarray:
        try:
            mask = blank(self.height or height, self.width or width)
            drawn = [(self._value(str(shape["label"])), _outline(shape), shape) for shape in self.shapes]
            for value, outline, shape in sorted(drawn, key=lambda item: -area(item[1])):
                if shape.get("shape_type") == "mask":
                    _stamp(mask, shape, value)
                else:
                    fill(mask, outline, value)
        except (KeyError, TypeError, ValueError, IndexError, OverflowError, OSError) as error:
            reason = str(error) if isinstance(error, DataError) else f"has a broken shape ({error!r})"
            raise DataError(f"{self.path} {reason}") from None
        return mask

    def _value(self, label: str) -> int:
        if plain_name(label) not in self.values:
            raise DataError(f"has the label {label!r}, which the class file does not list")
        return self.values[plain_name(label)]


@dataclass(frozen=True)
class EmbeddedImage:
    """The image inside a labelme file, for files whose image is nowhere else."""

    path: Path

    def read(self) -> np.ndarray:
        try:
            content = base64.b64decode(json.loads(self.path.read_bytes())["imageData"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ImageError(f"{self.path} holds no image: {error}") from None
        return decode(content, name=f"the image in {self.path}").rgb


def read(folder: Path, images: Path | None = None, annotations: Path | None = None) -> dict[str, Found] | None:
    """Return the images of labelme files, which lie beside their images or in a folder of their own."""
    files = _files(folder, annotations)
    if not files:
        return None
    notes, problems = {}, {}
    for path in files:
        try:
            note = json.loads(path.read_bytes())
            if not isinstance(note["shapes"], list):
                raise TypeError("'shapes' is no list")
            labels = {str(shape["label"]) for shape in note["shapes"]}
            image = _image(folder, images, path, note)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            problems[path.stem] = f"{path} is no labelme file ({error!r})"
            continue
        if image is None:
            problems[path.stem] = f"{path} speaks of {note.get('imagePath')}, which is not there"
        else:
            note.pop("imageData", None)  # a whole image, which is read from the file when it is used
            notes[path] = (image, note, labels)
    written = class_file(folder)
    if written is not None:
        names = [name for name in written.values.values() if name is not None]
    else:
        names = sorted({name for _, _, labels in notes.values() for name in labels})
    values: dict[int, str | None] = dict(enumerate(_ordered(names)))
    by_name = {plain_name(name): value for value, name in values.items() if name} | {"ignore": IGNORE}
    records = []
    for path, (image, note, _) in notes.items():
        label = LabelmeLabel(path, note.get("imageHeight"), note.get("imageWidth"), tuple(note["shapes"]), by_name)
        records.append(Item(path.stem, image, label))
    used = {record.image.resolve() for record in records if isinstance(record.image, Path)}
    for name, image in _loose_images(images or subfolder(folder, IMAGE_FOLDERS), files).items():
        if image.resolve() not in used and name not in problems:
            problems[name] = f"the image {image} has no label"
    return {"": Found(NAME, records, {**values, IGNORE: None}, problems=problems)}


def _files(folder: Path, annotations: Path | None) -> list[Path]:
    """Return the folder's labelme files; the beginning of the first ones decides whether they are any."""
    notes = subfolder(folder, _NOTE_FOLDERS)
    for place in (annotations,) if annotations else (folder, notes) if notes else (folder,):
        files = [path for path in files_in(place, ".json") if path.name != JSON_FILE]
        for path in files[:20]:  # some may be broken
            with path.open("rb") as file:
                start = file.read(1 << 16)
                if b'"shapes"' in start or b'"imageData"' in start:  # which may be long, and come first
                    return files
    return []


def _image(folder: Path, given: Path | None, path: Path, note: Mapping[str, Any]) -> Path | ImageSource | None:
    named = PureWindowsPath(str(note.get("imagePath") or "")).as_posix()  # understands both kinds of slashes
    images = subfolder(folder, IMAGE_FOLDERS) or folder
    places = [given / named, given / Path(named).name] if given else []
    places += [path.parent / named, path.parent / Path(named).name, images / Path(named).name]
    there = next((place for place in places if named and place.is_file()), None)
    return there or (EmbeddedImage(path) if note.get("imageData") else None)


def _loose_images(images: Path | None, files: list[Path]) -> dict[str, Path]:
    """Return the images in the folder of images, or beside the labelme files where there is none, by name."""
    if images is not None:
        return images_below(images)
    return {n: p for n, p in images_below(files[0].parent).items() if p.parent == files[0].parent}


def _ordered(names: list[str]) -> list[str]:
    kept = [name for name in names if plain_name(name) != "ignore"]
    background = next((name for name in kept if plain_name(name) == "background"), "background")
    return [background, *(name for name in kept if name != background)]


def _outline(shape: Mapping[str, Any]) -> list[tuple[float, float]]:
    points = [(float(x), float(y)) for x, y in shape["points"]]
    kind = shape.get("shape_type", "polygon")
    if kind in ("polygon", "rotation") and len(points) >= 3:  # a box of X-AnyLabeling, by its corners
        return points
    if kind in ("rectangle", "mask") and len(points) in (2, 4):
        (left, right), (top, bottom) = ((min(side), max(side)) for side in zip(*points, strict=True))
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    if kind == "circle" and len(points) == 2:
        (x, y), edge = points
        radius = math.dist((x, y), edge)
        angles = [2 * math.pi * i / 90 for i in range(90)]
        return [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]
    raise DataError(f"has a {kind} of {len(points)} points, which covers no area")


def _stamp(mask: np.ndarray, shape: Mapping[str, Any], value: int) -> None:
    """Set the pixels of a bit mask: an image whose first pixel lies at the first point."""
    left, top = (round(float(side)) for side in shape["points"][0])
    try:
        with open_image(io.BytesIO(base64.b64decode(shape["mask"])), name="a bit mask") as image:
            bits = np.asarray(image.convert("L")) > 0
    except binascii.Error as error:
        raise DataError(f"has a bit mask that is no image ({error})") from None
    except ImageError as error:
        raise DataError(f"has {error}") from None
    bits, top, left = bits[max(-top, 0) :, max(-left, 0) :], max(top, 0), max(left, 0)
    place = mask[top : top + bits.shape[0], left : left + bits.shape[1]]
    place[bits[: place.shape[0], : place.shape[1]]] = value
