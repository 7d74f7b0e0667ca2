"""What only the caller knows of labels: whether a missing one means background, and how wide lines are."""

from __future__ import annotations

import math
from dataclasses import replace

from carseg.data.formats._base import Found, Item
from carseg.data.formats._rasterize import Background, DrawnLabel
from carseg.errors import OptionError


def as_stated(part: Found, background_images: bool, line_width: float | None) -> Found:
    """Return a split as the caller wants it read; see ``carseg.data.load`` for the arguments.

    Raises:
        OptionError: the split's format has no background, or the width is negative.
    """
    if background_images:
        part = _with_background(part)
    return part if line_width is None else _with_lines(part, line_width)


def _with_background(part: Found) -> Found:
    """Return a split whose images without a label show nothing but background."""
    if part.unlabeled is None:
        raise OptionError(
            f"background_images is for formats with a file of shapes per image, yolo and labelme, not for {part.format}"
        )
    records = [*part.records, *(Item(name, image, Background()) for name, image in part.unlabeled.items())]
    problems = {name: reason for name, reason in part.problems.items() if name not in part.unlabeled}
    return replace(part, records=sorted(records, key=lambda record: record.name), problems=problems)


def _with_lines(part: Found, width: float) -> Found:
    """Return a split whose lines and points are drawn ``width`` pixels wide."""
    if not 0 <= width < math.inf:
        raise OptionError(f"line_width is a number of pixels, 0 or more, not {width}")
    records = []
    for record in part.records:
        label = record.label
        records.append(
            replace(record, label=replace(label, line_width=width)) if isinstance(label, DrawnLabel) else record
        )
    return replace(part, records=records)
