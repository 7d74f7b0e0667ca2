"""Label Studio: a JSON list of tasks, each an image with polygons and rectangles, in hundredths of its sides.

A task's annotation counts, and where nobody has made one its prediction. Classes are those of a class file, else the
labels that occur, behind the background. The larger shape is painted first. See ``_rasterize`` for the pixels that a
polygon covers. What is written are predictions of polygons: a hole is joined to its outline by a cut of no width.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import quoteattr

import numpy as np

from carseg.data.formats._base import Found, Item, files_in
from carseg.data.formats._class_files import class_file
from carseg.data.formats._documents import FARTHEST, brief, finite, read_json
from carseg.data.formats._fields import at, class_name
from carseg.data.formats._listed_images import image_names, listed_images
from carseg.data.formats._rasterize import Points, paint, within
from carseg.data.formats._shape_classes import behind_background, lacks_background, values_by_name
from carseg.data.formats._writing import (
    DocumentWriter,
    LabeledImage,
    classes_of,
    colors_by_name,
    hex_color,
    write_text,
)
from carseg.data.formats.masks import IMAGE_FOLDERS
from carseg.errors import DataError, excerpt
from carseg.labels import plain_name

NAME = "label_studio"
LAYOUT = "a *.json list of tasks with 'data' and 'annotations' or 'predictions', and images/"

_DIGITS = 6  # of a pixel: hundredths of a side seldom give it back exactly
_UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # what an upload puts before the name of a file
_FROM_NAME, _TO_NAME = "label", "image"


@dataclass(frozen=True)
class LabelStudioLabel:
    """The shapes of one task; ``values`` gives the stored value of each class by its plain name."""

    place: str
    shapes: tuple[Any, ...]
    values: Mapping[str, int]

    def read(self, height: int, width: int) -> np.ndarray:
        drawn: list[tuple[int, Points]] = []
        for number, shape in enumerate(self.shapes):
            with at(f"{self.place} has", f"(result[{number}])"):
                label = _label(shape)
                if plain_name(label) not in self.values:
                    raise DataError(
                        f"the label {brief(label)}, which the class file lacks: add it there, or delete the file"
                    )
                _refuse_size(shape, height, width)
                outline = within(_outline(shape, height, width), height, width)
                drawn.append((self.values[plain_name(label)], outline))
        return paint(drawn, height, width)


def read(folder: Path, images: Path | None = None, annotations: Path | None = None) -> dict[str, Found] | None:
    """Return the images of a file of tasks."""
    place = annotations or folder
    parsed = {path: tasks for path in files_in(place, ".json") if (tasks := _tasks(path)) is not None}
    if not parsed:
        return None
    if len(parsed) > 1:
        files = ", ".join(path.name for path in parsed)
        raise DataError(f"{place} holds several files of Label Studio ({files}): leave one there")
    [(path, tasks)] = parsed.items()
    problems: dict[str, str] = {}
    shapes: list[tuple[str, list[Any]]] = []
    for number, task in enumerate(tasks):
        try:
            with at(f"{path} has", f"(task {number + 1})"):
                shapes.append((_image(task), _result(task)))
        except DataError as error:
            problems[f"task {number + 1}"] = str(error)
    names = _names(folder, {_label_or_none(one) for _, result in shapes for one in result} - {None})
    written = class_file(folder)
    values = behind_background(names, path, bare=lacks_background(written))
    by_name = values_by_name(values)
    listed = Counter(file for file, _ in shapes)
    found, called = listed_images(path, listed, images), image_names(listed)
    records = []
    for file, result in shapes:
        if file not in found or listed[file] > 1:
            reason = (
                f"lists {excerpt(file)} twice" if file in found else f"speaks of {excerpt(file)}, which is not there"
            )
            problems[called[file]] = f"{path} {reason}"
        else:
            where = f"the task of {excerpt(file)} in {path}"
            records.append(Item(called[file], found[file], LabelStudioLabel(where, tuple(result), by_name)))
    return {"": Found(NAME, records, values, problems=problems)}


def _tasks(path: Path) -> list[Any] | None:
    """Return the tasks of a file, None where it is none of Label Studio's."""
    try:
        with path.open("rb") as file:
            if not file.read(1 << 12).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
                return None
        tasks = read_json(path)
    except (OSError, DataError):
        return None  # other formats that begin so say what is wrong
    first = tasks[0] if isinstance(tasks, list) and tasks else None
    if not isinstance(first, dict) or not isinstance(first.get("data"), dict):
        return None
    return tasks if {"annotations", "predictions"} & first.keys() else None


