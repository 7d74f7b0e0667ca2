"""The one way from an image to a mask: sources, preprocess, forward, postprocess, ``Segmenter``, ``Result``."""

from __future__ import annotations

from carseg.inference.file_names import source_digest, stem_of
from carseg.inference.options import RAW
from carseg.inference.parts import Part, Parts
from carseg.inference.pipeline import Pipeline
from carseg.inference.prefetch import prefetch
from carseg.inference.preprocess import Prepared, Preprocessor, normalize_batch
from carseg.inference.result import OUTPUT_SUFFIXES, Result, path_of
from carseg.inference.saved import is_saved, origin_of
from carseg.inference.segmenter import Segmenter, load
from carseg.inference.sources import find_images, load_image
from carseg.inference.table import TableFile, check_table, rows_of, table_file

__all__ = [
    "OUTPUT_SUFFIXES",
    "RAW",
    "Part",
    "Parts",
    "Pipeline",
    "Prepared",
    "Preprocessor",
    "Result",
    "Segmenter",
    "TableFile",
    "check_table",
    "find_images",
    "is_saved",
    "load",
    "load_image",
    "normalize_batch",
    "origin_of",
    "path_of",
    "prefetch",
    "rows_of",
    "source_digest",
    "stem_of",
    "table_file",
]
