"""One file per job: report, cut-out, pre-labels."""

from __future__ import annotations

from carseg.workflows.label import Labeled, label

__all__ = ["Labeled", "label"]
