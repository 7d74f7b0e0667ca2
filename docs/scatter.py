"""Quality against time as an SVG image in the text of a page: it needs no script, and has the page's colours."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 56, 190, 12, 46  # margins; on the right the longest name finds room
_LINE, _LETTER, _DOT = 14, 6.6, 5  # a line of text, the width of a letter, the radius of a point
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10)


@dataclass(frozen=True)
class Point:
    """One model: median milliseconds per image, mIoU in percent and its 95 % interval."""

    name: str
    ms: float
    miou: float
    interval: tuple[float, float]


def scatter(points: Sequence[Point]) -> str:
    """The plot; time is on a logarithmic axis. Points that no other is both quicker and better than are filled."""
    axes = _Axes(points)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="mIoU against milliseconds">'
        f"{''.join([*axes.grid(), *_dots(points, axes), *_names(points, axes)])}</svg>"
    )


class _Axes:
    def __init__(self, points: Sequence[Point]) -> None:
        self.powers = range(
            math.floor(min(math.log2(point.ms) for point in points)),
            math.floor(max(math.log2(point.ms) for point in points)) + 2,
        )
        low, high = min(point.interval[0] for point in points), max(point.interval[1] for point in points)
        self.step = next((step for step in _STEPS if high - low <= 8 * step), _STEPS[-1])
        first = math.floor(low / self.step)
        self.levels = range(first, max(math.ceil(high / self.step), first + 1) + 1)

    def x(self, ms: float) -> float:
        share = (math.log2(ms) - self.powers[0]) / (self.powers[-1] - self.powers[0])
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, miou: float) -> float:
        share = (miou / self.step - self.levels[0]) / (self.levels[-1] - self.levels[0])
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def grid(self) -> Iterator[str]:
        bottom = HEIGHT - BOTTOM
        for power in self.powers:
            x = self.x(2.0**power)
            yield f'<path class="grid" d="M{x:.1f} {TOP}V{bottom}"/>'
            yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{2.0**power:g}</text>'
        for level in self.levels:
            y = self.y(level * self.step)
            yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
            yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{level * self.step:g}</text>'
        middle = (LEFT + WIDTH - RIGHT) / 2
        yield f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">milliseconds per image</text>'
        yield (
            f'<text transform="translate(13 {(TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">'
            "mIoU in %, with its 95 % interval</text>"
        )


def _dots(points: Sequence[Point], axes: _Axes) -> Iterator[str]:
    for point in points:
        x, y = axes.x(point.ms), axes.y(point.miou)
        low, high = map(axes.y, point.interval)
        beaten = any(other.ms <= point.ms and other.miou >= point.miou for other in points if other is not point)
        yield f'<path class="interval" d="M{x:.1f} {low:.1f}V{high:.1f}"/>'
        yield (
            f'<circle class="{"beaten" if beaten else "best"}" cx="{x:.1f}" cy="{y:.1f}" r="{_DOT}">'
            f"<title>{escape(point.name)}: {point.miou:.2f} %, {point.ms:.1f} ms</title></circle>"
        )


def _names(points: Sequence[Point], axes: _Axes) -> Iterator[str]:
    """Each beside its point, or as near above or below as it covers neither another point nor another name."""
    dots = [(axes.x(point.ms), axes.y(point.miou)) for point in points]
    taken = [(x - _DOT - 2, y - _DOT - 2, x + _DOT + 2, y + _DOT + 2) for x, y in dots]
    for point, (x, y) in sorted(zip(points, dots, strict=True), key=lambda pair: pair[1][1]):
        left, right = x + 11, x + 11 + _LETTER * len(point.name)
        shifts = (sign * distance for distance in itertools.count(0, _LINE / 2) for sign in (1, -1))
        middle = next(
            y + shift
            for shift in shifts
            if not any(
                left < box[2] and box[0] < right and y + shift - _LINE / 2 < box[3] and box[1] < y + shift + _LINE / 2
                for box in taken
            )
        )
        taken.append((left, middle - _LINE / 2, right, middle + _LINE / 2))
        if middle != y:
            yield f'<path class="grid" d="M{x + _DOT:.1f} {y:.1f}L{left - 1:.1f} {middle:.1f}"/>'
        yield f'<text x="{left:.1f}" y="{middle + 4:.1f}">{escape(point.name)}</text>'
