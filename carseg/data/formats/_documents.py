"""JSON and YAML that strangers wrote, and numbers in them: read within limits, or refused in one sentence.

A label file may be cut off, nested without end, or name one part of itself a million times. Whatever is wrong with it
is a ``DataError`` that names it.
"""

from __future__ import annotations

import functools
import math
import reprlib
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

from carseg._files import read_json as read_plain_json
from carseg.errors import DataError, excerpt

FARTHEST = 1e6  # pixels from an image's corner beyond which a coordinate is none
MOST_YAML_BYTES = 1 << 20  # the parser takes a second for each
MOST_YAML_NODES = 20_000  # with each alias written out; it takes half a second for these
_LONGEST_NUMBER = 400  # characters; 1:1:1..., which counts in sixties, takes time by the square of its length
_WHOLE_BITS = 64  # beyond which numbers of equal hash could be written down, to make every look-up a long search
_shortened = reprlib.Repr()
_shortened.maxstring = _shortened.maxother = _shortened.maxlong = 60


def read_json(path: Path) -> Any:
    """Return the content of a JSON file; ``NaN`` and ``Infinity`` in it are floats, as Python writes them.

    Raises:
        DataError: it cannot be read, is no JSON, is nested too deeply, or does not fit into the memory.
    """
    try:
        return read_plain_json(path)
    except ValueError as error:
        raise DataError(f"{path} is no valid JSON file: {error}") from None


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file of plain values.

    Raises:
        DataError: it cannot be read, is no YAML, is nested too deeply, or is too large with its aliases written out.
    """
    import yaml  # type: ignore[import-untyped]  # comes with timm and huggingface-hub

    try:
        if path.stat().st_size > MOST_YAML_BYTES:
            raise ValueError(f"it has more than {MOST_YAML_BYTES} bytes")
        loader = _bounded_loader()(path.read_text("utf-8-sig"))
        node = loader.get_single_node()
        if node is None:
            return None
        if _written_out(node, {}) > MOST_YAML_NODES:
            raise ValueError("it names parts of itself so often that it would fill the memory")
        return loader.construct_document(node)
    except RecursionError:
        raise DataError(f"{path} is no valid YAML file: it is nested too deeply, or within itself") from None
    # Beside YAMLError, what the parser lets through: of numbers, dates and tags that are none.
    except (OSError, yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
        raise DataError(f"{path} is no valid YAML file: {' '.join(str(error).split())}") from None


@functools.cache
def _bounded_loader() -> Any:
    """Return the class that reads YAML of plain values, and stops where there is too much of it."""
    import yaml

    class Loader(yaml.SafeLoader):
        composed = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            self.composed += 1
            if self.composed > MOST_YAML_NODES:
                raise ValueError(f"it has more than {MOST_YAML_NODES} values")
            return super().compose_node(parent, index)

        def compose_scalar_node(self, anchor: Any) -> Any:
            node = super().compose_scalar_node(anchor)
            if node.tag.endswith((":int", ":float")) and len(node.value) > _LONGEST_NUMBER:
                raise ValueError(f"it has a number of {len(node.value)} characters")
            return node

    return Loader


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
    if isinstance(value, int) and value.bit_length() > _WHOLE_BITS:
        return str(value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if is_number or isinstance(value, str):
        return value
    raise ValueError(f"{brief(value)} is neither a number nor a text")


def brief(value: Any) -> str:
    """Return a value as a text for a message, shortened."""
    return excerpt(_shortened.repr(value))
