"""Meaning of a mask for cars: arrays in, arrays and records out."""

from __future__ import annotations

from carseg.cars.apart import CarRuns, car_labels, tell_cars, tells_whole_cars
from carseg.cars.cleaning import clean
from carseg.cars.compositing import composite, cut_out, foreground_alpha
from carseg.cars.pieces import Piece, Region, find_pieces
from carseg.cars.side import SidedPiece, consistent_sides, sided_pieces
from carseg.cars.view import KINDS, SIDED, VIEWS, View, ViewFeatures, find_view, view_features

__all__ = [
    "KINDS",
    "SIDED",
    "VIEWS",
    "CarRuns",
    "Piece",
    "Region",
    "SidedPiece",
    "View",
    "ViewFeatures",
    "car_labels",
    "clean",
    "composite",
    "consistent_sides",
    "cut_out",
    "find_pieces",
    "find_view",
    "foreground_alpha",
    "sided_pieces",
    "tell_cars",
    "tells_whole_cars",
    "view_features",
]
