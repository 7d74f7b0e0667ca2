"""One file per job that uses several rooms, and what it is made of: cut-outs, the report of a car's photographs."""

from __future__ import annotations

from carseg.workflows.car_report import BestPhoto, Failure, Report
from carseg.workflows.cutout import CutoutFiles, cutout
from carseg.workflows.inspecting import inspect_photo
from carseg.workflows.photo import Photo, PhotoPart, PhotoWarning
from carseg.workflows.report import report
from carseg.workflows.requirements import Requirement

__all__ = [
    "BestPhoto",
    "CutoutFiles",
    "Failure",
    "Photo",
    "PhotoPart",
    "PhotoWarning",
    "Report",
    "Requirement",
    "cutout",
    "inspect_photo",
    "report",
]
