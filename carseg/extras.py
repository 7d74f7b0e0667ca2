"""Packages that only some need, which extras of carseg bring."""

from __future__ import annotations

import importlib.util

from carseg.errors import MissingExtraError


def require(package: str, extra: str, purpose: str) -> None:
    """Raises MissingExtraError, which says what to install for ``purpose``, where the package is not there."""
    if importlib.util.find_spec(package) is None:
        raise MissingExtraError(package, extra, purpose)
