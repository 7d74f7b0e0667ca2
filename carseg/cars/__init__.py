"""Meaning of a mask for cars: arrays in, arrays and records out."""

from __future__ import annotations

from carseg.cars.apart import CarRuns, Touching, car_labels, tell_cars, tells_whole_cars, touching_cars
from carseg.cars.cleaning import clean
from carseg.cars.compositing import alpha_within, box_of, composite, cut_out, feathered
from carseg.cars.cuts import OUTLINES, THROUGH, cut_features, possible_cuts
from carseg.cars.framing import Frame, frame_car
from carseg.cars.glass import glass_labels
from carseg.cars.pieces import Outlines, Piece, Region, find_pieces
from carseg.cars.side import PlacedPiece, SidedPiece, consistent_sides, sided_pieces
from carseg.cars.tracking import Tracker
from carseg.cars.unsided import sideless, told_sides
from carseg.cars.view import KINDS, SIDED, VIEWS, View, ViewFeatures, find_view, tells_ends, view_features

__all__ = [
    "KINDS",
    "OUTLINES",
    "SIDED",
    "THROUGH",
    "VIEWS",
    "CarRuns",
    "Frame",
    "Outlines",
    "Piece",
    "PlacedPiece",
    "Region",
    "SidedPiece",
    "Touching",
    "Tracker",
    "View",
    "ViewFeatures",
    "alpha_within",
    "box_of",
    "car_labels",
    "clean",
    "composite",
    "consistent_sides",
    "cut_features",
    "cut_out",
    "feathered",
    "find_pieces",
    "find_view",
    "frame_car",
    "glass_labels",
    "possible_cuts",
    "sided_pieces",
    "sideless",
    "tell_cars",
    "tells_ends",
    "tells_whole_cars",
    "told_sides",
    "touching_cars",
    "view_features",
]
