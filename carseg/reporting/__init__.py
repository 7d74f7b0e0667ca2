"""HTML and SVG pieces of every page that carseg writes."""

from __future__ import annotations

from carseg.reporting.cards import CARD_STYLE, cards, swatch, warnings
from carseg.reporting.compass import compass
from carseg.reporting.html import counted, facts, figure, write_page
from carseg.reporting.plots import bars, svg, text
from carseg.reporting.xy import Point, xy_plot

__all__ = [
    "CARD_STYLE",
    "Point",
    "bars",
    "cards",
    "compass",
    "counted",
    "facts",
    "figure",
    "svg",
    "swatch",
    "text",
    "warnings",
    "write_page",
    "xy_plot",
]
