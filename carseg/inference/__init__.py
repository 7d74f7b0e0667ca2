"""The one way from an image to a mask: sources, preprocess, forward, postprocess, ``Segmenter``, ``Result``."""

from __future__ import annotations

from carseg.inference.parts import Part, Parts
from carseg.inference.postprocess import class_scores, to_mask, to_probabilities
from carseg.inference.prefetch import prefetch
from carseg.inference.preprocess import normalize_batch, preprocess
from carseg.inference.result import OUTPUT_SUFFIXES, Result, path_of
from carseg.inference.segmenter import Segmenter, load
from carseg.inference.sources import find_images, load_image

__all__ = [
    "OUTPUT_SUFFIXES",
    "Part",
    "Parts",
    "Result",
    "Segmenter",
    "class_scores",
    "find_images",
    "load",
    "load_image",
    "normalize_batch",
    "path_of",
    "prefetch",
    "preprocess",
    "to_mask",
    "to_probabilities",
]
