"""COCO instance annotations: polygons of one or several rings, and run lengths; ``_coco_label`` paints them."""

from __future__ import annotations

import itertools
import logging
import os
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from carseg._files import to_json
from carseg.data.formats._base import Found, Item, images_below, subfolder
from carseg.data.formats._class_files import Values
from carseg.data.formats._coco_fields import Entry, list_of, read_annotations, read_categories, read_images
from carseg.data.formats._coco_files import Files, files_by_split, parse
from carseg.data.formats._coco_label import CocoLabel, CocoShape
from carseg.data.formats._documents import brief, read_json
from carseg.data.formats._file_names import relative_name
from carseg.data.formats._listed_images import image_names, listed_images
from carseg.data.formats._rasterize import area as shoelace
from carseg.data.formats._writing import IGNORED, DocumentWriter, LabeledImage
from carseg.errors import CarsegError, DataError, OptionError, excerpt
from carseg.labels import IGNORE, LabelSet
from carseg.masks import coverage, rle

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
    names = image_names(listed)
    images = listed_images(contents[0].path, listed, image_root)
    listing: dict[Path, list[Path]] = {}  # the files that list an image
    for entry, content in entries:
        if entry.file in images:
            listing.setdefault(images[entry.file], []).append(content.path)
    owners = {content.path: Counter(entry.id for entry in content.entries) for content in contents}
    records, problems = [], {}
    for entry, content in entries:
        file, path = entry.file, content.path
        name = names[file]
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
    def polygons(self) -> list[coverage.Ring]: ...


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
    tolerance: float | None = 0,
    root: str | os.PathLike[str] | None = None,
) -> dict[str, Any]:
    """Return one COCO document of many results of one label set: images, categories, one annotation per part.

    A category's id is the label id plus one, since many tools take 0 for "nothing". Areas come from the run lengths.

    Args:
        results: such as ``Segmenter.stream`` gives; one is held at a time. The errors among those of
            ``stream(on_error="yield")`` are left out, and logged.
        polygons: segmentations as polygons, with a hole joined to its outline by a cut, instead of run lengths.
        tolerance: of polygons, in pixels, as for ``carseg.masks.coverage.simplify``; 0: exact to the pixel.
        root: the folder that each ``file_name`` is relative to; by default that given to ``stream``, so that readers
            find the images below it. Addresses, and names of images from memory, stay as they are.

    Raises:
        OptionError: results of different label sets, an image that is not below ``root``, or a negative ``tolerance``.
        MissingExtraError: shapely, which simplifies, is not installed.
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
        simplified = coverage.simplify([part.polygons for part in result.parts], tolerance) if polygons else []
        for part, outlined in itertools.zip_longest(result.parts, simplified):
            annotation = {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": part.label + 1,
                "segmentation": coverage.flat(outlined) if polygons else part.rle,
                "area": part.area_px,
                "bbox": list(part.bbox),
                "iscrowd": 0,
            }
            annotations.append(annotation if part.score is None else {**annotation, "score": part.score})
    return {"images": images, "annotations": annotations, "categories": categories}


class CocoWriter(DocumentWriter):
    """Writes ``annotations.json``: polygons of each region, or run lengths where they are to be exact to the pixel.

    A hole is joined to its outline by a cut of no width. Category i + 1 is label id i.
    """

    FILE = "annotations.json"

    def __init__(self, folder: Path, labels: LabelSet, split: str = "") -> None:
        super().__init__(folder, labels, split)
        self._images: list[dict[str, Any]] = []
        self._last_image = self._last = 0  # the greatest ids of an image and of an annotation
        self._ignored = False

    def go_on(self) -> None:
        before = read_json(self.folder / self.FILE)
        self._images = before["images"]
        self._last_image = max((each["id"] for each in self._images), default=0)
        self._ignored = len(before["categories"]) > len(self.labels)
        for annotation in before["annotations"]:
            self._write(annotation)

    def head(self) -> str:
        return '{"annotations": ['

    def add(self, image: LabeledImage) -> None:
        width, height = image.size
        self._last_image += 1
        self._images.append({"id": self._last_image, "file_name": image.file, "height": height, "width": width})
        for label, segmentation, area, box, score in _annotated(image):
            self._ignored |= label == IGNORE
            annotation = {
                "id": self._last + 1,
                "image_id": self._last_image,
                "category_id": min(label, len(self.labels)) + 1,
                "segmentation": segmentation,
                "area": area,
                "bbox": box,
                "iscrowd": 0,
                **({} if score is None else {"score": score}),
            }
            self._write(annotation)

    def _write(self, annotation: dict[str, Any]) -> None:
        self.write_item(annotation)
        self._last = max(self._last, annotation["id"])

    def foot(self) -> str:
        names = [*self.labels.classes, *([IGNORED] if self._ignored else [])]
        rest = {
            "images": self._images,
            "categories": [{"id": number, "name": name} for number, name in enumerate(names, start=1)],
        }
        return "],\n" + to_json(rest)[1:] + "\n"


def _annotated(image: LabeledImage) -> Iterator[tuple[int, Any, float, list[float], float | None]]:
    """Yield label id, segmentation, area, box and score of each annotation of an image."""
    if image.tolerance == 0:
        for label in dict.fromkeys(region.label for region in image.regions):
            run_lengths = rle.encode(image.mask == label)
            yield label, run_lengths, rle.area(run_lengths), list(rle.bbox(run_lengths)), None
        return
    for region, its_polygons in image.outlined:
        if its_polygons:
            corners = np.concatenate([np.array(polygon[0]) for polygon in its_polygons])
            (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
            segmentation = coverage.flat(its_polygons)
            area = sum(shoelace(np.reshape(ring, (-1, 2)).tolist()) for ring in segmentation)
            yield region.label, segmentation, area, [left, top, right - left, bottom - top], region.score
