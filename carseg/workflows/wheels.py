"""Which of a car's four wheels an image shows, told by its view and where they lie.

A view of the left side shows the two left wheels, and the front of the car then points to the left edge of the image:
the wheel before the middle of the doors is the front one, that behind it the rear one. Without a door in sight it is
that of the end that is seen. Of a view straight from the front or the rear, or an unsure one, no wheel is named: which
of two half hidden wheels is which is then not told. A wheel of the far side that shows under the car gets the name of
the near one of its axle, so that no wheel is counted that was not seen.
"""

from __future__ import annotations

from collections.abc import Sequence

from carseg.cars import View
from carseg.inference import Part
from carseg.labels import without_side
from carseg.masks import rle
from carseg.workflows.sides import DOORS, ENDS

WHEEL = "wheel"
WHEELS = ("front_left_wheel", "front_right_wheel", "rear_left_wheel", "rear_right_wheel")


def name_wheels(boxes: Sequence[rle.Box], parts: Sequence[Part], view: View | None) -> list[str | None]:
    """Return which of ``WHEELS`` each is, None where that cannot be told.

    Args:
        boxes: x, y, width, height of each wheel of a car.
        parts: what is seen of the car.
        view: which of its sides is seen; None where that is unknown or unsure.
    """
    side = "" if view is None else view.name.rpartition("-")[2]
    if side not in ("left", "right"):
        return [None] * len(boxes)
    doors = [part.bbox for part in parts if without_side(part.name) in DOORS]
    if doors:
        middle = (min(x for x, *_ in doors) + max(x + width for x, _, width, _ in doors)) / 2
        ends = ["front" if (x + width / 2 < middle) == (side == "left") else "rear" for x, _, width, _ in boxes]
    else:
        ends = [_end(parts)] * len(boxes)
    return [f"{end}_{side}_{WHEEL}" if end else None for end in ends]


def _end(parts: Sequence[Part]) -> str:
    """Return the end of the car that is seen alone, "" where it is both or none."""
    kinds = {without_side(part.name) for part in parts}
    ends = [end for end, its in ENDS.items() if not kinds.isdisjoint(its)]
    return ends[0] if len(ends) == 1 else ""
