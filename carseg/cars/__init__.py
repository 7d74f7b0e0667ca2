"""Meaning of a mask for cars: arrays in, arrays and records out."""

from __future__ import annotations

from carseg.cars.cleaning import clean
from carseg.cars.compositing import composite, cut_out, foreground_alpha
from carseg.cars.pieces import Piece, Region, find_pieces

__all__ = ["Piece", "Region", "clean", "composite", "cut_out", "find_pieces", "foreground_alpha"]
