"""One picklable callable for cluster engines, and the cluster job. Nothing is here yet."""

from __future__ import annotations

__all__: list[str] = []
