"""The classes of shapes that lie on bare ground: the background comes first."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from carseg.data.formats._class_files import ClassFile, Values
from carseg.errors import DataError
from carseg.labels import IGNORE, plain_name


def behind_background(names: Iterable[str], place: Path, *, bare: bool = False) -> Values:
    """Return a value for each class name of shapes on bare ground: the background is 0, what is to be ignored 255.

    Args:
        names: the classes.
        place: where they come from, for messages.
        bare: they have no background, so that bare ground, still 0, is ignored.

    Raises:
        DataError: there are more classes than values.
    """
    kept = [name for name in dict.fromkeys(names) if plain_name(name) != "ignore"]
    background = next((name for name in kept if plain_name(name) == "background"), "background")
    ordered: list[str | None] = [None if bare else background, *(name for name in kept if name != background or bare)]
    if len(ordered) > IGNORE:
        raise DataError(f"{place} has {len(ordered)} classes, of which a label takes {IGNORE} at most")
    return {**dict(enumerate(ordered)), IGNORE: None}


def lacks_background(written: ClassFile | None) -> bool:
    """Return whether a class file is a label set without a background."""
    return written is not None and written.labels is not None and written.labels.background is None


def values_by_name(values: Values) -> dict[str, int]:
    """Return the value of each class by its plain name, that of "ignore" too."""
    return {plain_name(name or "ignore"): value for value, name in values.items()}