def _image(task: Any) -> str:
    """Return the path of a task's image below the folder of images.

    Raises:
        DataError: it has none.
    """
    data = task.get("data") if isinstance(task, dict) else None
    texts = [text for text in data.values() if isinstance(text, str)] if isinstance(data, dict) else []
    text = data.get("image") if isinstance(data, dict) and isinstance(data.get("image"), str) else next(iter(texts), "")
    if not text:
        raise DataError(f"data = {brief(data)}, which names no image")
    try:
        parts = urlsplit(text)
        local = parse_qs(parts.query).get("d")
    except ValueError:
        raise DataError(f"data.image = {brief(text)}, which is no address") from None
    file = PurePosixPath(local[0] if local else unquote(parts.path))
    if not local and (parts.scheme or file.is_absolute()):  # a place on a server, whose folders are none of ours
        return (_UPLOADED.sub("", file.name) if "upload" in file.parts else file.name) or "image"
    inside = file.parts[1:] if len(file.parts) > 1 and file.parts[0].lower() in IMAGE_FOLDERS else file.parts
    return "/".join(inside)


def _result(task: Mapping[str, Any]) -> list[Any]:
    """Return the shapes of a task's annotation, or of its last prediction where it has none."""
    made = task.get("annotations") or []
    if not isinstance(made, list):
        raise DataError(f"annotations = {brief(made)}, not a list")
    made = [one for one in made if not (isinstance(one, dict) and one.get("was_cancelled"))]
    if len(made) > 1:
        raise DataError(f"{len(made)} annotations, of which one counts: leave one of them")
    predictions = task.get("predictions") or []
    chosen = made or (predictions[-1:] if isinstance(predictions, list) else [])
    result = chosen[0].get("result") if chosen and isinstance(chosen[0], dict) else []
    if not isinstance(result, list):
        raise DataError(f"result = {brief(result)}, not a list of shapes")
    return [
        one for one in result if not isinstance(one, dict) or one.get("type") not in ("choices", "textarea", "relation")
    ]


def _value(shape: Any) -> Mapping[str, Any]:
    value = shape.get("value") if isinstance(shape, dict) else None
    if not isinstance(value, dict):
        raise DataError(f"{brief(shape)}, not a shape with a value")
    return value


def _label(shape: Any) -> str:
    value, kind = _value(shape), shape.get("type")
    if not isinstance(kind, str):
        raise DataError(f"type = {brief(kind)}, not a kind of shape")
    names = value.get(kind)
    if not isinstance(names, list) or len(names) != 1:
        raise DataError(f"value.{excerpt(kind)} = {brief(names)}, not one label")
    return class_name(names[0], f"value.{excerpt(kind)}[0]")


def _label_or_none(shape: Any) -> str | None:
    try:
        return _label(shape)
    except DataError:
        return None  # said when the label is read


def _names(folder: Path, used: set[Any]) -> list[str]:
    written = class_file(folder)
    return [name for name in written.values.values() if name] if written else sorted(used)


def _refuse_size(shape: Mapping[str, Any], height: int, width: int) -> None:
    stated = shape.get("original_height") or height, shape.get("original_width") or width
    if stated != (height, width):
        raise DataError(f"original_width and original_height {brief(stated[::-1])}; the image is {width}x{height}")


