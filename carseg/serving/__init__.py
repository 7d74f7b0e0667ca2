"""The HTTP service and its page: what is here answers requests with the same ``Segmenter``. Nothing is here yet."""

from __future__ import annotations

__all__: list[str] = []
