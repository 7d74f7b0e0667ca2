"""Masks as run lengths and polygons."""

from __future__ import annotations

from carseg.masks import polygons, rle

__all__ = ["polygons", "rle"]
