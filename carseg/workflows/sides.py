"""Which of a car's four sides an image shows well enough to look at them.

The view alone does not tell: front-left is from 22 to 67 degrees off the front, and at either end of that one of the
two sides is a sliver. On a turntable's images of 45 degrees the front or rear makes up 34 to 67 % of all parts, and
the doors beside it 20 to 45 %; turned further, the lesser of the two makes up 4 to 30 %.
"""

from __future__ import annotations

from collections.abc import Sequence

from carseg.cars import View
from carseg.inference import Part
from carseg.labels import without_side

SIDES = ("front", "rear", "left", "right")
DOORS = ("front_door", "back_door")
ENDS = {
    "front": ("front_bumper", "front_light", "hood", "front_glass"),
    "rear": ("back_bumper", "back_light", "trunk", "tailgate", "back_glass"),
}

_END, _DOORS = 0.30, 0.20  # of the pixels of all parts


def shown_sides(parts: Sequence[Part], view: View | None) -> tuple[str, ...]:
    """Return those of ``SIDES`` that are shown.

    Args:
        parts: what is seen of a car.
        view: which of its sides is seen; None where that is unknown or unsure.
    """
    if view is None:
        return ()
    end, _, side = view.name.partition("-")
    if not side:
        return (end,)
    whole = sum(part.area_px for part in parts)
    least = {end: (ENDS[end], _END), side: (DOORS, _DOORS)}
    return tuple(
        name
        for name, (kinds, share) in least.items()
        if sum(part.area_px for part in parts if without_side(part.name) in kinds) >= share * whole
    )
