"""JSON and YAML files of strangers: a damaged one costs neither minutes nor memory, and the error names it."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from carseg.errors import DataError

_FARTHEST = 1e6  # pixels from the image's corner
_LONGEST_YAML = 1 << 18  # bytes; the parser takes many seconds for a million


def load_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        DataError: it cannot be read, is no JSON, or is nested too deeply.
    """
    try:
        return json.loads(path.read_bytes())
    except RecursionError:
        reason = "is nested too deeply"
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        reason = f"is no valid JSON file: {error}"
    except ValueError:
        reason = "holds a number of thousands of digits"
    raise DataError(f"{path} {reason}")


def load_yaml(path: Path) -> Any:
    """Return the content of a YAML file.

    Raises:
        DataError: it cannot be read, is no YAML, is far longer than a description of data, or refers to parts of
            itself (``*name``), by which a few lines can stand for more than any memory holds.
    """
    import yaml  # type: ignore[import-untyped]  # comes with timm and huggingface-hub

    try:
        if path.stat().st_size > _LONGEST_YAML:
            raise DataError(f"{path} is longer than {_LONGEST_YAML} bytes: it is no description of a data set")
        text = path.read_text("utf-8-sig")
        if "*" in text and any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise DataError(f"{path} refers to parts of itself (*name): write them out")
        return yaml.safe_load(text)
    except DataError:
        raise
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    except RecursionError:
        reason = "is nested too deeply"
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError) as error:  # of its value constructors
        reason = f"is no valid YAML file: {error}"
    raise DataError(f"{path} {reason}")


def shown(value: Any) -> str:
    """Return a value of a file for a message: short, however long or deep it is."""
    return reprlib.repr(value)


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
        DataError: it is a list or an object.
    """
    if isinstance(value, (list, dict)):
        raise DataError(f"{field} = {shown(value)}, not a name")
    return str(value)


def points(value: Any, field: str) -> list[tuple[float, float]]:
    """Return the points of a shape, x and y in pixels.

    Raises:
        DataError: it is no list of pairs of numbers, or one of them is far from any image.
    """
    if not isinstance(value, list):
        raise DataError(f"{field} = {shown(value)}, not a list of points")
    for number, point in enumerate(value):
        if not (isinstance(point, list) and len(point) == 2 and all(map(_is_coordinate, point))):
            raise DataError(f"{field}[{number}] = {shown(point)}, not x and y in pixels")
    return [(float(x), float(y)) for x, y in value]


def _is_coordinate(value: Any) -> bool:
    # NaN is not within any limits; a whole number of 400 digits is compared without becoming a float.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -_FARTHEST <= value <= _FARTHEST


def side(value: Any, field: str) -> int:
    """Return a width or a height in pixels.

    Raises:
        DataError: it is no whole number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or value % 1:
        raise DataError(f"{field} = {shown(value)}, not a number of pixels")
    return int(value)