def _outline(shape: Mapping[str, Any], height: int, width: int) -> Points:
    value, kind = _value(shape), shape.get("type")
    if kind == "polygonlabels":
        points = value.get("points")
        if not isinstance(points, list) or len(points) < 3:
            raise DataError(f"value.points = {brief(points)}, not three points or more")
        return [_point(point, f"value.points[{number}]", height, width) for number, point in enumerate(points)]
    if kind == "rectanglelabels":
        x, y, across, down = (_share(value.get(key), f"value.{key}") for key in ("x", "y", "width", "height"))
        angle = math.radians(_share(value.get("rotation") or 0, "value.rotation"))
        cos, sin = math.cos(angle), math.sin(angle)
        left, top, across, down = x * width / 100, y * height / 100, across * width / 100, down * height / 100
        corners = ((0.0, 0.0), (across, 0.0), (across, down), (0.0, down))  # turned about the first
        return [(left + a * cos - b * sin, top + a * sin + b * cos) for a, b in corners]
    raise DataError(f"type = {brief(kind)}: outline it by polygons or rectangles")


def _point(point: Any, field: str, height: int, width: int) -> tuple[float, float]:
    if not isinstance(point, list) or len(point) != 2:
        raise DataError(f"{field} = {brief(point)}, not x and y")
    x, y = (_share(side, field) for side in point)
    return round(x * width / 100, _DIGITS), round(y * height / 100, _DIGITS)


def _share(value: Any, field: str) -> float:
    try:
        number = finite(value)
    except ValueError as error:
        raise DataError(f"{field} of which {error}") from None
    if abs(number) > FARTHEST:
        raise DataError(f"{field} = {brief(value)}, which is nowhere near the image")
    return number


class LabelStudioWriter(DocumentWriter):
    """Writes ``tasks.json``, and ``labeling_config.xml`` for the project's labelling interface.

    The images are files of a local storage whose root is the folder.
    """

    FILE = "tasks.json"

    def go_on(self) -> None:
        for before in read_json(self.folder / self.FILE):
            self.write_item(before)

    def head(self) -> str:
        return "["

    def add(self, image: LabeledImage) -> None:
        self.write_item(task(image))

    def foot(self) -> str:
        return "\n]\n"

    def close(self) -> None:
        super().close()
        colors = colors_by_name(self.labels)
        labels = "".join(
            f"    <Label value={quoteattr(name)} background={quoteattr(hex_color(colors[name]))}/>\n"
            for name in classes_of(self.labels).values()
        )
        write_text(
            self.folder / "labeling_config.xml",
            f'<View>\n  <Image name="{_TO_NAME}" value="$image" zoom="true"/>\n'
            f'  <PolygonLabels name="{_FROM_NAME}" toName="{_TO_NAME}">\n{labels}  </PolygonLabels>\n</View>\n',
        )


def task(image: LabeledImage) -> dict[str, Any]:
    """Return a task with a prediction: polygons, the score of each and their mean."""
    width, height = image.size
    result, scores = [], []
    for number, (region, ring) in enumerate(image.rings()):
        name = image.class_of(region)
        shape = {
            "id": f"{number}",
            "type": "polygonlabels",
            "from_name": _FROM_NAME,
            "to_name": _TO_NAME,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {
                "points": [[round(100 * x / width, 10), round(100 * y / height, 10)] for x, y in ring],
                "closed": True,
                "polygonlabels": [name],
            },
        }
        result.append(shape if region.score is None else {**shape, "score": region.score})
        scores += [] if region.score is None else [region.score]
    prediction: dict[str, Any] = {"model_version": image.model, "result": result}
    if scores:
        prediction["score"] = sum(scores) / len(scores)
    return {"data": {"image": f"/data/local-files/?d={quote(f'images/{image.file}')}"}, "predictions": [prediction]}
