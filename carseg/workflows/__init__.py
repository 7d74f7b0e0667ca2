"""One file per job: report, cut-out, pre-labels. Nothing is here yet."""

from __future__ import annotations

__all__: list[str] = []
