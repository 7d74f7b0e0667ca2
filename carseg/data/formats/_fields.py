"""Fields of the JSON and YAML files that describe shapes: each is what it has to be, or the error names it.

Errors of this file and its users are the end of a sentence that begins with the file: "a.json has points[2] = ...".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from carseg.data.formats._documents import FARTHEST, brief, whole_number
from carseg.errors import DataError
from carseg.labels import plain_name


@contextmanager
def at(before: str, behind: str = "") -> Iterator[None]:
    """Put a place around the message of a DataError that the block raises: the file before it, the item behind it."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{before} {error} {behind}".rstrip()) from None


def class_name(value: Any, field: str) -> str:
    """Return a class name as a text; numbers are names too.

    Raises:
        DataError: it is a list, an object, null, true or false, or empty.
    """
    if isinstance(value, bool):  # YAML's yes, no, on and off
        raise DataError(f"{field} = {brief(value)}, not a name; a name such as no or on stands in quotes")
    if value is None or isinstance(value, (list, dict)) or not plain_name(str(value)):
        raise DataError(f"{field} = {brief(value)}, not a name")
    return str(value)


def points(value: Any, field: str) -> list[tuple[float, float]]:
    """Return the points of a shape, x and y in pixels.

    Raises:
        DataError: it is no list of pairs of numbers, or one of them is far from any image.
    """
    if not isinstance(value, list):
        raise DataError(f"{field} = {brief(value)}, not a list of points")
    for number, point in enumerate(value):
        if not (isinstance(point, list) and len(point) == 2 and all(map(_is_coordinate, point))):
            raise DataError(f"{field}[{number}] = {brief(point)}, not x and y in pixels")
    return [(float(x), float(y)) for x, y in value]


def _is_coordinate(value: Any) -> bool:
    # NaN is not within any limits; a whole number of 400 digits is compared without becoming a float.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -FARTHEST <= value <= FARTHEST


def side(value: Any, field: str) -> int:
    """Return a width or a height in pixels.

    Raises:
        DataError: it is no whole number.
    """
    try:
        return whole_number(value)
    except ValueError:
        raise DataError(f"{field} = {brief(value)}, not a number of pixels") from None
