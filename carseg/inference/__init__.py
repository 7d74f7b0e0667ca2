"""The one way from an image to a mask: sources, preprocess, forward, postprocess, ``Segmenter``, ``Result``."""

from __future__ import annotations

from carseg.inference.cars import Body, Car
from carseg.inference.cutout import CutoutOptions, holes_notice
from carseg.inference.file_names import OUTPUT_SUFFIXES, frame_name, path_of, source_digest, stem_of
from carseg.inference.files import CUTOUT_KINDS, LONGEST, encode_photo, encode_png, write_file
from carseg.inference.options import RAW
from carseg.inference.parts import Part, Parts
from carseg.inference.pipeline import Pipeline
from carseg.inference.prefetch import image_jobs, prefetch
from carseg.inference.preprocess import Prepared, Preprocessor, normalize_batch
from carseg.inference.refine import refine_outline
from carseg.inference.refiner import REFINER, Refiner, best_edges
from carseg.inference.result import Result
from carseg.inference.saved import is_saved, origin_of
from carseg.inference.segmenter import Segmenter, load
from carseg.inference.smoothing import Smoother
from carseg.inference.sources import find_images, load_image
from carseg.inference.table import TableFile, check_table, rows_of, table_file
from carseg.inference.video import VIDEO_SUFFIXES, Video, is_video, is_video_address
from carseg.inference.video_frames import video_stream

__all__ = [
    "CUTOUT_KINDS",
    "LONGEST",
    "OUTPUT_SUFFIXES",
    "RAW",
    "REFINER",
    "VIDEO_SUFFIXES",
    "Body",
    "Car",
    "CutoutOptions",
    "Part",
    "Parts",
    "Pipeline",
    "Prepared",
    "Preprocessor",
    "Refiner",
    "Result",
    "Segmenter",
    "Smoother",
    "TableFile",
    "Video",
    "best_edges",
    "check_table",
    "encode_photo",
    "encode_png",
    "find_images",
    "frame_name",
    "holes_notice",
    "image_jobs",
    "is_saved",
    "is_video",
    "is_video_address",
    "load",
    "load_image",
    "normalize_batch",
    "origin_of",
    "path_of",
    "prefetch",
    "refine_outline",
    "rows_of",
    "source_digest",
    "stem_of",
    "table_file",
    "video_stream",
    "write_file",
]
