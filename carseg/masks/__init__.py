"""Masks as run lengths, polygons and connected components."""

from __future__ import annotations

from carseg.masks import components, polygons, rle

__all__ = ["components", "polygons", "rle"]
