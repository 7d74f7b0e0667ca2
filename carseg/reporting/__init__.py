"""HTML and SVG pieces of every page that carseg writes."""

from __future__ import annotations

from carseg.reporting.cards import CARD_STYLE, cards, warnings
from carseg.reporting.compass import compass
from carseg.reporting.html import facts, figure, write_page
from carseg.reporting.plots import bars, svg, text
from carseg.reporting.xy import Point, xy_plot

__all__ = [
    "CARD_STYLE",
    "Point",
    "bars",
    "cards",
    "compass",
    "facts",
    "figure",
    "svg",
    "text",
    "warnings",
    "write_page",
    "xy_plot",
]
