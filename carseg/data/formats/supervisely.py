"""Supervisely, as Dataset Ninja hands it out: ``meta.json``, and per data set ``img/`` and ``ann/IMAGE.jpg.json``.

Classes have the order of ``meta.json``, behind the background. Objects are painted in the order of the file, so that a
later one lies on top. They are bit masks, polygons with holes and rectangles; lines and points cover no area: the
caller says how wide they are. Data sets that are all called like splits are splits, others are one set together. See
``_rasterize`` for the pixels that a polygon covers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from carseg.data.formats._base import SPLIT_ORDER, SPLITS, Found, files_below, images_below, pair
from carseg.data.formats._bitmaps import read_bits, stamp
from carseg.data.formats._class_files import Values
from carseg.data.formats._documents import brief, read_json
from carseg.data.formats._fields import at, class_name, points, side
from carseg.data.formats._rasterize import DrawnLabel, canvas, fill, within
from carseg.data.formats._shape_classes import behind_background, values_by_name
from carseg.errors import DataError
from carseg.labels import plain_name

NAME = "supervisely"
LAYOUT = "meta.json and DATASET/img/, DATASET/ann/*.json"

_META = "meta.json"


@dataclass(frozen=True)
class SuperviselyLabel(DrawnLabel):
    """The objects of one image; ``values`` gives the stored value of each class by its plain name."""

    path: Path
    values: Mapping[str, int]

    def read(self, height: int, width: int) -> np.ndarray:
        note = read_json(self.path)
        with at(f"{self.path} has"):
            if not isinstance(note, dict) or not isinstance(note.get("objects"), list):
                raise DataError("no list 'objects': it is no annotation of Supervisely")
            size = note.get("size") or {"height": height, "width": width}
            if not isinstance(size, dict):
                raise DataError(f"size = {brief(size)}, not height and width")
            stated = side(size.get("height"), "size.height"), side(size.get("width"), "size.width")
        with at(str(self.path)):
            mask = canvas(stated, (height, width))
        if mask.flags.writeable:
            for number, thing in enumerate(note["objects"]):
                title = thing.get("classTitle") if isinstance(thing, dict) else None
                with at(f"{self.path} has", f"(objects[{number}], {brief(title)})"):
                    self._draw(mask, thing, title)
        return mask

    def _draw(self, mask: np.ndarray, thing: Any, title: Any) -> None:
        if not isinstance(title, str):
            raise DataError(f"{brief(thing)}, not an object with classTitle")
        if plain_name(title) not in self.values:
            raise DataError(f"the class {brief(title)}, which {_META} does not list")
        value, kind = self.values[plain_name(title)], thing.get("geometryType")
        if kind in ("bitmap", "alpha_mask"):
            bits = _object(thing, "bitmap")
            left, top = (round(start) for start in points([bits.get("origin")], "bitmap.origin")[0])
            pixels = read_bits(bits.get("data"), "bitmap.data", *mask.shape, compressed=True)
            within([(left, top), (left + pixels.shape[1], top + pixels.shape[0])], *mask.shape)
            stamp(mask, pixels, left, top, value)
            return
        if kind not in ("polygon", "rectangle", "line", "point"):
            raise DataError(f"geometryType = {brief(kind)}, which covers no area")
        rings = _object(thing, "points")
        corners = points(rings.get("exterior"), "points.exterior")
        if corners:
            within(corners, *mask.shape)
        if kind in ("line", "point") and corners:
            self.draw_line(mask, corners, value, kind)
        elif kind == "rectangle" and len(corners) == 2:
            (x0, y0), (x1, y1) = corners
            fill(mask, [(x0, y0), (x1, y0), (x1, y1), (x0, y1)], value)
        elif kind == "polygon" and len(corners) >= 3:
            covered = np.zeros_like(mask)
            fill(covered, corners, 1)
            for ring in _list(rings, "interior"):
                hole = points(ring, "points.interior")
                if len(hole) >= 3:
                    fill(covered, hole, 0)
            mask[covered == 1] = value
        else:
            raise DataError(f"a {kind} of {len(corners)} points, which covers no area")


def read(folder: Path) -> dict[str, Found] | None:
    """Return the data sets of a project, or the only one in the folder itself."""
    meta = next((place / _META for place in (folder, folder.parent) if (place / _META).is_file()), None)
    datasets = _datasets(folder) if meta else {}
    if meta is None or not datasets:
        return None
    values = _classes(meta)
    by_name = values_by_name(values)
    as_splits = {SPLITS.get(name.lower(), "") for name in datasets}
    split = "" not in as_splits and len(as_splits) == len(datasets)
    found: dict[str, Found] = {}
    for name, place in datasets.items():
        prefix = "" if split or len(datasets) == 1 else f"{name}/"
        images = images_below(place / "img")
        labels = _paired(place, images)
        records, problems = pair(
            {prefix + n: path for n, path in images.items()},
            {prefix + n: path for n, path in labels.items()},
            lambda path: SuperviselyLabel(path, by_name),
        )
        key = SPLITS[name.lower()] if split else ""
        before = found.get(key, Found(NAME, [], values))
        found[key] = Found(NAME, before.records + records, values, problems={**before.problems, **problems})
    return {key: found[key] for key in ("", *SPLIT_ORDER) if key in found}


def _datasets(folder: Path) -> dict[str, Path]:
    """Return the folders that hold ``img/`` and ``ann/``, by their path in the project; data sets may be nested."""
    if (folder / "ann").is_dir() and (folder / "img").is_dir():
        return {folder.name: folder}
    places = sorted(place.parent for place in folder.glob("**/ann") if (place.parent / "img").is_dir())
    return {place.relative_to(folder).as_posix().replace("/datasets/", "/"): place for place in places}


def _paired(place: Path, images: Mapping[str, Path]) -> dict[str, Path]:
    """Return the annotations by the names of their images: they are called like the image's file, with its ending."""
    names = {path.relative_to(place / "img").as_posix(): name for name, path in images.items()}
    notes = files_below(place / "ann", (".json",))
    return {names.get(note, note): path for note, path in notes.items()}


def _classes(meta: Path) -> Values:
    """Return the classes by stored value, the background first.

    Raises:
        DataError: the file does not list them.
    """
    project = read_json(meta)
    listed = project.get("classes") if isinstance(project, dict) else None
    if not isinstance(listed, list):
        raise DataError(f"{meta} has no list 'classes': it is no project of Supervisely")
    names = []
    for number, entry in enumerate(listed):
        with at(f"{meta} has"):
            names.append(class_name(_entry(entry, number), f"classes[{number}].title"))
    return behind_background(names, meta)


def _entry(entry: Any, number: int) -> Any:
    if not isinstance(entry, dict) or "title" not in entry:
        raise DataError(f"classes[{number}] = {brief(entry)}, not an object with a title")
    return entry["title"]


def _object(thing: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    value = thing.get(field)
    if not isinstance(value, dict):
        raise DataError(f"{field} = {brief(value)}, not an object")
    return value


def _list(rings: Mapping[str, Any], field: str) -> list[Any]:
    value = rings.get(field) or []
    if not isinstance(value, list):
        raise DataError(f"points.{field} = {brief(value)}, not a list of rings")
    return value
