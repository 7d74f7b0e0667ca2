"""Masks as run lengths, polygons and connected components, and grids over their pixels."""

from __future__ import annotations

from carseg.masks import components, grids, polygons, rle

__all__ = ["components", "grids", "polygons", "rle"]
