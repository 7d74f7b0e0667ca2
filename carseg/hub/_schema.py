"""Frozen dataclasses that check themselves against their annotations, from and to JSON. Standard library only.

Annotations may use str, int, float, bool, Literal, ``X | None``, ``tuple[X, ...]``, ``tuple[X, Y]``, ``dict[str, X]``
and dataclasses. JSON has fewer types: lists become tuples, objects become dataclasses, whole numbers become floats.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import reprlib
import types
from collections.abc import Callable
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from carseg.errors import ManifestError

_kinds: Callable[[Any], dict[str, Any]] = functools.cache(get_type_hints)
_WORDS = {int: "a whole number", str: "text", bool: "true or false"}
_MOST = 2000  # values that a list or an object may have
_LONGEST = 4000  # characters that a text may have
_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = 80


class Record:
    """Base of dataclasses whose fields are checked against their annotations, however the object was made.

    Raises:
        ManifestError: a field has the wrong type; the message begins with its path, as ``input.size.0``.
    """

    @classmethod
    def fields_of(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Return the fields in a JSON object; a class whose JSON is arranged differently overrides this."""
        return data

    def arranged(self, plain: dict[str, Any]) -> dict[str, Any]:
        """Return the fields as JSON has them, the inverse of ``fields_of``."""
        return plain

    def __post_init__(self) -> None:
        kinds, owner = _kinds(type(self)), cast(Any, self)
        for field in dataclasses.fields(owner):
            object.__setattr__(self, field.name, convert(kinds[field.name], getattr(self, field.name), field.name))


def require(condition: bool, where: str, reason: str) -> None:
    """Raise ManifestError about the field ``where`` unless the condition holds."""
    if not condition:
        raise ManifestError(f"{where}: {reason}")


def shown(value: Any) -> str:
    """Return a value as an error shows it: as in Python, shortened where it is long or deep."""
    return _repr.repr(value)


def from_plain(cls: type[Any], data: Any) -> Any:
    """Return an instance of the dataclass ``cls`` from a JSON object.

    Raises:
        ManifestError: a field is missing, unknown, of the wrong type or out of range; the message begins with its path.
    """
    if not isinstance(data, dict):
        raise ManifestError(f"must be an object, got {shown(data)}")
    if issubclass(cls, Record):
        data = cls.fields_of(data)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for name in data:
        require(name in fields, name[:80], f"no such field; known: {', '.join(fields)}")
    for name, field in fields.items():
        require(name in data or _default(field) is not dataclasses.MISSING, name, "missing")
    kinds = _kinds(cls)
    return cls(**{name: convert(kinds[name], value, name) for name, value in data.items()})


def to_plain(value: Any) -> Any:
    """Return ``value`` as JSON has it; a dataclass without the fields that have their default."""
    if dataclasses.is_dataclass(value):
        values = {field: getattr(value, field.name) for field in dataclasses.fields(value)}
        plain = {field.name: to_plain(v) for field, v in values.items() if v != _default(field)}
        return value.arranged(plain) if isinstance(value, Record) else plain
    if isinstance(value, dict):
        return {key: to_plain(v) for key, v in value.items()}
    return [to_plain(v) for v in value] if isinstance(value, tuple) else value


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def convert(kind: Any, value: Any, where: str) -> Any:
    """Return a JSON value as the type of an annotation.

    Raises:
        ManifestError: the value has another type; the message begins with ``where``.
    """
    origin, arguments, is_object = _form(kind)
    if origin is Literal:
        _expect(value in arguments, where, f"one of {', '.join(arguments)}", value)
        return value
    if origin in (Union, types.UnionType):  # always "X | None"
        return None if value is None else convert(arguments[0], value, where)
    if origin is tuple:
        _expect(isinstance(value, (tuple, list)), where, "a list", value)
        _require_few(len(value), where)
        kinds = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        if len(kinds) != len(value):
            raise ManifestError(f"{where}: must have {len(kinds)} values, got {shown(value)}")
        return tuple(convert(k, v, f"{where}.{i}") for i, (k, v) in enumerate(zip(kinds, value, strict=True)))
    if origin is dict:
        _expect(isinstance(value, dict), where, "an object", value)
        _require_few(len(value), where)
        for key in value:
            convert(str, key, f"a name in {where}")
        return {key: convert(arguments[1], v, f"{where}.{key}") for key, v in value.items()}
    if is_object:
        return value if type(value) is kind else _nested(kind, value, where)
    if kind is float:
        _expect(_is_number(value), where, "a number", value)
        return float(value)
    _expect(type(value) is kind, where, _WORDS[kind], value)
    if kind is str:
        require(len(value) <= _LONGEST, where, f"must have at most {_LONGEST} characters")
    elif kind is int:
        require(abs(value) < 1 << 63, where, "must be a whole number of at most 64 bits")
    return value


@functools.cache
def _form(kind: Any) -> tuple[Any, tuple[Any, ...], bool]:
    """Return what an annotation is made of, and whether it is a dataclass; to find that out takes its time."""
    return get_origin(kind), get_args(kind), dataclasses.is_dataclass(kind)


def _expect(condition: bool, where: str, kind: str, value: Any) -> None:
    if not condition:  # only then, as to show a value takes its time too
        raise ManifestError(f"{where}: must be {kind}, got {shown(value)}")


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number that is no float
        return False


def _require_few(count: int, where: str) -> None:
    require(count <= _MOST, where, f"must have at most {_MOST} values")


def _nested(kind: Any, value: Any, where: str) -> Any:
    try:
        return from_plain(kind, value)
    except ManifestError as error:
        reason = str(error)
        raise ManifestError(f"{where}{': ' if reason.startswith('must') else '.'}{reason}") from None
