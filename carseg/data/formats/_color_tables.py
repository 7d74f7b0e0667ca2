"""Colour tables beside colour-coded labels: which colour is which class."""

from __future__ import annotations

import csv
from pathlib import Path

from carseg.data.formats._base import SPLITS
from carseg.errors import DataError, excerpt
from carseg.labels import Color

# File name, separator of its fields, and which fields hold the name and red, green, blue.
_LAYOUTS = {
    "class_dict.csv": (",", 0, 1),  # name, r, g, b under a header
    "label_colors.txt": (None, 3, 0),  # r g b name
    "labelmap.txt": (":", 0, 1),  # name:r,g,b:parts:actions
}


def color_table(folder: Path) -> dict[str, Color] | None:
    """Return class names and colours in the order of a colour file, None where there is none.

    The file is the first that lies in the folder, or, for a split's folder without one, in the folder above.

    Raises:
        DataError: a line of the file cannot be read.
    """
    path = next((folder / name for name in _LAYOUTS if (folder / name).is_file()), None)
    if path is None:
        return color_table(folder.parent) if folder.name.lower() in SPLITS else None
    separator, name_at, color_at = _LAYOUTS[path.name]
    table: dict[str, Color] = {}
    try:
        lines = [line.strip() for line in path.read_text("utf-8-sig", errors="replace").splitlines()]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    lines = [line for line in lines if line and not line.startswith("#")]
    for number, line in enumerate(lines):
        try:
            fields = next(csv.reader([line])) if separator == "," else line.split(separator)
            numbers = fields[color_at].split(",") if separator == ":" else fields[color_at : color_at + 3]
            red, green, blue = (int(value) for value in numbers)
            name = " ".join(fields[name_at:]) if separator is None else fields[name_at].strip()
        except (ValueError, IndexError, csv.Error):
            if number == 0 and separator == ",":
                continue  # the header
            name, red, green, blue = "", 0, 0, 0
        if not (name and max(red, green, blue) <= 255 and min(red, green, blue) >= 0):
            raise DataError(f"{path} has a line that gives no class name and colour: {excerpt(repr(line))}")
        table[name] = (red, green, blue)
    if not table or len(set(table.values())) != len(table):
        raise DataError(f"{path} names no class, or gives one colour to two classes")
    return table
