"""COCO instance annotations: polygons of one or several rings, and run lengths.

Painted as every figure of the project assumes: pycocotools' rasterisation, the rings of an annotation united,
annotations in the order of decreasing ``area``, ties by annotation id, so that the smaller part lies on top.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Protocol

import numpy as np

from carseg.data.formats._base import SPLIT_ORDER, SPLITS, Found, Item, files_in, images_below, subfolder
from carseg.data.formats._class_files import Values, class_file
from carseg.data.formats._file_names import relative_name
from carseg.data.formats._rasterize import blank
from carseg.data.formats.masks import IMAGE_FOLDERS
from carseg.errors import CarsegError, DataError, MissingExtraError, OptionError
from carseg.labels import IGNORE, LabelSet, plain_name
from carseg.masks import polygons as outlines
from carseg.masks import rle

NAME = "coco"
LAYOUT = "a *.json with 'images', 'annotations', 'categories', or annotations/*.json"
_log = logging.getLogger("carseg")
_FARTHEST = 1e6  # pixels


@dataclass(frozen=True)
class CocoLabel:
    """The annotations of one image: (stored value, segmentation) in painting order; the size is COCO's own.

    ``empty`` is the value of pixels that no annotation covers.
    """

    name: str
    height: int
    width: int
    shapes: tuple[tuple[int, Any], ...]
    empty: int = 0

    def read(self, height: int, width: int) -> np.ndarray:
        try:
            mask = blank(self.height, self.width, self.empty)
        except DataError as error:
            raise DataError(f"{self.name} {error}") from None
        for value, segmentation in self.shapes:
            mask[rasterize(segmentation, self.height, self.width, self.name)] = value
        return mask


def rasterize(segmentation: Any, height: int, width: int, name: str) -> np.ndarray:
    """Return the pixels that a COCO segmentation (rings, counts or compressed counts) covers, bool (height, width).

    Raises:
        MissingExtraError: it is polygons and pycocotools is not installed.
        DataError: it is neither polygons nor run lengths, or run lengths of another size.
    """
    if isinstance(segmentation, Mapping):
        try:
            covered = rle.decode(segmentation)
        except DataError as error:
            raise DataError(f"{name}: {error}") from None
        if covered.shape != (height, width):
            raise DataError(
                f"{name} has run lengths for {covered.shape[1]}x{covered.shape[0]} pixels, not {width}x{height}"
            )
        return covered
    if segmentation is None:
        raise DataError(f"{name} has a box, not a polygon")
    try:
        from pycocotools import mask as pycocotools
    except ImportError:
        raise MissingExtraError("pycocotools", "coco", "reading COCO polygons") from None
    try:
        rings = [ring for ring in segmentation if len(ring) >= 6]  # fewer than three points cover nothing
        if not all(abs(side) <= _FARTHEST for ring in rings for side in ring):  # pycocotools would crash
            raise DataError(f"{name} has a polygon with coordinates that are no pixels")
        if not rings:
            return np.zeros((height, width), dtype=bool)
        united = pycocotools.merge(pycocotools.frPyObjects(rings, height, width))
    except (TypeError, ValueError, IndexError) as error:
        raise DataError(f"{name} has a segmentation that is neither polygons nor run lengths: {error!r}") from None
    return rle.decode(united)


def read(folder: Path, images: Path | None = None, annotations: Path | None = None) -> dict[str, Found] | None:
    """Return the splits of a COCO file beside its images or their folder, or of ``annotations/*_SPLIT*.json``."""
    if annotations and annotations.is_file():
        return {"": read_file(annotations, images)}
    inside = subfolder(folder, ("annotations",))
    for place in (annotations,) if annotations else (folder, inside) if inside else (folder,):
        parsed = {path: data for path in files_in(place, ".json") if (data := _parse(path)) is not None}
        # COCO's own archives hold keypoints of the same images beside the instances.
        parsed = {path: data for path, data in parsed.items() if path.name.startswith("instances_")} or parsed
        splits = {_split_of(path): path for path in parsed}
        if len(parsed) == 1:
            return {"": _found(*parsed.popitem(), images)}
        if parsed and (len(splits) < len(parsed) or "" in splits):
            names = ", ".join(path.name for path in parsed)
            raise DataError(f"{place} holds several COCO files ({names}); open one of them instead of the folder")
        if parsed:
            ordered = sorted(splits, key=SPLIT_ORDER.index)
            return {split: _found(splits[split], parsed[splits[split]], images) for split in ordered}
    return None


def read_file(path: Path, images: Path | None = None) -> Found:
    """Return the images of one COCO file.

    Args:
        path: the file.
        images: the folder below which its images lie; None: the file's own, or the one above ``annotations/``.

    Raises:
        DataError: it is no COCO file.
    """
    data = _parse(path)
    if data is None:
        raise DataError(f"{path} is no COCO file: it needs 'images', 'annotations' and 'categories'")
    return _found(path, data, images)


def _found(path: Path, data: Mapping[str, Any], image_root: Path | None) -> Found:
    try:
        values, stored, empty = _values(data["categories"], path.parent)
        shapes: dict[int, list[tuple[float, int, int, Any]]] = {}
        if any("segments_info" in note for note in data["annotations"]):
            raise DataError(
                f"{path} is a panoptic COCO file; take the one of instances, whose annotations are polygons"
            )
        for number, note in enumerate(data["annotations"]):
            shapes.setdefault(note["image_id"], []).append(
                (
                    -float(note.get("area", 0)),
                    int(note.get("id", number)),
                    stored[int(note["category_id"])],
                    note.get("segmentation") or (None if note.get("area", 1) else []),
                )
            )
        records, problems = [], {}
        entries = sorted(((_posix(entry["file_name"]), entry) for entry in data["images"]), key=lambda pair: pair[0])
        listed = Counter(file for file, _ in entries)
        stems = Counter(_name(file) for file in listed)
        owners = Counter(entry["id"] for _, entry in entries)
        images = _images(path, listed, image_root)
        for file, entry in entries:
            name = _name(file) if stems[_name(file)] == 1 else _name(file) + PurePosixPath(file).suffix
            image = images.get(file)
            if image is None or listed[file] > 1:
                reason = f"lists {file} twice" if image else f"speaks of {file}, which is not there"
                problems[name] = f"{path} {reason}"
                continue
            if owners[entry["id"]] > 1:
                problems[name] = f"{path} gives the id {entry['id']} to several images: whose annotations are they?"
                continue
            painted = tuple(shape[2:] for shape in sorted(shapes.get(entry["id"], []), key=lambda shape: shape[:2]))
            label = CocoLabel(name, int(entry["height"]), int(entry["width"]), painted, empty)
            records.append(Item(name, image, label))
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is no valid COCO file: {error!r}") from None
    orphans = shapes.keys() - {entry["id"] for entry in data["images"]}
    if orphans:
        some = ", ".join(map(repr, sorted(orphans, key=str)[:3]))
        problems[path.name] = f"{path} has annotations of images that it does not list: image_id {some}"
    used = {record.image for record in records}
    beside = (
        {} if image_root else images_below(path.parent / "images")
    )  # other files may list the rest of a given folder
    for name, image in beside.items():
        if image not in used:
            problems[name] = f"the image {image} is not in {path.name}"
    return Found(NAME, records, values, problems=problems)


def _values(categories: list[Mapping[str, Any]], folder: Path) -> tuple[Values, dict[int, int], int]:
    """Return names by stored value, in the order of category ids, stored values by category id, and bare pixels' value.

    A category called background comes first, or is put there. A label set beside the file that has no background leaves
    bare pixels without a class.
    """
    listed = sorted((int(c["id"]), str(c["name"])) for c in categories)
    for (number, name), (following, other) in pairwise(listed):
        if number == following:
            raise ValueError(f"it has two categories of the id {number}, {name} and {other}")
    written = class_file(folder)
    if written and written.labels and written.labels.background is None:
        first, empty = 0, IGNORE
    else:
        first, empty = (0 if listed and plain_name(listed[0][1]) == "background" else 1), 0
    if len(listed) + first > IGNORE:
        raise ValueError(f"it has {len(listed)} categories, of which a label takes {IGNORE - first} at most")
    values: Values = {0: "background"} if first else {}
    values |= {i: None if plain_name(name) == "ignore" else name for i, (_, name) in enumerate(listed, start=first)}
    return values, {category: i for i, (category, _) in enumerate(listed, start=first)}, empty


def _name(file: str) -> str:
    """Return an image's name: its path without the extension, and without what leads out of the folder."""
    place = PurePosixPath(file).with_suffix("")
    return PurePosixPath(*(part for part in place.parts if part not in ("/", ".."))).as_posix()


def _posix(file_name: Any) -> str:
    return PureWindowsPath(str(file_name)).as_posix()  # tools on Windows write backslashes


def _images(path: Path, listed: Iterable[str], given: Path | None) -> dict[str, Path]:
    """Return the image of each file name that a COCO file lists, as far as there is one.

    A file name is a path below the folder of images. Where nothing lies there, it means the only image of the same
    last name, if no other entry has that one: exporters leave folders out, and put others in front.
    """
    base = path.parent.parent if path.parent.name.lower() == "annotations" else path.parent
    folder = given or subfolder(base, IMAGE_FOLDERS) or base
    base = given or base
    split = _split_of(path)
    placed: dict[str, Path] = {}
    named: dict[tuple[str, bool], list[Path]] = {}  # by file name, and whether it is in a folder of this split
    for image in images_below(folder).values():
        placed[image.relative_to(base).as_posix()] = placed[image.relative_to(folder).as_posix()] = image
        own = split in map(SPLITS.get, image.relative_to(base).parent.parts)
        named.setdefault((image.name, own), []).append(image)
    found = {file: placed[file] for file in listed if file in placed}
    taken = Counter(found.values())
    loose = {
        file: (named.get((Path(file).name, True)) or named.get((Path(file).name, False), []))
        for file in listed
        if file not in found
    }
    taken.update(same[0] for same in loose.values() if len(same) == 1)
    return found | {file: same[0] for file, same in loose.items() if len(same) == 1 and taken[same[0]] == 1}


def _parse(path: Path) -> Mapping[str, Any] | None:
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        if not any(word in path.stem.lower() for word in ("annotation", "instances", "coco")):
            return None  # nothing in its name suggests that it holds the labels
        raise DataError(f"{path} is no valid JSON file: {error}") from None
    keys = {"images", "annotations", "categories"}
    return data if isinstance(data, dict) and keys <= data.keys() else None


def _split_of(path: Path) -> str:
    words = path.stem.lower().replace("-", "_").replace(".", "_").split("_")
    stripped = [word.rstrip("0123456789") for word in words]
    return next((SPLITS[word] for word in stripped if word in SPLITS), "")


class SegmentedPart(Protocol):
    """The fields of a part that ``coco_document`` reads; see ``carseg.inference.Part``."""

    @property
    def label(self) -> int: ...
    @property
    def area_px(self) -> int: ...
    @property
    def bbox(self) -> tuple[int, int, int, int]: ...
    @property
    def score(self) -> float | None: ...
    @property
    def rle(self) -> Any: ...
    @property
    def polygons(self) -> list[outlines.Ring]: ...


class SegmentedImage(Protocol):
    """The fields of a result that ``coco_document`` reads; see ``carseg.Result``."""

    source: str
    root: str
    labels: LabelSet

    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def parts(self) -> Sequence[SegmentedPart]: ...


def coco_document(
    results: Iterable[SegmentedImage | CarsegError],
    *,
    polygons: bool = False,
    root: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Return one COCO document of many results of one label set: images, categories, one annotation per part.

    A category's id is the label id plus one, since many tools take 0 for "nothing". Areas come from the run lengths.

    Args:
        results: such as ``Segmenter.stream`` gives; one is held at a time. The errors among those of
            ``stream(on_error="yield")`` are left out, and logged.
        polygons: segmentations as polygons, with a hole joined to its outline by a cut, instead of run lengths.
        root: the folder that each ``file_name`` is relative to; by default that given to ``stream``, so that readers
            find the images below it. Addresses, and names of images from memory, stay as they are.

    Raises:
        OptionError: results of different label sets, or an image that is not below ``root``.
    """
    labels: LabelSet | None = None
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    categories: list[dict[str, Any]] = []
    for result in results:
        if isinstance(result, CarsegError):
            _log.warning(f"left out of the COCO document: {result}")
            continue
        number = len(images) + 1
        if labels is None:
            labels = result.labels
            names = {label: name for label, name in enumerate(labels.classes) if label != labels.background}
            categories = [{"id": label + 1, "name": names[label], "supercategory": labels.name} for label in names]
        elif labels != result.labels:
            raise OptionError(f"one COCO document cannot hold both {labels.name} and {result.labels.name}")
        name = relative_name(result.source, result.root if root is None else root) or f"picture-{number}"
        images.append({"id": number, "file_name": name, "width": result.width, "height": result.height})
        for part in result.parts:
            annotation = {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": part.label + 1,
                "segmentation": outlines.coco_segmentation(part.polygons) if polygons else part.rle,
                "area": part.area_px,
                "bbox": list(part.bbox),
                "iscrowd": 0,
            }
            annotations.append(annotation if part.score is None else {**annotation, "score": part.score})
    return {"images": images, "annotations": annotations, "categories": categories}
