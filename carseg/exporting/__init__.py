"""Networks as files for other programs: ``export``."""

from __future__ import annotations

from carseg.exporting.acceptance import agreement, reference
from carseg.exporting.export import Exported, calibrate, export

__all__ = ["Exported", "agreement", "calibrate", "export", "reference"]
