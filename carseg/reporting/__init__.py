"""HTML and SVG pieces of every page that carseg writes."""

from __future__ import annotations

from carseg.reporting.html import facts, figure, write_page
from carseg.reporting.plots import bars, svg, text
from carseg.reporting.xy import Point, xy_plot

__all__ = ["Point", "bars", "facts", "figure", "svg", "text", "write_page", "xy_plot"]
