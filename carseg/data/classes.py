"""From the class names that a folder stores to the label set of its data set: class files, known sets, class maps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carseg.data.found import SPLITS, Found, filled_lines, folders_like_splits
from carseg.errors import DataError, OptionError
from carseg.labels import IGNORE, LABEL_SETS, Color, LabelSet, label_set
from carseg.registry import unknown

TEXT_FILES = ("classes.txt", "labels.txt", "class_names.txt", "codes.txt")
JSON_FILE = "labels.json"
_CSV_FILE = "_classes.csv"
_IGNORED = frozenset(("", "ignore"))  # new names that a class map gives to classes to ignore

Values = dict[int, str | None]


@dataclass(frozen=True)
class ClassFile:
    """What a class file says.

    Attributes:
        values: stored values and their names.
        labels: the label set, where the file is one.
        stated: whether the file states the values; those of a mere list of names are the names' places in it.
    """

    values: Values
    labels: LabelSet | None = None
    stated: bool = True


def known_labels(labels: str | LabelSet) -> LabelSet:
    """A label set by its name, or as it is.

    Raises:
        UnknownNameError: no such label set.
    """
    if isinstance(labels, LabelSet):
        return labels
    if labels not in LABEL_SETS:
        raise unknown("label set", labels, LABEL_SETS)
    return LABEL_SETS[labels]


def plain(name: str) -> str:
    """A name as names are compared: ``_background_`` is ``background``, ``Left-front door`` ``left_front_door``"""
    return "_".join(name.lower().replace("-", " ").replace("_", " ").split())


def parse_mapping(pairs: Iterable[str]) -> dict[str, str]:
    """A class map from texts such as ``front_left_door=door``; ``x=`` and ``x=ignore`` ignore the class x.

    Raises:
        OptionError: a text without "=", or two for one class.
    """
    mapping: dict[str, str] = {}
    for pair in pairs:
        old, equals, new = (part.strip() for part in pair.partition("="))
        if not (old and equals):
            raise OptionError(f"a class map is written OLD=NEW, got {pair!r}")
        if mapping.setdefault(old, new) != new:
            raise OptionError(f"the class map gives {old!r} two names, {mapping[old]!r} and {new!r}")
    return mapping


def class_file(folder: Path) -> ClassFile | None:
    """What the class file of a folder says; without one, that of the folder above a split's, or of the first split.

    ``classes.txt`` (``labels.txt``, ``class_names.txt``, ``codes.txt``) has one name a line, the first is value 0; a
    first line ``__ignore__`` is value -1, as labelme has it. ``labels.json`` is a list of names, an object from values
    to names, or a whole label set: ``classes`` and perhaps ``name``, ``background``, ``foreground``, ``colors``.
    ``_classes.csv``, Roboflow's, has a value and a name a line under a header.

    Returns:
        What the file says; None where there is no class file.

    Raises:
        DataError: the file is there but not valid.
    """
    below = folders_like_splits(folder) if folder.is_dir() else ()
    places = (folder, folder.parent) if folder.name.lower() in SPLITS else (folder, *below)
    files = (place / name for place in places for name in (JSON_FILE, *TEXT_FILES, _CSV_FILE))
    path = next((file for file in files if file.is_file()), None)
    if path is None:
        return None
    try:
        text = path.read_text("utf-8-sig")  # Windows' editors begin a file with a mark
        if path.suffix == ".txt":
            names = filled_lines(text)
            return ClassFile(_values(enumerate(names, start=-1 if names[:1] == ["__ignore__"] else 0)), stated=False)
        if path.suffix == ".csv":
            rows = [line.partition(",") for line in filled_lines(text)[1:]]
            return ClassFile(_values((int(value), name.strip()) for value, _, name in rows))
        data = json.loads(text)
        if isinstance(data, dict) and "categories" in data:
            return None  # a COCO file, to which FiftyOne gives this name
        if isinstance(data, dict) and "classes" in data:
            labels = _label_set(data, path.parent.name)
            return ClassFile(_values(enumerate(labels.classes)), labels)
        if isinstance(data, list):
            return ClassFile(_values(enumerate(data)), stated=False)
        return ClassFile(_values((int(value), name) for value, name in data.items()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is no valid class file: {error}") from None


def _values(pairs: Iterable[tuple[int, Any]]) -> Values:
    values: Values = {v: None if plain(str(name)) == "ignore" else str(name) for v, name in pairs if v >= 0}
    if not values or max(values) > IGNORE:
        raise ValueError(f"it must name values in 0..{IGNORE}")
    return values


def _label_set(data: Mapping[str, Any], name: str) -> LabelSet:
    return label_set(
        str(data.get("name", name)),
        tuple(str(c) for c in data["classes"]),
        background=data.get("background"),
        foreground=tuple(data["foreground"]) if "foreground" in data else None,
        colors=tuple((int(r), int(g), int(b)) for r, g, b in data["colors"]) if "colors" in data else None,
    )


def named_set(name: str, classes: Sequence[str], colors: Mapping[str, Color]) -> LabelSet:
    """The known label set of exactly these classes, else a new one; the class "background" is its background."""
    names = [plain(c) for c in classes]
    for known in LABEL_SETS.values():
        if names == list(known.classes):
            return known
    background = names.index("background") if "background" in names else None
    spelled = tuple("background" if plain(c) == "background" else c for c in classes)
    labels = label_set(name, spelled, background=background)
    if not all(c in colors for c in classes):
        return labels
    return label_set(name, spelled, background=background, colors=tuple(colors[c] for c in classes))


def _by_plain(names: Iterable[str]) -> dict[str, str]:
    """Names by how they are compared, in their order; of two that are the same the first."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(plain(name), name)
    return found


