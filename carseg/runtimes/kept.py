"""What is made from weights once and kept in the cache: networks as ONNX, compiled networks. Imports torch only to make
an ONNX file.

A kept file is its content behind the sha256 of it: what was cut short or damaged is made anew. A cache that cannot be
written costs time, no more.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from carseg import __version__
from carseg.atomic import replacing
from carseg.errors import MissingExtraError, OptionError
from carseg.hub import Located, cache_dir
from carseg.manifest import Entry

_DIGEST = 32  # bytes of a sha256


def keep(entry: Entry, key: tuple[str, ...], make: Callable[[], bytes]) -> bytes:
    """What ``make`` gives, or gave earlier for these weights and this key, in this or another process."""
    path = _path(entry, key)
    with suppress(OSError):
        stored = path.read_bytes()
        digest, content = stored[:_DIGEST], stored[_DIGEST:]
        if hashlib.sha256(content).digest() == digest:
            return content
    content = make()
    with suppress(OSError):
        put(entry, key, content)
    return content


def put(entry: Entry, key: tuple[str, ...], content: bytes) -> None:
    """Keeps what ``keep`` is to give for these weights and this key from now on.

    Raises:
        OSError: the cache cannot be written.
    """
    path = _path(entry, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_bytes(hashlib.sha256(content).digest() + content)


def onnx_model(located: Located, precision: str, extra: str) -> bytes:
    """The network as an ONNX file, "float32" or "int8"; input (N, 3, h, w), output (N, C, h', w'), all sizes free.

    Args:
        extra: the extra of carseg that brings what is missing, if it is.

    Raises:
        OptionError: "int8" of a network that was not calibrated on this machine.
        MissingExtraError: onnx or onnxscript is not installed.
        WeightsError: the weights do not fit the network.
    """

    def convert() -> bytes:
        if precision == "int8":
            name = located.entry.name
            raise OptionError(
                f"{name} was not calibrated for int8 on this machine: run "
                f"`carseg export {name} --format onnx --precision int8 --calib DIR` with a folder of pictures once"
            )
        for package in ("onnx", "onnxscript"):
            if importlib.util.find_spec(package) is None:
                raise MissingExtraError(package, extra, f"converting a network for {extra}")
        from carseg.runtimes.conversion import to_onnx
        from carseg.runtimes.torch_ import read_network

        return to_onnx(read_network(located))

    return keep(located.entry, onnx_key(precision), convert)


def onnx_key(precision: str) -> tuple[str, ...]:
    """Under which key ``onnx_model`` keeps its files."""
    return "onnx", precision


def _path(entry: Entry, key: tuple[str, ...]) -> Path:
    text = json.dumps([__version__, entry.architecture, *key])
    return cache_dir() / "compiled" / f"{entry.sha256[:24]}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"
