"""Plots as inline SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

INKS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7b5ea7", "#6b6b6b")  # after Okabe and Ito
GRID = "#e4e4e4"
_LETTER = 6.5  # pixels of a letter of the size of a plot's text


def bars(
    series: Mapping[str, Mapping[str, float | None]], width: float = 900, *, largest: float = 1, digits: int = 3
) -> str:
    """Return a bar chart of numbers from 0 on: per inner name one bar of every series, none for None.

    Args:
        series: numbers by name, by the title of the series; a single series needs no legend.
        width: of the drawing, in pixels.
        largest: the number whose bar is as long as there is room for.
        digits: of the numbers beside the bars, after the point.
    """
    names = dict.fromkeys(name for row in series.values() for name, value in row.items() if value is not None)
    bar, gap, left = 11, 9, 20 + _LETTER * max(map(len, names), default=0)
    step = bar * len(series) + gap
    parts = []
    for place, name in enumerate(names):
        top = 10 + place * step
        parts.append(text(left - 8, top + step / 2, name, "end"))
        for number, (title, row) in enumerate(series.items()):
            value = row.get(name)
            if value is not None:
                length, ink = value / largest * (width - left - 45), INKS[number % len(INKS)]
                where = f'x="{left}" y="{top + number * bar}" width="{length:.1f}" height="{bar - 1}"'
                parts.append(f'<rect {where} fill="{ink}"><title>{escape(title)}: {value:.4f}</title></rect>')
                parts.append(text(left + length + 5, top + number * bar + bar - 1, f"{value:.{digits}f}"))
    bottom = 20 + len(names) * step
    for number, title in enumerate(series if len(series) > 1 else ()):
        ink, y = INKS[number % len(INKS)], bottom + 18 * number
        parts.append(f'<rect x="{left}" y="{y}" width="12" height="12" fill="{ink}"/>')
        parts.append(text(left + 18, y + 10, title))
    return svg(width, bottom + (18 * len(series) + 6 if len(series) > 1 else 0), parts)


def svg(width: float, height: float, parts: Sequence[str]) -> str:
    """Return a drawing of SVG elements, for HTML."""
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{"".join(parts)}</svg>'


def line(x1: float, y1: float, x2: float, y2: float, ink: str, width: float = 1, css: str = "line") -> str:
    """Return a straight line, an SVG element."""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line class="{css}" {ends} stroke="{ink}" stroke-width="{width}"/>'


def text(x: float, y: float, content: str, anchor: str = "start") -> str:
    """Return text whose start, middle or end is at x, an SVG element."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(content)}</text>'
