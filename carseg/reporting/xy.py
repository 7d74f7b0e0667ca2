"""Points and lines over two axes as inline SVG: quality against time, and the curves of a training.

Colours are those of reports; a page that styles the classes "grid", "interval", "best" and "beaten" has its own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from carseg.reporting.plots import GRID, INKS, line, svg, text

_TOP, _BOTTOM = 14, 46  # margins
_LETTER, _LINE, _DOT = 6.6, 14, 4.5  # the width of a letter, a line of text, the radius of a point


@dataclass(frozen=True)
class Point:
    """One point of a plot.

    Attributes:
        x: its place across.
        y: its height.
        title: what is shown under the pointer.
        interval: of ``y``, None where none is known.
        hollow: drawn as a ring.
    """

    x: float
    y: float
    title: str
    interval: tuple[float, float] | None = None
    hollow: bool = False


def xy_plot(
    series: Iterable[tuple[str, Sequence[Point]]],
    *,
    x_title: str,
    y_title: str,
    log_x: bool = False,
    from_zero: bool = False,
    joined: bool = False,
    width: float = 900,
    height: float = 400,
) -> str:
    """Return a drawing of named series, each in an ink of its own, with its name beside its last point.

    Args:
        series: names and their points, at least one point each.
        x_title: what is written below the horizontal axis.
        y_title: what is written beside the upright axis.
        log_x: a logarithmic axis, by powers of two.
        from_zero: the upright axis begins at 0.
        joined: the points of a series are joined by a line.
        width: of the drawing, in pixels.
        height: of the drawing, in pixels.
    """
    named = [(name, list(points)) for name, points in series]
    axes = _Axes([p for _, points in named for p in points], named, log_x, from_zero, width, height)
    parts = list(axes.grid())
    for number, (_, points) in enumerate(named):
        ink = INKS[number % len(INKS)]
        if joined:
            corners = " ".join(f"{axes.x(p.x):.1f},{axes.y(p.y):.1f}" for p in points)
            parts.append(f'<polyline points="{corners}" fill="none" stroke="{ink}" stroke-width="2"/>')
        parts += (_dot(p, ink, axes) for p in points)
    parts += _names([(name, axes.x(points[-1].x), axes.y(points[-1].y)) for name, points in named])
    parts.append(text((axes.left + width - axes.right) / 2, height - 6, x_title, "middle"))
    parts.append(
        f'<text transform="translate(13 {(_TOP + height - _BOTTOM) / 2}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_title)}</text>"
    )
    return svg(width, height, parts)


class _Axes:
    def __init__(
        self,
        points: list[Point],
        named: list[tuple[str, list[Point]]],
        log_x: bool,
        from_zero: bool,
        width: float,
        height: float,
    ) -> None:
        self.log_x, self.width, self.height = log_x, width, height
        self.right = 30 + _LETTER * max(len(name) for name, _ in named)
        ends = [end for p in points for end in (p.y, *(p.interval or ()))]
        self.levels = _ticks(0.0 if from_zero else min(ends), max(ends))
        self.left = 34 + _LETTER * max(len(_number(level)) for level in self.levels)
        across = [math.log2(p.x) if log_x else p.x for p in points]
        if log_x:
            self.steps = [float(power) for power in range(math.floor(min(across)), math.floor(max(across)) + 2)]
        else:
            self.steps = _ticks(0.0, max(across))

    def x(self, value: float) -> float:
        place = math.log2(value) if self.log_x else value
        share = (place - self.steps[0]) / (self.steps[-1] - self.steps[0])
        return self.left + share * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        share = (value - self.levels[0]) / (self.levels[-1] - self.levels[0])
        return self.height - _BOTTOM - share * (self.height - _TOP - _BOTTOM)

    def grid(self) -> Iterator[str]:
        for step in self.steps:
            value = 2.0**step if self.log_x else step
            x = self.x(value)
            yield line(x, _TOP, x, self.height - _BOTTOM, GRID, css="grid")
            yield text(x, self.height - _BOTTOM + 18, f"{value:g}", "middle")
        for level in self.levels:
            y = self.y(level)
            yield line(self.left, y, self.width - self.right, y, GRID, css="grid")
            yield text(self.left - 8, y + 4, _number(level), "end")


def _number(level: float) -> str:
    return f"{level:.4g}"


def _ticks(low: float, high: float) -> list[float]:
    """Return 3 to 10 round numbers, evenly spaced, that reach from ``low`` or below to ``high`` or above."""
    if high <= low:
        high = low + (abs(low) or 1.0)
    power = 10.0 ** math.floor(math.log10(high - low))
    step = next(power * size for size in (0.1, 0.2, 0.5, 1, 2) if (high - low) / (power * size) <= 8)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _dot(point: Point, ink: str, axes: _Axes) -> str:
    x, y = axes.x(point.x), axes.y(point.y)
    bar = ""
    if point.interval:
        low, high = map(axes.y, point.interval)
        bar = line(x, low, x, high, ink, 2, css="interval")
    look = f'class="{"beaten" if point.hollow else "best"}" fill="{"#fff" if point.hollow else ink}" stroke="{ink}"'
    return f'{bar}<circle {look} cx="{x:.1f}" cy="{y:.1f}" r="{_DOT}"><title>{escape(point.title)}</title></circle>'


def _names(places: Sequence[tuple[str, float, float]]) -> Iterator[str]:
    """Yield each beside its point, or as near above or below as it covers neither another point nor another name."""
    taken = [(x - _DOT - 2, y - _DOT - 2, x + _DOT + 2, y + _DOT + 2) for _, x, y in places]
    for name, x, y in sorted(places, key=lambda place: place[2]):
        left, right = x + 11, x + 11 + _LETTER * len(name)
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
            yield line(x + _DOT, y, left - 1, middle, GRID, css="grid")
        yield text(left, middle + 4, name)