def resolve(
    name: str, parts: Sequence[Found], labels: LabelSet | None, mapping: Mapping[str, str]
) -> tuple[LabelSet, list[dict[int, int]]]:
    """The label set of a folder's splits and, for each split, stored value to label id (values to ignore: 255).

    Args:
        name: name of the label set where it is a new one.
        parts: the splits, with ``values``.
        labels: the label set to give, classes matched by name; None: what the folder's own names make.
        mapping: class name to new name; classes of one new name are merged, "" and "ignore" ignore a class.

    Raises:
        UnknownNameError: ``mapping`` speaks of a class that is not there.
        DataError: the folder has a class that ``labels`` lacks.
    """
    names = list(dict.fromkeys(c for part in parts for c in (part.values or {}).values() if c is not None))
    spelled = _by_plain(names)
    new = dict(spelled)
    for part in parts:
        new |= part.maps.get(labels.name if labels else "", {})
    for old, renamed in mapping.items():
        if plain(old) not in spelled:
            raise unknown("class", old, names)
        new[plain(old)] = renamed
    new = {old: "" if plain(renamed) in _IGNORED else renamed for old, renamed in new.items() if old in spelled}
    if labels is None:
        # A class that is ignored only by default keeps its place: the known set stays the known set.
        kept = _by_plain(c for c in (new if mapping else spelled).values() if c)
        colors = {c: color for part in parts for c, color in part.colors.items()}
        labels = named_set(name, list(kept.values()), colors)
    ids = {plain(c): i for i, c in enumerate(labels.classes)}
    missing = [c for c in dict.fromkeys(new.values()) if c and plain(c) not in ids]
    if missing:
        raise DataError(
            f"{name} has classes that the label set {labels.name!r} lacks: {', '.join(missing)}; "
            f"map each to one of {', '.join(labels.classes)} or to 'ignore'"
        )

    def label_id(c: str | None) -> int:
        return ids[plain(new[plain(c)])] if c is not None and new[plain(c)] else IGNORE

    return labels, [{value: label_id(c) for value, c in (part.values or {}).items()} for part in parts]
