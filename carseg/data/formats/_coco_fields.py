"""The fields of a COCO file, checked: a ``ValueError`` says which image, annotation or category has a wrong one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from carseg.data.formats._class_files import Values, class_file
from carseg.data.formats._coco_label import CocoShape
from carseg.data.formats._documents import brief, finite, identifier, whole_number
from carseg.labels import IGNORE, plain_name


@dataclass(frozen=True)
class Entry:
    """An image that a COCO file lists; its height and width are None where the file does not state them."""

    file: str
    id: Hashable
    height: int | None
    width: int | None


def list_of(data: Mapping[str, Any], key: str) -> list[Any]:
    """Return one of a COCO file's three lists."""
    if not isinstance(data[key], list):
        raise ValueError(f"{key} is no list")
    return data[key]


def read_images(images: list[Any]) -> Iterator[Entry]:
    """Return the entries of a COCO file's images, in its order."""
    for number, entry in enumerate(images):
        place = f"images[{number}]"
        file = PureWindowsPath(str(_field(entry, "file_name", place))).as_posix()  # Windows' tools write backslashes
        if not PurePosixPath(file).name:
            raise ValueError(f"{place}: file_name names no file")
        sides = (
            None if entry.get(side) is None else _field(entry, side, place, whole_number)
            for side in ("height", "width")
        )
        yield Entry(file, _field(entry, "id", place), *sides)


def read_annotations(notes: list[Any], stored: Mapping[Hashable, int]) -> dict[Hashable, list[CocoShape]]:
    """Return the annotations of each image id, by annotation id; those whose id is no number by their place."""
    shapes: dict[Hashable, list[tuple[float, CocoShape]]] = {}
    for number, note in enumerate(notes):
        place = f"annotations[{number}]"
        if isinstance(note, dict) and "segments_info" in note:
            raise ValueError("it is a panoptic COCO file; take the one of instances, whose annotations are polygons")
        image, category = _field(note, "image_id", place), _field(note, "category_id", place, _category_id)
        if category not in stored:
            known = ", ".join(brief(each) for each in list(stored)[:8])
            raise ValueError(f"{place}: category_id {brief(category)} is none of the categories ({known})")
        order = _number(note.get("id"))
        if order is not None:
            place += f", id {brief(note['id'])},"
        area, segmentation = _number(note.get("area")), note.get("segmentation")
        stated = area if area and area > 0 else None
        shape = CocoShape(stored[category], segmentation, stated, _extent(note.get("bbox"), area), place)
        shapes.setdefault(image, []).append((number if order is None else order, shape))
    return {image: [shape for _, shape in sorted(of, key=lambda pair: pair[0])] for image, of in shapes.items()}


def _extent(bbox: Any, area: float | None) -> float | None:
    """Return the area of an annotation's box, without one that which the annotation states."""
    sides = [_number(side) for side in bbox[2:4]] if isinstance(bbox, list) else []
    width, height = sides if len(sides) == 2 else (None, None)
    return area if width is None or height is None else width * height


def _number(value: Any) -> float | None:
    try:
        return finite(value)
    except ValueError:
        return None


def _field(entry: Any, key: str, place: str, convert: Callable[[Any], Any] = identifier) -> Any:
    """Return a field of an image, an annotation or a category, converted; ValueError names both where that fails."""
    if not isinstance(entry, dict):
        raise ValueError(f"{place} is no object")
    if key not in entry:
        raise ValueError(f"{place} has no {key}")
    try:
        return convert(entry[key])
    except ValueError as error:
        raise ValueError(f"{place}: {key}: {error}") from None


def _category_id(value: Any) -> Hashable:
    """Return a category's id: a number, which some tools quote, or a text."""
    with suppress(ValueError):
        return whole_number(value)
    return identifier(value)


def read_categories(categories: list[Any], folder: Path) -> tuple[Values, dict[Hashable, int], int]:
    """Return names by stored value, in the order of category ids, stored values by category id, and bare pixels' value.

    A category called background comes first, or is put there. A label set beside the file that has no background leaves
    bare pixels without a class.
    """
    listed = []
    for number, category in enumerate(categories):
        place = f"categories[{number}]"
        name = str(_field(category, "name", place))
        if not plain_name(name):
            raise ValueError(f"{place} has an empty name")
        listed.append((_field(category, "id", place, _category_id), name))
    listed.sort(key=lambda pair: (isinstance(pair[0], str), pair))
    for (number, name), (following, other) in pairwise(listed):
        if number == following:
            raise ValueError(f"it has two categories of the id {brief(number)}, {name} and {other}")
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
