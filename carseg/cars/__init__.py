"""Meaning of a mask for cars: arrays in, arrays and records out."""

from __future__ import annotations

from carseg.cars.compositing import composite, cut_out, foreground_alpha

__all__ = ["composite", "cut_out", "foreground_alpha"]
