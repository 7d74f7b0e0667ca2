"""One file per job that uses several rooms, and what it is made of: cut-outs, labels, photo reports, videos."""

from __future__ import annotations

from carseg.workflows.car_report import BestPhoto, Failure, Report
from carseg.workflows.cutout import CutoutFiles, cutout
from carseg.workflows.inspecting import inspect_photo
from carseg.workflows.label import Labeled, label
from carseg.workflows.photo import Photo, PhotoPart, PhotoWarning
from carseg.workflows.report import report
from carseg.workflows.requirements import Requirement
from carseg.workflows.show_data import show_data
from carseg.workflows.video import VIDEO_FORMATS, is_overlay_video, overlay_video
from carseg.workflows.with_sides import with_sides

__all__ = [
    "VIDEO_FORMATS",
    "BestPhoto",
    "CutoutFiles",
    "Failure",
    "Labeled",
    "Photo",
    "PhotoPart",
    "PhotoWarning",
    "Report",
    "Requirement",
    "cutout",
    "inspect_photo",
    "is_overlay_video",
    "label",
    "overlay_video",
    "report",
    "show_data",
    "with_sides",
]
