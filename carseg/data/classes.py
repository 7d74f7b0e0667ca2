"""From the class names that a folder stores to the label set a data set has: known sets, class files, class maps."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from carseg.data.found import Found
from carseg.errors import DataError
from carseg.labels import LABEL_SETS, LabelSet, label_set
from carseg.registry import unknown

TEXT_FILES = ("classes.txt", "labels.txt", "codes.txt")
JSON_FILE = "labels.json"


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
    """A class name as it is compared: ``_background_`` and ``Front-left door`` are ``background``, ``front_left_door``."""
    return "_".join(name.lower().replace("-", " ").replace("_", " ").split())


def class_file(folder: Path, name: str) -> LabelSet | None:
    """What ``labels.json`` or ``classes.txt`` in a folder says: one name a line, the line number is the label id.

    ``labels.json`` is a list of names, or an object with ``classes`` and perhaps ``background``, ``foreground``, ``colors``.

    Raises:
        DataError: the file is there but not valid.
    """
    path = folder / JSON_FILE
    try:
        if path.is_file():
            data = json.loads(path.read_text("utf-8"))
            if isinstance(data, list):
                return with_background(name, data)
            return label_set(
                str(data.get("name", name)),
                tuple(data["classes"]),
                background=data.get("background"),
                foreground=tuple(data["foreground"]) if "foreground" in data else None,
                colors=tuple((int(r), int(g), int(b)) for r, g, b in data["colors"]) if "colors" in data else None,
            )
        for path in (folder / text for text in TEXT_FILES):
            if path.is_file():
                lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
                return with_background(name, [line for line in lines if line])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is no valid class file: {error}") from None
    return None


def with_background(name: str, classes: Sequence[str]) -> LabelSet:
    """A label set of these names; known sets of the same names are given instead, a class "background" is the background."""
    names = [plain(c) for c in classes]
    for known in LABEL_SETS.values():
        if names == list(known.classes):
            return known
    background = names.index("background") if "background" in names else None
    return label_set(
        name, tuple("background" if plain(c) == "background" else c for c in classes), background=background
    )


def resolve(
    name: str, parts: Sequence[Found], labels: LabelSet | None, mapping: Mapping[str, str]
) -> tuple[LabelSet, list[dict[int, int]]]:
    """The label set of a folder's splits and, for each split, stored value to label id (values to ignore: 255).

    Args:
        name: name of the label set where the folder has class names of its own.
        parts: the splits, ``values`` filled.
        labels: the label set to give, class names matched; None: the folder's own names.
        mapping: class name to new name; several names of one new name are merged, "" and "ignore" ignore a class.

    Raises:
        UnknownNameError: ``mapping`` speaks of a class that is not there.
        DataError: the folder has a class that ``labels`` lacks.
    """
    stored = [{value: c for value, c in (part.values or {}).items() if c is not None} for part in parts]
    names = list(dict.fromkeys(c for values in stored for c in values.values()))
    by_plain = {plain(c): c for c in names}
    renamed = {c: c for c in names}
    for old, new in mapping.items():
        if plain(old) not in by_plain:
            raise unknown("class", old, names)
        renamed[by_plain[plain(old)]] = "" if new in ("", "ignore") else new
    kept = list(dict.fromkeys(plain(c) for c in renamed.values() if c))
    if labels is None:
        spelled = {plain(c): c for c in reversed(renamed.values())}
        labels = with_background(name, [spelled[c] for c in kept])
    ids = {plain(c): i for i, c in enumerate(labels.classes)}
    missing = [c for c in kept if c not in ids]
    if missing:
        raise DataError(
            f"{name} has classes that the label set {labels.name!r} lacks: {', '.join(missing)}; "
            f"map each to one of {', '.join(labels.classes)} or to 'ignore'"
        )
    tables = []
    for part, values in zip(parts, stored, strict=True):
        table = {value: 255 for value, c in (part.values or {}).items() if c is None}
        table.update({value: ids[plain(renamed[c])] if renamed[c] else 255 for value, c in values.items()})
        tables.append(table)
    return labels, tables
