"""The eight views of a car as a drawing from above, inline SVG: those that were seen are filled."""

from __future__ import annotations

import math
from collections.abc import Mapping

from carseg.reporting.plots import svg, text

_WIDTH, _HEIGHT = 380, 280  # of the drawing, in pixels
_MIDDLE_X, _MIDDLE_Y = 190, 140
_NEAR, _FAR, _LABEL = 62, 96, 106  # radii of a sector and of its name
_GAP = 0.03  # radians between two sectors


def compass(views: Mapping[str, int]) -> str:
    """Return a drawing of a car from above, its front up, with a sector for each view: "seen" where images show it.

    The page's style gives the looks of the classes "seen", "unseen" and "car".

    Args:
        views: the views and how many images show them, from the front on to the vehicle's left.
    """
    parts = [
        f'<rect class="car" x="{_MIDDLE_X - 22}" y="{_MIDDLE_Y - 46}" width="44" height="92" rx="14"/>',
        *(f'<path class="car" d="M{_MIDDLE_X - 14} {_MIDDLE_Y + y}h28"/>' for y in (-18, 28)),  # its windows
    ]
    step = 2 * math.pi / len(views)
    for place, (name, count) in enumerate(views.items()):
        angle = -place * step  # where the front is up, the vehicle's left is on the left
        parts.append(_sector(angle, step / 2 - _GAP, "seen" if count else "unseen", f"{name}: {count}"))
        x, y = _at(_LABEL, angle)
        anchor = "middle" if abs(x - _MIDDLE_X) < 1 else "end" if x < _MIDDLE_X else "start"
        parts.append(text(x, y + 5, name.replace("-", " "), anchor))
    shown = ", ".join(name for name, count in views.items() if count) or "none"
    return f'<div role="img" aria-label="views that are seen: {shown}">{svg(_WIDTH, _HEIGHT, parts)}</div>'


def _sector(angle: float, half: float, css: str, title: str) -> str:
    """Return the part of a ring around an angle, clockwise from above, as an SVG element."""
    inner, outer = (
        [_at(_NEAR, angle + side) for side in (half, -half)],
        [_at(_FAR, angle + side) for side in (-half, half)],
    )
    corners = [f"{x:.1f} {y:.1f}" for x, y in (*inner, *outer)]
    arcs = f"M{corners[0]}A{_NEAR} {_NEAR} 0 0 0 {corners[1]}L{corners[2]}A{_FAR} {_FAR} 0 0 1 {corners[3]}Z"
    return f'<path class="{css}" d="{arcs}"><title>{title}</title></path>'


def _at(radius: float, angle: float) -> tuple[float, float]:
    return _MIDDLE_X + radius * math.sin(angle), _MIDDLE_Y - radius * math.cos(angle)
