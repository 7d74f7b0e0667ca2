"""Jobs that use several rooms, one file each: overlays of videos."""

from __future__ import annotations

from carseg.workflows.video import VIDEO_FORMATS, is_overlay_video, overlay_video

__all__ = ["VIDEO_FORMATS", "is_overlay_video", "overlay_video"]
