"""COCO instance annotations: polygons of one or several rings, and run lengths; ``_coco_label`` paints them."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from carseg.data.formats._base import SPLIT_ORDER, SPLITS, Found, Item, files_in, images_below, subfolder
from carseg.data.formats._coco_fields import list_of, read_annotations, read_categories, read_images
from carseg.data.formats._coco_label import CocoLabel
from carseg.data.formats._documents import brief, read_json
from carseg.data.formats._file_names import relative_name
from carseg.data.formats.masks import IMAGE_FOLDERS
from carseg.errors import CarsegError, DataError, OptionError, excerpt
from carseg.labels import LabelSet
from carseg.masks import polygons as outlines

NAME = "coco"
LAYOUT = "a *.json with 'images', 'annotations', 'categories', or annotations/*.json"
_log = logging.getLogger("carseg")
_ASIDE = frozenset(("keypoints", "captions", "panoptic"))  # words in names of files that hold other annotations


def read(folder: Path, images: Path | None = None, annotations: Path | None = None) -> dict[str, Found] | None:
    """Return the splits of a COCO file beside its images or their folder, or of ``annotations/*_SPLIT*.json``."""
    if annotations and annotations.is_file():
        return {"": read_file(annotations, images)}
    inside = subfolder(folder, ("annotations",))
    for place in (annotations,) if annotations else (folder, inside) if inside else (folder,):
        parsed = {path: data for path in files_in(place, ".json") if (data := _parse(path)) is not None}
        chosen = _of_instances(list(parsed))
        splits = {_split_of(path.stem): path for path in chosen}
        if len(chosen) == 1:
            return _splits({"": chosen[0]}, parsed, images)
        if len(splits) < len(chosen) or (chosen and "" in splits):
            names = ", ".join(path.name for path in chosen)
            raise DataError(f"{place} holds several COCO files ({names}); open one of them instead of the folder")
        if chosen:
            return _splits({split: splits[split] for split in sorted(splits, key=SPLIT_ORDER.index)}, parsed, images)
    return None


def _of_instances(files: list[Path]) -> list[Path]:
    """Return the files to read of several: COCO's own archives hold other annotations of the same images as well."""
    files = [path for path in files if not _ASIDE & {*_words(path.stem)}] or files
    named = [path for path in files if path.name.lower().startswith("instances")]
    known = {"", *(_split_of(path.stem) for path in named)}
    return [path for path in files if path in named or _split_of(path.stem) not in known] if named else files


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
    return _splits({"": path}, {path: data}, images)[""]


def _splits(
    files: Mapping[str, Path], parsed: Mapping[Path, Mapping[str, Any]], image_root: Path | None
) -> dict[str, Found]:
    """Return the split of each file; the first has as problems the images beside the files that none of them lists."""
    found, listed = {}, set()
    for split, path in files.items():
        found[split], images = _found(path, parsed[path], image_root)
        listed |= images
    first, path = next(iter(files.items()))
    # Other files may list the rest of a given folder.
    beside = {} if image_root else images_below(path.parent / "images")
    names = " or ".join(path.name for path in files.values())
    loose = {name: f"the image {image} is not in {names}" for name, image in beside.items() if image not in listed}
    return found | {first: replace(found[first], problems={**found[first].problems, **loose})}


def _found(path: Path, data: Mapping[str, Any], image_root: Path | None) -> tuple[Found, set[Path]]:
    """Return the images of a COCO file's content, and the files of all that it lists."""
    try:
        values, stored, empty = read_categories(list_of(data, "categories"), path.parent)
        shapes = read_annotations(list_of(data, "annotations"), stored)
        entries = sorted(read_images(list_of(data, "images")), key=lambda entry: entry.file)
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is no valid COCO file: {error}") from None
    records, problems = [], {}
    listed = Counter(entry.file for entry in entries)
    stems = Counter(_name(file) for file in listed)
    owners = Counter(entry.id for entry in entries)
    images = _images(path, listed, image_root)
    for entry in entries:
        file = entry.file
        name = _name(file) if stems[_name(file)] == 1 else _name(file) + PurePosixPath(file).suffix
        image = images.get(file)
        if image is None or listed[file] > 1:
            reason = f"lists {excerpt(file)} twice" if image else f"speaks of {excerpt(file)}, which is not there"
            problems[name] = f"{path} {reason}"
        elif owners[entry.id] > 1:
            problems[name] = f"{path} gives the id {brief(entry.id)} to several images: whose annotations are they?"
        else:
            painted = tuple(shapes.get(entry.id, ()))
            records.append(Item(name, image, CocoLabel(name, path, entry.height, entry.width, painted, empty)))
    orphans = shapes.keys() - owners.keys()
    if orphans:
        some = ", ".join(sorted(map(brief, orphans))[:3])
        problems[path.name] = f"{path} has annotations of images that it does not list: image_id {some}"
    return Found(NAME, records, values, problems=problems), {*images.values()}


def _name(file: str) -> str:
    """Return an image's name: its path without the extension, and without what leads out of the folder."""
    place = PurePosixPath(file).with_suffix("")
    return PurePosixPath(*(part for part in place.parts if part not in ("/", ".."))).as_posix()


def _images(path: Path, listed: Iterable[str], given: Path | None) -> dict[str, Path]:
    """Return the image of each file name that a COCO file lists, as far as there is one.

    A file name is a path below the folder of images. Where nothing lies there, it means the only image of the same
    last name, if no other entry has that one: exporters leave folders out, and put others in front.
    """
    base = path.parent.parent if path.parent.name.lower() == "annotations" else path.parent
    folder = given or subfolder(base, IMAGE_FOLDERS) or base
    base = given or base
    split = _split_of(path.stem)
    placed: dict[str, Path] = {}
    named: dict[tuple[str, bool], list[Path]] = {}  # by file name, and whether it is in a folder of this split
    for image in images_below(folder).values():
        placed[image.relative_to(base).as_posix()] = placed[image.relative_to(folder).as_posix()] = image
        own = bool(split) and split in map(_split_of, image.relative_to(base).parent.parts)
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
        data = read_json(path)
    except DataError:
        if not any(word in path.stem.lower() for word in ("annotation", "instances", "coco")):
            return None  # nothing in its name suggests that it holds the labels
        raise
    keys = {"images", "annotations", "categories"}
    return data if isinstance(data, dict) and keys <= data.keys() else None


def _split_of(name: str) -> str:
    """Return the split that a word of a file's or folder's name means, such as train2017, "" where none does."""
    return next((SPLITS[word] for word in _words(name) if word in SPLITS), "")


def _words(name: str) -> list[str]:
    words = name.lower().replace("-", "_").replace(".", "_").split("_")
    return [word.rstrip("0123456789") for word in words]


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
