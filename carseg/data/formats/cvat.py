"""CVAT: ``annotations.xml`` of the format "CVAT for images 1.1", with the images in ``images/``.

Classes have the order of the labels of the task, behind the background. Polygons, boxes, ellipses and masks are painted
by their ``z_order``, and within one the larger first; polylines and points cover no area: the caller says how wide they
are. See ``_rasterize`` for the pixels that a polygon covers. What is written are polygons: a hole is joined to its
outline by a cut of no width.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

import numpy as np

from carseg._files import to_json
from carseg.data.formats._base import Found, Item, files_in
from carseg.data.formats._bitmaps import stamp
from carseg.data.formats._class_files import class_file
from carseg.data.formats._documents import FARTHEST, brief, finite, whole_number
from carseg.data.formats._fields import at
from carseg.data.formats._listed_images import image_names, listed_images
from carseg.data.formats._rasterize import DrawnLabel, Points, area, canvas, fill, within
from carseg.data.formats._shape_classes import behind_background, lacks_background, values_by_name
from carseg.data.formats._writing import DocumentWriter, LabeledImage, classes_of, colors_by_name, hex_color, write_json
from carseg.errors import DataError, excerpt
from carseg.labels import Color, plain_name

NAME = "cvat"
LAYOUT = "annotations.xml (CVAT for images 1.1) and images/"

_LINES = {"polyline": "polyline", "points": "point"}
_SHAPES = ("polygon", "box", "ellipse", "mask", *_LINES)
_OTHERS = ("cuboid", "skeleton")  # have no outline on the image


@dataclass(frozen=True)
class CvatLabel(DrawnLabel):
    """The shapes of one image; ``values`` gives the stored value of each class by its plain name."""

    place: str
    height: str | None
    width: str | None
    shapes: tuple[tuple[str, Mapping[str, str]], ...]
    values: Mapping[str, int]

    def read(self, height: int, width: int) -> np.ndarray:
        with at(f"{self.place} has"):
            stated = _whole(self.height or height, "height"), _whole(self.width or width, "width")
        with at(self.place):
            mask = canvas(stated, (height, width))
        if not mask.flags.writeable:
            return mask
        drawn = []
        for number, (kind, fields) in enumerate(self.shapes):
            with at(f"{self.place} has", f"({kind} {number + 1}, {brief(fields.get('label'))})"):
                outline = within(_outline(kind, fields), *mask.shape)
                order = _whole(fields.get("z_order") or 0, "z_order")
                drawn.append((order, 0 if kind in _LINES else -area(outline), number, outline))
        for _, _, number, outline in sorted(drawn, key=lambda one: one[:3]):
            kind, fields = self.shapes[number]
            with at(f"{self.place} has", f"({kind} {number + 1}, {brief(fields.get('label'))})"):
                self._draw(mask, kind, fields, outline)
        return mask

    def _draw(self, mask: np.ndarray, kind: str, fields: Mapping[str, str], outline: Points) -> None:
        name = plain_name(fields.get("label") or "")
        if name not in self.values:
            raise DataError(
                f"the label {brief(fields.get('label'))}, which the class file lacks: add it there, or delete the file"
            )
        value = self.values[name]
        if kind in _LINES:
            self.draw_line(mask, outline, value, _LINES[kind])
        elif kind == "mask":
            left, top = (_whole(fields.get(key), key) for key in ("left", "top"))
            stamp(mask, _bits(fields, *mask.shape), left, top, value)
        else:
            fill(mask, outline, value)


def read(folder: Path, images: Path | None = None, annotations: Path | None = None) -> dict[str, Found] | None:
    """Return the images of ``annotations.xml``, or of the only other file of its kind."""
    place = annotations or folder
    parsed = {path: root for path in files_in(place, ".xml") if (root := _parse(path)) is not None}
    if not parsed:
        return None
    if len(parsed) > 1:
        files = ", ".join(path.name for path in parsed)
        raise DataError(f"{place} holds several files of CVAT ({files}): leave one there")
    [(path, root)] = parsed.items()
    entries = root.findall("image")
    listed = Counter(entry.get("name") or "" for entry in entries)
    colors = _labels(root)
    used = {shape.get("label") or "" for entry in entries for shape in entry if shape.tag in _SHAPES}
    written = class_file(folder)
    names = [name for name in written.values.values() if name] if written else [*colors, *sorted(used - colors.keys())]
    values = behind_background(names, path, bare=lacks_background(written))
    by_name = values_by_name(values)
    found, called = listed_images(path, listed, images), image_names(listed)
    records, problems = [], {}
    for entry in entries:
        file = entry.get("name") or ""
        if file not in found or listed[file] > 1:
            reason = (
                f"lists {excerpt(file)} twice" if file in found else f"speaks of {excerpt(file)}, which is not there"
            )
            problems[called[file]] = f"{path} {reason}"
            continue
        shapes = tuple((shape.tag, dict(shape.attrib)) for shape in entry if shape.tag in (*_SHAPES, *_OTHERS))
        where = f"the image {excerpt(file)} of {path}"
        label = CvatLabel(where, entry.get("height"), entry.get("width"), shapes, by_name)
        records.append(Item(called[file], found[file], label))
    return {"": Found(NAME, records, values, colors=_colors(colors, values), problems=problems)}


def _parse(path: Path) -> ElementTree.Element | None:
    """Return the root of a file of CVAT, None where it is another's, or one of a video's tracks."""
    try:
        with path.open("rb") as file:
            if b"<annotations" not in file.read(1 << 12):
                return None
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, OSError, ValueError, LookupError, RecursionError, MemoryError) as error:
        raise DataError(f"{path} is no valid XML file: {excerpt(str(error) or type(error).__name__)}") from None
    return root if root.tag == "annotations" and root.find("image") is not None else None


def _labels(root: ElementTree.Element) -> dict[str, str]:
    """Return the names of the labels of a task, or of a project, with their colours."""
    listed = root.findall("./meta/*/labels/label")
    names = {(label.findtext("name") or "").strip(): label.findtext("color") or "" for label in listed}
    return {name: color for name, color in names.items() if name}


def _colors(texts: Mapping[str, str], values: Mapping[int, str | None]) -> dict[str, Color]:
    """Return the colour of each class where every one but the background has its own."""
    colors: dict[str, Color] = {}
    for name in filter(None, values.values()):
        text = texts.get(name, "#000000" if plain_name(name) == "background" else "").removeprefix("#")
        if len(text) != 6 or not set(text.lower()) <= set("0123456789abcdef"):
            return {}
        colors[name] = (int(text[:2], 16), int(text[2:4], 16), int(text[4:], 16))
    return colors


def _whole(value: Any, field: str) -> int:
    try:
        return whole_number(value)
    except ValueError as error:
        raise DataError(f"{field} of which {error}") from None


def _number(fields: Mapping[str, str], field: str) -> float:
    try:
        number = finite(fields.get(field))
    except ValueError as error:
        raise DataError(f"{field} of which {error}") from None
    if abs(number) > FARTHEST:
        raise DataError(f"{field} = {brief(fields.get(field))}, which is no pixel")
    return number


def _outline(kind: str, fields: Mapping[str, str]) -> Points:
    """Return the outline of a shape, the box around a mask, or the points of a line.

    Raises:
        DataError: it has no outline.
    """
    if kind in _OTHERS:
        raise DataError(f"a {kind}, which covers no area: draw an outline instead")
    if kind in ("polygon", *_LINES):
        corners = []
        for number, text in enumerate((fields.get("points") or "").split(";")):
            across_text, _, down_text = text.partition(",")
            pair = {f"points[{number}]": across_text, f"points[{number}].y": down_text}
            corners.append((_number(pair, f"points[{number}]"), _number(pair, f"points[{number}].y")))
        if len(corners) < (1 if kind in _LINES else 3):
            raise DataError(f"a {kind} of {len(corners)} points, which covers no area")
        return corners
    if kind == "box":
        left, top, right, bottom = (_number(fields, key) for key in ("xtl", "ytl", "xbr", "ybr"))
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        return _turned(corners, ((left + right) / 2, (top + bottom) / 2), fields)
    if kind == "ellipse":
        x, y, across, down = (_number(fields, key) for key in ("cx", "cy", "rx", "ry"))
        angles = [2 * math.pi * i / 90 for i in range(90)]
        return _turned([(x + across * math.cos(a), y + down * math.sin(a)) for a in angles], (x, y), fields)
    left, top, width, height = (_number(fields, key) for key in ("left", "top", "width", "height"))
    return [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]


def _turned(corners: Points, middle: tuple[float, float], fields: Mapping[str, str]) -> Points:
    """Return corners turned clockwise about the middle by ``rotation``, in degrees."""
    angle = math.radians(_number(fields, "rotation")) if fields.get("rotation") else 0.0
    cos, sin, (x0, y0) = math.cos(angle), math.sin(angle), middle
    return [(x0 + (x - x0) * cos - (y - y0) * sin, y0 + (x - x0) * sin + (y - y0) * cos) for x, y in corners]


def _bits(fields: Mapping[str, str], height: int, width: int) -> np.ndarray:
    """Return the pixels of a mask, bool (h, w): run lengths row by row, of pixels that are not set first."""
    rows, columns = _whole(fields.get("height"), "height"), _whole(fields.get("width"), "width")
    if not (0 < rows <= height and 0 < columns <= width):
        raise DataError(f"a mask of {columns}x{rows} pixels, which the image's {width}x{height} do not hold")
    counts = [_whole(count, "rle") for count in (fields.get("rle") or "").split(",")]
    if min(counts) < 0 or max(counts) > rows * columns or sum(counts) != rows * columns:
        raise DataError(f"an rle whose runs do not fill {columns}x{rows} pixels")
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(rows, columns)


class CvatWriter(DocumentWriter):
    """Writes ``annotations.xml``, and ``cvat_labels.json`` for the "Raw" field in which CVAT takes labels."""

    FILE = "annotations.xml"

    def go_on(self) -> None:
        for before in ElementTree.parse(self.folder / self.FILE).getroot().iterfind("image"):
            self.file.write(ElementTree.tostring(before, "unicode").strip() + "\n")
            self._number = max(self._number, int(before.get("id") or 0) + 1)

    def head(self) -> str:
        return head(self.labels)

    def add(self, image: LabeledImage) -> None:
        self.file.write(element(image, self._number))
        self._number += 1

    _number = 0

    def foot(self) -> str:
        return _FOOT

    def close(self) -> None:
        super().close()
        score = {"name": "score", "input_type": "text", "mutable": False, "values": [""], "default_value": ""}
        labels = [
            {"name": name, "color": color, "attributes": [score]} for name, color in _label_colors(self.labels).items()
        ]
        write_json(self.folder / "cvat_labels.json", labels, indent=1)


_FOOT = "</annotations>\n"


def head(labels: Any) -> str:
    """Return what stands before the images: the version, and the labels with their colours."""
    listed = "".join(
        f"<label><name>{_escaped(name)}</name><color>{color}</color></label>\n"
        for name, color in _label_colors(labels).items()
    )
    start = '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
    return f"{start}<meta><task><labels>\n{listed}</labels></task></meta>\n"


def element(image: LabeledImage, number: int) -> str:
    """Return an image with its polygons, and the score of each as an attribute."""
    width, height = image.size
    lines = [f'<image id="{number}" name={quoteattr(image.file)} width="{width}" height="{height}">\n']
    for region, ring in image.rings():
        points = ";".join(f"{x:g},{y:g}" if max(x, y) < 1e5 else f"{x},{y}" for x, y in ring)
        source = "manual" if region.score is None else "auto"
        start = f'<polygon label={quoteattr(image.class_of(region))} source="{source}" occluded="0" z_order="0"'
        score = "" if region.score is None else f'<attribute name="score">{to_json(round(region.score, 4))}</attribute>'
        lines.append(f'{start} points="{points}">{score}</polygon>\n')
    return "".join([*lines, "</image>\n"])


def document(image: LabeledImage) -> str:
    """Return the file of one image."""
    return head(image.labels) + element(image, 0) + _FOOT


def _label_colors(labels: Any) -> dict[str, str]:
    names = classes_of(labels).values()
    return {name: hex_color(color) for name, color in colors_by_name(labels).items() if name in names}


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
