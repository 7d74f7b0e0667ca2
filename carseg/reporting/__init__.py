"""HTML and SVG pieces of every page that carseg writes."""

from __future__ import annotations

from carseg.reporting.html import facts, figure, write_page
from carseg.reporting.plots import GRID, INKS, bars, line, svg, text

__all__ = ["GRID", "INKS", "bars", "facts", "figure", "line", "svg", "text", "write_page"]
