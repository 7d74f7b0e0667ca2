"""Class files beside labels: which stored value is which class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carseg.data.formats._base import SPLITS, filled_lines, folders_like_splits
from carseg.data.formats._documents import brief, finite, identifier, read_json, read_yaml, whole_number
from carseg.errors import DataError
from carseg.labels import IGNORE, LabelSet, label_set, plain_name

TEXT_FILES = ("classes.txt", "labels.txt", "class_names.txt", "codes.txt")
JSON_FILE = "labels.json"
_CSV_FILE = "_classes.csv"
_YAML_FILE = "data.yaml"

Values = dict[int, str | None]


@dataclass(frozen=True)
class ClassFile:
    """The content of a class file.

    Attributes:
        values: stored values and their names.
        labels: the label set, where the file is one.
        stated: the file states the values; those of a mere list of names are the names' places in it.
    """

    values: Values
    labels: LabelSet | None = None
    stated: bool = True


def class_file(folder: Path) -> ClassFile | None:
    """Return the class file of a folder; without one, that of the folder above a split's, or of the first split.

    ``classes.txt`` (``labels.txt``, ``class_names.txt``, ``codes.txt``) has one name per line, the first is value 0; a
    first line ``__ignore__`` is value -1, as labelme has it. ``labels.json`` is a list of names, an object from values
    to names, or a whole label set: ``classes`` and perhaps ``name``, ``background``, ``foreground``, ``colors``,
    ``min_area``.
    ``_classes.csv``, Roboflow's, has a value and a name per line under a header. ``data.yaml`` counts where it has
    ``masks_dir``, as Ultralytics names the folder of label images: in others value 0 is no class but the background.

    Returns:
        Its content; None where there is no class file.

    Raises:
        DataError: the file is there but not valid.
    """
    below = folders_like_splits(folder) if folder.is_dir() else ()
    places = (folder, folder.parent) if folder.name.lower() in SPLITS else (folder, *below)
    files = [place / name for place in places for name in (JSON_FILE, *TEXT_FILES, _CSV_FILE)]
    files += [place / _YAML_FILE for place in places]
    path = next((file for file in files if file.is_file()), None)
    if path is None:
        return None
    try:
        if path.suffix == ".txt":
            names = _lines(path)
            return ClassFile(_values(enumerate(names, start=-1 if names[:1] == ["__ignore__"] else 0)), stated=False)
        if path.suffix == ".csv":
            rows = [line.partition(",") for line in _lines(path)[1:]]
            return ClassFile(_values((whole_number(value), name.strip()) for value, _, name in rows))
        data = _masks_names(path) if path.suffix == ".yaml" else read_json(path)
        if data is None:
            return None
        if isinstance(data, dict) and "categories" in data:
            return None  # a COCO file, to which FiftyOne gives this name
        if isinstance(data, dict) and "classes" in data:
            labels = _label_set(data, path.parent.name)
            return ClassFile(_values(enumerate(labels.classes)), labels)
        if isinstance(data, list):
            return ClassFile(_values(enumerate(data)), stated=False)
        return ClassFile(_values((whole_number(value), name) for value, name in data.items()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is no valid class file: {error}") from None


def _lines(path: Path) -> list[str]:
    try:
        return filled_lines(path.read_text("utf-8-sig"))  # Windows' editors begin a file with a mark
    except OSError as error:
        raise ValueError(error) from None


def _masks_names(path: Path) -> Any:
    """Return the names of a ``data.yaml`` about label images, None for one about polygons."""
    described = read_yaml(path)
    return described.get("names") if isinstance(described, dict) and "masks_dir" in described else None


def _values(pairs: Iterable[tuple[int, Any]]) -> Values:
    names = {value: str(identifier(name)) for value, name in pairs if value >= 0}
    values: Values = {value: None if plain_name(name) == "ignore" else name for value, name in names.items()}
    if not values or max(values) > IGNORE:
        raise ValueError(f"it must name values in 0..{IGNORE}")
    return values


def _label_set(data: Mapping[str, Any], name: str) -> LabelSet:
    return label_set(
        str(identifier(data.get("name", name))),
        tuple(str(identifier(c)) for c in data["classes"]),
        background=None if data.get("background") is None else whole_number(data["background"]),
        foreground=tuple(map(whole_number, data["foreground"])) if "foreground" in data else None,
        colors=tuple((_byte(r), _byte(g), _byte(b)) for r, g, b in data["colors"]) if "colors" in data else None,
        min_area=finite(data.get("min_area", 0.0)),
    )


def _byte(value: Any) -> int:
    number = whole_number(value)
    if not 0 <= number <= 255:
        raise ValueError(f"{brief(value)} is no colour's share of red, green or blue, 0..255")
    return number
