"""COCO instance annotations: polygons of one or several rings, and run lengths; ``_coco_label`` paints them."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from carseg.data.formats._base import Found, Item, images_below, subfolder
from carseg.data.formats._class_files import Values
from carseg.data.formats._coco_fields import Entry, list_of, read_annotations, read_categories, read_images
from carseg.data.formats._coco_files import Files, files_by_split, parse, split_of
from carseg.data.formats._coco_label import CocoLabel, CocoShape
from carseg.data.formats._documents import brief
from carseg.data.formats._file_names import relative_name
from carseg.data.formats.masks import IMAGE_FOLDERS
from carseg.errors import CarsegError, DataError, OptionError, excerpt
from carseg.labels import LabelSet
from carseg.masks import polygons as outlines

NAME = "coco"
LAYOUT = "a *.json with 'images', 'annotations', 'categories', or annotations/*.json, annotations/train/*.json"
_log = logging.getLogger("carseg")


def read(folder: Path, images: Path | None = None, annotations: Path | None = None) -> dict[str, Found] | None:
    """Return the splits of a COCO file beside its images or their folder, or of ``annotations/*_SPLIT*.json``.

    All files in ``annotations/SPLIT/``, or in the folder of a split, are read together.
    """
    if annotations and annotations.is_file():
        return {"": read_file(annotations, images)}
    inside = annotations or subfolder(folder, ("annotations",))
    files = {} if annotations else files_by_split(folder)
    if not files and inside:
        files = files_by_split(inside, below=True)
    return _splits(files, images) if files else None


def read_file(path: Path, images: Path | None = None) -> Found:
    """Return the images of one COCO file.

    Args:
        path: the file.
        images: the folder below which its images lie; None: the file's own, or the one above ``annotations/``.

    Raises:
        DataError: it is no COCO file.
    """
    data = parse(path)
    if data is None:
        raise DataError(f"{path} is no COCO file: it needs 'images', 'annotations' and 'categories'")
    return _splits({"": {path: data}}, images)[""]


def _splits(splits: Mapping[str, Files], image_root: Path | None) -> dict[str, Found]:
    """Return every split; the first has as problems the images beside the files that none of them lists."""
    found, listed = {}, set()
    for split, files in splits.items():
        found[split], images = _found(files, image_root)
        listed |= images
    paths = [path for files in splits.values() for path in files]
    # Other files may list the rest of a given folder.
    beside = {} if image_root else images_below(paths[0].parent / "images")
    names = " or ".join(path.name for path in paths)
    loose = {name: f"the image {image} is not in {names}" for name, image in beside.items() if image not in listed}
    first = next(iter(found))
    return found | {first: replace(found[first], problems={**found[first].problems, **loose})}


@dataclass(frozen=True)
class _Content:
    """What a COCO file holds: its images, the shapes of each id, the class of each value, and bare pixels' value."""

    path: Path
    entries: list[Entry]
    shapes: Mapping[Hashable, list[CocoShape]]
    values: Values
    empty: int


def _content(path: Path, data: Mapping[str, Any]) -> _Content:
    try:
        values, stored, empty = read_categories(list_of(data, "categories"), path.parent)
        shapes = read_annotations(list_of(data, "annotations"), stored)
        return _Content(path, list(read_images(list_of(data, "images"))), shapes, values, empty)
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is no valid COCO file: {error}") from None


def _found(files: Files, image_root: Path | None) -> tuple[Found, set[Path]]:
    """Return the images of the files of one split, and the paths of all that they list.

    Raises:
        DataError: a file is no valid one, or has other categories than the first.
    """
    contents = [_content(path, data) for path, data in files.items()]
    for content in contents:
        if content.values != contents[0].values:
            raise DataError(
                f"{contents[0].path} and {content.path} are read together, and have other categories or the same in "
                "another order: give both the same, or open one of them"
            )
    entries = sorted(
        ((entry, content) for content in contents for entry in content.entries), key=lambda pair: pair[0].file
    )
    listed = Counter(entry.file for entry, _ in entries)
    stems = Counter(_name(file) for file in listed)
    images = _images(contents[0].path, listed, image_root)
    listing: dict[Path, list[Path]] = {}  # the files that list an image
    for entry, content in entries:
        if entry.file in images:
            listing.setdefault(images[entry.file], []).append(content.path)
    owners = {content.path: Counter(entry.id for entry in content.entries) for content in contents}
    records, problems = [], {}
    for entry, content in entries:
        file, path = entry.file, content.path
        name = _name(file) if stems[_name(file)] == 1 else _name(file) + PurePosixPath(file).suffix
        image = images.get(file)
        if image is None:
            problems[name] = f"{path} speaks of {excerpt(file)}, which is not there"
        elif len(listing[image]) > 1:
            others = " and ".join(other.name for other in dict.fromkeys(listing[image]) if other != path)
            twice = f"lists {excerpt(file)}, and so does {others}" if others else f"lists {excerpt(file)} twice"
            problems[name] = f"{path} {twice}: whose annotations are they?"
        elif owners[path][entry.id] > 1:
            problems[name] = f"{path} gives the id {brief(entry.id)} to several images: whose annotations are they?"
        else:
            painted = tuple(content.shapes.get(entry.id, ()))
            records.append(Item(name, image, CocoLabel(name, path, entry.height, entry.width, painted, content.empty)))
    for content in contents:
        orphans = content.shapes.keys() - owners[content.path].keys()
        if orphans:
            some = ", ".join(sorted(map(brief, orphans))[:3])
            reason = f"has annotations of images that it does not list: image_id {some}"
            problems[content.path.name] = f"{content.path} {reason}"
    return Found(NAME, records, contents[0].values, problems=problems), {*images.values()}


def _name(file: str) -> str:
    """Return an image's name: its path without the extension, and without what leads out of the folder."""
    place = PurePosixPath(file).with_suffix("")
    return PurePosixPath(*(part for part in place.parts if part not in ("/", ".."))).as_posix()


def _images(path: Path, listed: Iterable[str], given: Path | None) -> dict[str, Path]:
    """Return the image of each file name that a COCO file lists, as far as there is one.

    A file name is a path below the folder of images. Where nothing lies there, it means the only image of the same
    last name, if no other entry has that one: exporters leave folders out, and put others in front.
    """
    place = path.parent.parent if split_of(path.parent.name) else path.parent
    base = place.parent if place.name.lower() == "annotations" else path.parent
    folder = given or subfolder(base, IMAGE_FOLDERS) or base
    base = given or base
    split = split_of(path.stem) or split_of(path.parent.name)
    placed: dict[str, Path] = {}
    named: dict[tuple[str, bool], list[Path]] = {}  # by file name, and whether it is in a folder of this split
    for image in images_below(folder).values():
        placed[image.relative_to(base).as_posix()] = placed[image.relative_to(folder).as_posix()] = image
        own = bool(split) and split in map(split_of, image.relative_to(base).parent.parts)
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
