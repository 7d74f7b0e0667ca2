"""Networks as files for other programs: ``export``."""

from __future__ import annotations

from carseg.exporting.acceptance import agreement, reference
from carseg.exporting.export import Exported, export

__all__ = ["Exported", "agreement", "export", "reference"]
