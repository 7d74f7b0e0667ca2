"""One file per job: report, cut-out, pre-labels."""

from __future__ import annotations

from carseg.workflows.cutout import CutoutFiles, cutout

__all__ = ["CutoutFiles", "cutout"]
