"""JSON and YAML that strangers wrote, and numbers in them: read within limits, or refused in one sentence.

A label file may be cut off, nested without end, or name one part of itself a million times. Whatever is wrong with it
is a ``DataError`` that names it.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

from carseg.errors import DataError

_MOST_YAML_BYTES = 1 << 20  # the parser takes seconds for each
_MOST_YAML_NODES = 100_000  # with each alias written out
_shortened = reprlib.Repr()
_shortened.maxstring = _shortened.maxother = _shortened.maxlong = 60


def read_json(path: Path) -> Any:
    """Return the content of a JSON file; ``NaN`` and ``Infinity`` in it are floats, as Python writes them.

    Raises:
        DataError: it cannot be read, is no JSON, or is nested too deeply.
    """
    try:
        return json.loads(path.read_bytes())
    except RecursionError:
        raise DataError(f"{path} is no valid JSON file: it is nested too deeply") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no valid JSON file: {error}") from None


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file of plain values.

    Raises:
        DataError: it cannot be read, is no YAML, is nested too deeply, or is too large with its aliases written out.
    """
    import yaml  # type: ignore[import-untyped]  # comes with timm and huggingface-hub

    try:
        if path.stat().st_size > _MOST_YAML_BYTES:
            raise ValueError(f"it has more than {_MOST_YAML_BYTES} bytes")
        text = path.read_text("utf-8-sig")
        node = yaml.compose(text, yaml.SafeLoader)
        if node is not None and _written_out(node, {}) > _MOST_YAML_NODES:
            raise ValueError("it names parts of itself so often that it would fill the memory")
        return yaml.safe_load(text)
    except RecursionError:
        raise DataError(f"{path} is no valid YAML file: it is nested too deeply, or within itself") from None
    # Beside YAMLError, what the parser lets through: of numbers, dates and tags that are none.
    except (OSError, yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
        raise DataError(f"{path} is no valid YAML file: {' '.join(str(error).split())}") from None


def _written_out(node: Any, known: dict[int, int]) -> int:
    """Return the number of nodes of a YAML tree in which each alias stands for a copy."""
    if id(node) not in known:
        known[id(node)] = 1 + sum(_written_out(child, known) for child in _children(node))
    return known[id(node)]


def _children(node: Any) -> Iterator[Any]:
    for child in node.value if isinstance(node.value, list) else ():
        yield from child if isinstance(child, tuple) else (child,)


def whole_number(value: Any) -> int:
    """Return a value as a whole number; 3, 3.0 and "3" are the same.

    Raises:
        ValueError: it is none.
    """
    number = finite(value)
    if number != int(number):
        raise ValueError(f"{brief(value)} is no whole number")
    return int(value if isinstance(value, int) else number)  # a float keeps 16 digits


def finite(value: Any) -> float:
    """Return a value as a float.

    Raises:
        ValueError: it is no number, or none that a float holds: NaN, infinite, of hundreds of digits.
    """
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{brief(value)} is no number")
    return number


def identifier(value: Any) -> Hashable:
    """Return a value that names something: an image, a category.

    Raises:
        ValueError: it is neither a number nor a text.
    """
    if isinstance(value, (int, float, str)) and value == value:
        return value
    raise ValueError(f"{brief(value)} is neither a number nor a text")


def brief(value: Any) -> str:
    """Return a value as a text for a message, shortened."""
    return _shortened.repr(value)
