"""Masks as run lengths, polygons and connected components, and grids over their pixels."""

from __future__ import annotations

from carseg.masks import components, coverage, grids, polygons, rle

__all__ = ["components", "coverage", "grids", "polygons", "rle"]
