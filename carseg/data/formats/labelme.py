"""labelme: one JSON file per image, with polygons, rectangles, circles or bit masks.

The classes are the labels that occur, in alphabetical order behind the background, unless a class file gives the order;
a label called ``__ignore__`` is ignored. X-AnyLabeling writes the same, and boxes and quadrilaterals by their corners.
Files lie beside their images, in a folder of their own, or in folders below, such as one for each car. Lines and points
cover no area: the caller says how wide they are. See ``_rasterize`` for the pixels that a polygon covers. What is
written lies beside the images; a hole is joined to its outline by a cut of no width.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Self

import numpy as np

from carseg.data.dataset import ImageSource
from carseg.data.formats._base import (
    SPLITS,
    Found,
    Item,
    exists,
    files_below,
    files_in,
    folders_like_splits,
    images_below,
    maybe_background,
    subfolder,
)
from carseg.data.formats._bitmaps import read_bits, stamp
from carseg.data.formats._class_files import JSON_FILE, Values, class_file
from carseg.data.formats._documents import brief, read_json
from carseg.data.formats._fields import at, class_name, points, side
from carseg.data.formats._rasterize import DrawnLabel, Points, area, canvas, fill, within
from carseg.data.formats._shape_classes import behind_background, lacks_background, values_by_name
from carseg.data.formats._writing import IGNORED, LabeledImage, Writer, classes_of, write_json, write_text
from carseg.data.formats.masks import IMAGE_FOLDERS, mask_folders
from carseg.errors import DataError, ImageError
from carseg.images import decode
from carseg.labels import plain_name

NAME = "labelme"
LAYOUT = "*.json with 'shapes' beside the images"

_NOTE_FOLDERS = ("annotations", "labels", "json", "jsons", "labelme")
_POLYGONS = ("polygon", "rotation", "quadrilateral")  # the last two are X-AnyLabeling's
_IGNORED_LABEL = "__ignore__"
_VERSION = "5.5.0"  # whose fields are written; labelme warns where its own is another one's
_LINES = ("line", "linestrip", "point", "points")


@dataclass(frozen=True)
class LabelmeLabel(DrawnLabel):
    """The shapes of one image; ``values`` gives the stored value of each class by its plain name."""

    path: Path
    height: Any
    width: Any
    shapes: tuple[Mapping[str, Any], ...]
    values: Mapping[str, int]

    def read(self, height: int, width: int) -> np.ndarray:
        with at(f"{self.path} has"):
            stated = side(self.height or height, "imageHeight"), side(self.width or width, "imageWidth")
        with at(str(self.path)):
            mask = canvas(stated, (height, width))
        if not mask.flags.writeable:
            return mask
        outlines = []
        for number, shape in enumerate(self.shapes):
            with self._at(number):
                outlines.append(within(_outline(shape), *mask.shape))
        sizes = [
            0 if shape.get("shape_type") in _LINES else area(outline)
            for shape, outline in zip(self.shapes, outlines, strict=True)
        ]
        for number in sorted(range(len(outlines)), key=lambda number: -sizes[number]):
            with self._at(number):
                self._draw(mask, self.shapes[number], outlines[number])
        return mask

    def _at(self, number: int) -> AbstractContextManager[None]:
        return at(f"{self.path} has", f"(shapes[{number}], {brief(self.shapes[number]['label'])})")

    def _draw(self, mask: np.ndarray, shape: Mapping[str, Any], outline: Points) -> None:
        label = class_name(shape["label"], "label")
        if plain_name(label) not in self.values:
            raise DataError(f"the label {label!r}, which the class file lacks: add it there, or delete the file")
        value, kind = self.values[plain_name(label)], shape.get("shape_type")
        if kind in _LINES:
            self.draw_line(mask, outline, value, kind)
        elif kind == "mask":
            left, top = (round(start) for start in points(shape["points"], "points")[0])
            stamp(mask, read_bits(shape.get("mask"), "mask", *mask.shape), left, top, value)
        else:
            fill(mask, outline, value)


@dataclass(frozen=True)
class EmbeddedImage:
    """The image inside a labelme file, for files whose image is nowhere else."""

    path: Path

    def read(self) -> np.ndarray:
        try:
            content = base64.b64decode(read_json(self.path)["imageData"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ImageError(f"{self.path} holds no image in imageData: {error}") from None
        return decode(content, name=f"the image in {self.path}").rgb


def read(folder: Path, images: Path | None = None, annotations: Path | None = None) -> dict[str, Found] | None:
    """Return the images of labelme files, which lie beside their images or in a folder of their own."""
    place, files = _files(folder, annotations)
    if not files:
        return None
    own = images or subfolder(folder, IMAGE_FOLDERS)
    notes: dict[str, tuple[Path | ImageSource, Mapping[str, Any], set[str]]] = {}
    problems: dict[str, str] = {}
    for name, path in files.items():
        try:
            note = read_json(path)
            labels = _labels(path, note)
        except DataError as error:
            problems[name] = str(error)
            continue
        image = _image(path, note, own or folder, path.parent.relative_to(place), given=images is not None)
        if image is None:
            problems[name] = f"{path} speaks of {str(note.get('imagePath'))[:200]}, which is not there"
        else:
            note.pop("imageData", None)  # a whole image, which is read from the file when it is used
            notes[name] = (image, note, labels)
    problems |= _claimed_twice(files, {name: image for name, (image, *_) in notes.items() if isinstance(image, Path)})
    notes = {name: note for name, note in notes.items() if name not in problems}
    values = _values(folder, {label for _, _, labels in notes.values() for label in labels})
    by_name = values_by_name(values)
    records = [
        Item(
            name,
            image,
            LabelmeLabel(files[name], note.get("imageHeight"), note.get("imageWidth"), tuple(note["shapes"]), by_name),
        )
        for name, (image, note, _) in notes.items()
    ]
    used = {record.image.resolve() for record in records if isinstance(record.image, Path)}
    loose = _loose_images(own, place, files)
    unlabeled = {n: p for n, p in loose.items() if p.resolve() not in used and n not in problems}
    problems |= {name: maybe_background(image) for name, image in unlabeled.items()}
    return {"": Found(NAME, records, values, problems=problems, unlabeled=unlabeled)}


def _files(folder: Path, annotations: Path | None) -> tuple[Path, dict[str, Path]]:
    """Return the folder of labelme files, and these by name; the beginning of the first ones decides if they are any.

    Folders below are looked into where the folder has neither files nor splits nor label images of its own, or is one
    data set with them.

    Raises:
        DataError: there are some in the folder and some below it, and nothing says that they belong together.
    """
    notes = subfolder(folder, _NOTE_FOLDERS)
    places = [annotations] if annotations else [folder, notes] if notes else [folder]
    listed = [(place, _json_files(place)) for place in places]
    if not any(files for _, files in listed) and not folders_like_splits(folder):
        place = places[-1]
        files = _json_files_below(place)
        listed = [] if files and mask_folders(folder) else [(place, files)]
    for place, files in listed:
        if _are_labelme(files):
            files = [*files, *_further(place, files)]
            return place, {path.relative_to(place).with_suffix("").as_posix(): path for path in files}
    return folder, {}


def _further(place: Path, files: list[Path]) -> list[Path]:
    """Return the labelme files below those of a folder, which are of its data set where that has a label set.

    What carseg writes has one, and mirrors a tree.

    Raises:
        DataError: there are some, and no label set.
    """
    further = [] if files[0].parent != place or folders_like_splits(place) else _json_files_below(place)
    if not _are_labelme(further):
        return []
    above = (place, place.parent) if place.name.lower() in SPLITS else (place,)
    if any((folder / JSON_FILE).is_file() for folder in above):
        return further
    raise DataError(
        f"labelme files lie in {place} and below it, such as {further[0]}, which would not be read: open one of "
        "the folders, or put all of them into folders below"
    )


def _json_files(place: Path) -> list[Path]:
    return [path for path in files_in(place, ".json") if path.name != JSON_FILE and path.is_file()]


def _json_files_below(place: Path) -> list[Path]:
    files = files_below(place, (".json",)).values()
    return [path for path in files if path.name != JSON_FILE and path.parent != place]


def _are_labelme(files: list[Path]) -> bool:
    return any(map(_is_labelme, files[:20]))  # some may be broken


def _is_labelme(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            start = file.read(1 << 16)
    except OSError:
        return False
    return b'"shapes"' in start or b'"imageData"' in start  # which may be long, and come first


def _labels(path: Path, note: Any) -> set[str]:
    """Return the labels of a file's shapes.

    Raises:
        DataError: it is no labelme file.
    """
    if not isinstance(note, dict) or not isinstance(note.get("shapes"), list):
        raise DataError(f"{path} is no labelme file: it has no list 'shapes'")
    labels = set()
    for number, shape in enumerate(note["shapes"]):
        if not isinstance(shape, dict) or "label" not in shape or "points" not in shape:
            raise DataError(f"{path} has shapes[{number}] = {brief(shape)}, not an object with label and points")
        with at(f"{path} has", f"(shapes[{number}])"):
            labels.add(class_name(shape["label"], "label"))
    return labels


def _values(folder: Path, labels: set[str]) -> Values:
    """Return the classes by stored value: those of the class file in its order, else all labels by the alphabet."""
    written = class_file(folder)
    names = [name for name in written.values.values() if name is not None] if written else sorted(labels)
    return behind_background(names, folder, bare=lacks_background(written))


def _image(path: Path, note: Mapping[str, Any], own: Path, inside: Path, *, given: bool) -> Path | ImageSource | None:
    """Return the image of a labelme file, which lies in the folder ``inside`` of the folder of labelme files.

    Args:
        own: the folder of images; it comes first where the caller has ``given`` it.
    """
    named = PureWindowsPath(str(note.get("imagePath") or "")).as_posix()  # understands both kinds of slashes
    name = Path(named).name
    beside = [path.parent / named, path.parent / name]
    elsewhere = [own / inside / named, own / inside / name]
    places = [*elsewhere, *beside] if given else [*beside, *elsewhere]
    there = next((place for place in places if name and exists(place) and place.is_file()), None)
    return there or (EmbeddedImage(path) if note.get("imageData") else None)


def _claimed_twice(files: Mapping[str, Path], images: Mapping[str, Path]) -> dict[str, str]:
    """Return the files that speak of an image of which another one does too, name to reason."""
    owners: dict[Path, list[str]] = {}
    for name, image in images.items():
        owners.setdefault(image.resolve(), []).append(name)
    problems = {}
    for names in owners.values():
        for name in names if len(names) > 1 else ():
            other = next(files[each] for each in names if each != name)
            problems[name] = f"{files[name]} and {other} both speak of {images[name].name}: whose shapes are they?"
    return problems


def _loose_images(own: Path | None, place: Path, files: Mapping[str, Path]) -> dict[str, Path]:
    """Return the images by name in the folder of images, where there is none in the folders of labelme files."""
    if own is not None:
        return images_below(own)
    folders = {path.parent for path in files.values()}
    return {name: image for name, image in images_below(place).items() if image.parent in folders}


def _outline(shape: Mapping[str, Any]) -> Points:
    """Return the outline of a shape, or the points of a line.

    Raises:
        DataError: it has no outline.
    """
    corners = points(shape["points"], "points")
    kind = shape.get("shape_type") or "polygon"
    if (kind in _POLYGONS and len(corners) >= 3) or (kind in _LINES and corners):
        return corners
    if kind in ("rectangle", "mask") and len(corners) in (2, 4):
        (left, right), (top, bottom) = ((min(side), max(side)) for side in zip(*corners, strict=True))
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    if kind == "circle" and len(corners) == 2:
        (x, y), edge = corners
        radius = math.dist((x, y), edge)
        angles = [2 * math.pi * i / 90 for i in range(90)]
        return [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]
    if kind in (*_POLYGONS, *_LINES, "rectangle", "mask", "circle"):
        raise DataError(f"a {kind} of {len(corners)} points, which covers no area")
    raise DataError(f"shape_type = {brief(kind)}, which is no kind of shape")


class LabelmeWriter(Writer):
    """Writes NAME.json beside NAME.jpg, and ``labels.txt`` for ``labelme --labels``."""

    IMAGES = ""

    def add(self, image: LabeledImage) -> None:
        write_json(self.folder / f"{image.name}.json", document(image), indent=1)

    @classmethod
    def describe(cls, root: Path, writers: Sequence[Self]) -> None:
        names = (_IGNORED_LABEL, "_background_", *classes_of(writers[0].labels).values())
        write_text(root / "labels.txt", "".join(f"{name}\n" for name in names))


def document(image: LabeledImage) -> dict[str, Any]:
    """Return what labelme and X-AnyLabeling open: polygons with the score of each, as the latter has it."""
    shapes = []
    for region, ring in image.rings():
        name = image.class_of(region)
        shape: dict[str, Any] = {
            "label": _IGNORED_LABEL if name == IGNORED else name,
            "points": ring,
            "group_id": None,
            "description": "",
            "shape_type": "polygon",
            "flags": {},
            "mask": None,
        }
        shapes.append(shape if region.score is None else {**shape, "score": region.score})
    width, height = image.size
    return {
        "version": _VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": PurePosixPath(image.file).name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
        **({"model": image.model} if image.model else {}),
    }
