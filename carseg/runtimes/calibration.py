"""Calibration of int8 as a file: the ranges of a network's activations on images, for the weights they were seen with.

The file is JSON with the fields of ``Calibration``. It is written and read where the user says; the ranges that were
published with weights stand in their ``config.json`` (``ModelInfo.int8``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from carseg._arrays import Float32Array
from carseg._files import read_json, replacing
from carseg.errors import ManifestError, OptionError, OutputError
from carseg.hub import ModelInfo, Range, Record, ResolvedWeights, from_plain, require, require_ranges, to_plain
from carseg.runtimes.artifacts import onnx_model

SCHEMA = 1
_LARGEST = 1 << 20  # bytes
_METHOD = "lowest and highest value of each image, averaged over the images"


@dataclass(frozen=True)
class Calibration(Record):
    """Ranges of a network's activations for computing in int8.

    Attributes:
        schema: version of the file format.
        weights_sha256: of the weights file that they were seen with, 64 hexadecimal digits.
        images: number of images that they were seen on.
        method: how they were made from the images, in words.
        ranges: (lowest, highest) by place in the network; see ``carseg.runtimes.observe``.
    """

    schema: int
    weights_sha256: str
    images: int
    method: str
    ranges: dict[str, Range]

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.schema == SCHEMA, "schema", f"must be {SCHEMA}, got {self.schema}")
        require(self.images >= 1, "images", f"must be at least 1, got {self.images}")
        require(bool(self.ranges), "ranges", "must not be empty")
        require_ranges(self.ranges)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file that ``read_calibration`` reads, with its folder, and return its path.

        Raises:
            OutputError: it cannot be written.
        """
        file = Path(path)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(file) as partial:
                partial.write_text(json.dumps(to_plain(self), indent=2) + "\n", "utf-8")
        except OSError as error:
            raise OutputError(f"calibration {file} cannot be written: {error.strerror or error}") from None
        return file


def calibrate(resolved: ResolvedWeights, inputs: Iterable[Float32Array]) -> Calibration:
    """Return the ranges of a network's activations on images.

    Args:
        resolved: the weights.
        inputs: normalized images, float32 (3, h, w) each, at least one.

    Raises:
        MissingExtraError: a package that the conversion needs is not installed.
    """
    from carseg.runtimes.quantize import observe

    count = 0

    def counted() -> Iterator[Float32Array]:
        nonlocal count
        for x in inputs:
            count += 1
            yield x[None]

    ranges = observe(onnx_model(resolved, "float32", "onnx", load=bytes), counted())
    return Calibration(SCHEMA, resolved.info.sha256, count, _METHOD, ranges)


def read_calibration(path: str | os.PathLike[str], info: ModelInfo) -> Calibration:
    """Return the calibration in a file.

    Raises:
        OptionError: the file cannot be read, is no calibration, or belongs to other weights than those of ``info``.
    """
    remedy = f"`carseg export {info.name} --precision int8 --calib DIR --calibration FILE` makes one"
    try:
        calibration: Calibration = from_plain(Calibration, read_json(Path(path), limit=_LARGEST))
    except ManifestError as error:
        raise OptionError(f"calibration {path}: {error}; {remedy}") from None
    except ValueError as error:
        raise OptionError(f"calibration {path} cannot be read ({error}); {remedy}") from None
    if calibration.weights_sha256 != info.sha256:
        raise OptionError(
            f"calibration {path} belongs to other weights (sha256 {calibration.weights_sha256[:12]}...) than those of "
            f"{info.name} ({info.sha256[:12]}...); {remedy} for these"
        )
    return calibration


def int8_ranges(info: ModelInfo, calibration: str | os.PathLike[str] | None) -> dict[str, Range]:
    """Return the ranges of a network's activations: those in a file, or those published with the weights for None.

    Raises:
        OptionError: the file cannot be used, or none is given and none were published.
    """
    if calibration is not None:
        return read_calibration(calibration, info).ranges
    if info.int8 is None:
        raise OptionError(
            f"{info.name} was published without int8: run `carseg export {info.name} --format onnx --precision int8 "
            "--calib DIR --calibration FILE` with a folder of images once, then give the FILE (calibration=, "
            "--calibration)"
        )
    return info.int8.ranges
