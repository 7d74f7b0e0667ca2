"""A picture of a car that comes with the package, so that a first try needs no file of one's own."""

from __future__ import annotations

from pathlib import Path


def example_image() -> Path:
    """Return the path of a JPEG of a car, the ``examples/car.jpg`` of the repository."""
    packaged = Path(__file__).with_name("car.jpg")  # hatch_build.py puts it there
    return packaged if packaged.exists() else Path(__file__).parents[2] / "examples" / "car.jpg"
