"""Facts about one weights file, as frozen dataclasses that validate themselves. Standard library only.

The fields are checked against their annotations; the JSON of the manifest and of every ``config.json`` has these very
fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from carseg.errors import ManifestError, OptionError
from carseg.figures import QUALITY, Estimate, Figures, flat
from carseg.hub._schema import Record, convert, from_plain, require, shown, to_plain
from carseg.labels import LABEL_SETS, LabelSet

MODEL_SCHEMA = 1  # version of the JSON of one model; docs/schemas/model.schema.json describes it
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")  # a name becomes a folder and a part of addresses
_LARGEST_SIDE = 1 << 12  # pixels; anybody's config.json is read, and must not take all memory
_LARGEST_FILE = 1 << 33  # bytes


def is_name(name: str) -> bool:
    """Return whether a model may have this name."""
    return _NAME.fullmatch(name) is not None


@dataclass(frozen=True)
class InputSpec(Record):
    """Input that weights expect: the size of images and how their values are normalized.

    Attributes:
        size: (height, width) in pixels.
        resize: "stretch" resizes to exactly ``size``; "fit" keeps the aspect, with the longest side ``max(size)`` and
            both rounded to ``multiple``.
        multiple: of "fit", in pixels.
        interpolation: "bilinear", antialiased.
        mean: per channel, subtracted after scaling: red, green, blue, and for a network that refines the mask of
            another one also that mask.
        std: per channel, the divisor after that.
        scale: "255" divides values by 255; "max" divides by the image's largest value (U^2-Net).
    """

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: Literal["stretch", "fit"] = "stretch"
    multiple: int = 1
    interpolation: Literal["bilinear"] = "bilinear"
    scale: Literal["255", "max"] = "255"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(min(self.size) >= 1, "size", f"must be at least 1, got {self.size}")
        require(max(self.size) <= _LARGEST_SIDE, "size", f"must be at most {_LARGEST_SIDE}, got {self.size}")
        require(self.multiple >= 1, "multiple", f"must be at least 1, got {self.multiple}")
        require(self.multiple <= _LARGEST_SIDE, "multiple", f"must be at most {_LARGEST_SIDE}, got {self.multiple}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            require(len(values) in (3, 4), name, f"must have 3 values, or 4 to refine another network, got {values}")
        require(len(self.std) == len(self.mean), "std", f"must have as many values as mean, got {self.std}")
        require(min(self.std) > 0, "std", f"must be above 0, got {self.std}")

    @property
    def channels(self) -> int:
        """Number of input channels: 3, or 4 if the last is the mask of another network."""
        return len(self.mean)


Range = tuple[float, float]  # lowest and highest value
_STATED = tuple(figure.key for figure in QUALITY if figure.in_manifest)


@dataclass(frozen=True)
class Confusion(Record):
    """Two classes, one of which is mistaken for the other.

    Attributes:
        truth: the class in the ground truth.
        taken_for: the predicted class.
        share: share of the pixels of ``truth`` that are predicted as ``taken_for``, 0..1.
    """

    truth: str
    taken_for: str
    share: float

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_shares("share", [self.share])


@dataclass(frozen=True)
class Metric(Figures, Record):
    """Figures of weights on one split, all in 0..1; a figure such as ``metric.miou`` is None if it was not measured.

    Attributes:
        dataset: name of the data.
        split: its split.
        images: number of images.
        protocol: how the figures were measured, in a phrase.
        figures: figures with their intervals, by the keys of `carseg.figures`; in JSON "miou", "miou_ci" and so on.
        per_class: IoU by class name; None for a class that the ground truth does not have.
        per_class_dice: Dice by class name, in the same way.
        merged: class name to the name under which it was counted; {} if no classes were merged.
        confused_most: the pair of classes that is confused most; None if it was not counted.
    """

    dataset: str
    split: str
    images: int
    protocol: str
    figures: dict[str, Estimate]
    per_class: dict[str, float | None] = field(default_factory=dict)
    per_class_dice: dict[str, float | None] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)
    confused_most: Confusion | None = None

    @classmethod
    def fields_of(cls, data: dict[str, Any]) -> dict[str, Any]:
        rest, figures = dict(data), {}
        for key in _STATED:
            value, interval = rest.pop(key, None), rest.pop(f"{key}_ci", None)
            if value is not None:
                low, high = (None, None) if interval is None else convert(tuple[float, float], interval, f"{key}_ci")
                figures[key] = Estimate(convert(float, value, key), low, high)
        return rest | {"figures": figures}

    def arranged(self, plain: dict[str, Any]) -> dict[str, Any]:
        first = {key: value for key, value in plain.items() if key in ("dataset", "split", "images", "protocol")}
        figures = {key: value for key, value in flat(self.figures).items() if value not in (None, [None, None])}
        return first | figures | {key: value for key, value in plain.items() if key not in first and key != "figures"}

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.images >= 1, "images", f"must be at least 1, got {self.images}")
        require("miou" in self.figures, "miou", "missing")
        for key, estimate in self.figures.items():
            require(key in _STATED, key, f"no such figure; known: {', '.join(_STATED)}")
            _require_shares(key, [estimate.value])
            if estimate.interval:
                _require_shares(f"{key}_ci", estimate.interval)
                low, high = estimate.interval
                require(low <= high, f"{key}_ci", f"must be (low, high), got {estimate.interval}")
        for name in ("per_class", "per_class_dice"):
            _require_shares(name, getattr(self, name).values())


def _require_shares(where: str, values: Iterable[float | None]) -> None:
    values = list(values)
    outside = [value for value in values if value is not None and not 0 <= value <= 1]
    require(not outside, where, f"must lie in 0..1, got {outside[0] if outside else None}")


@dataclass(frozen=True)
class DataSource(Record):
    """Data set that shaped weights.

    Attributes:
        name: name of the data set.
        split: the split that was used.
        images: number of images that were used.
        licence: its terms, an SPDX name or a plain sentence.
        role: what it was used for.
    """

    name: str
    split: str
    images: int
    licence: str
    role: Literal["training", "validation", "pretraining", "distillation", "background"]

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.images >= 1, "images", f"must be at least 1, got {self.images}")
        require(bool(self.licence), "licence", "must say something")


@dataclass(frozen=True)
class Int8(Record):
    """Ranges for computing in int8, and the mIoU it costs.

    Attributes:
        ranges: ranges of the activations, by place in the network; see ``carseg.runtimes``.
        miou_lost: mIoU in float32 minus that in int8, on the split of the first of ``ModelInfo.metrics``.
        miou_lost_seven_bits: the same on processors without VNNI, where one bit of the activations is left unused.
    """

    ranges: dict[str, Range]
    miou_lost: float
    miou_lost_seven_bits: float

    def __str__(self) -> str:
        gained, older = -100 * self.miou_lost, -100 * self.miou_lost_seven_bits
        return f"{gained:+.2f} points of mIoU, {older:+.2f} on processors without VNNI"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_ranges(self.ranges)


def require_ranges(ranges: dict[str, Range]) -> None:
    """Raise ManifestError about the field ``ranges`` unless each is (low, high)."""
    for place, (low, high) in ranges.items():
        require(low <= high, f"ranges.{place}", f"must be (low, high), got {(low, high)}")


@dataclass(frozen=True)
class Provenance(Record):
    """Facts about weights that do not depend on their file: what they are for and where they come from.

    Attributes:
        name: the name that ``carseg.load`` takes.
        architecture: the name that ``carseg.create_model`` takes.
        labels: the classes; in JSON the name of a label set, or an object with the fields of ``LabelSet``.
        input: size and normalization of the images.
        licence: licence of the file, an SPDX name or a plain sentence.
        commercial_use: whether the terms of all the data allow commercial use.
        recipe: how the weights were made: a file of this project, or a command.
        code_commit: commit of this project that made them.
        paper: where the architecture was published.
        made_by: who trained them.
        data: every data set that shaped them, also through pretraining or distillation.
    """

    name: str
    architecture: str
    labels: LabelSet
    input: InputSpec
    licence: str
    commercial_use: Literal["yes", "no", "unclear"]
    recipe: str
    code_commit: str
    paper: str
    made_by: str
    data: tuple[DataSource, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        require(is_name(self.name), "name", "may have letters, digits, '.', '_' and '-', at most 200")
        require(bool(self.licence), "licence", "must say something")


_FIRST = ("name", "architecture", "labels", "file", "sha256", "bytes", "parameters", "storage")  # in JSON


@dataclass(frozen=True)
class ModelInfo(Provenance):
    """Everything that is known about one weights file: its provenance, the file and the measured figures.

    Attributes:
        file: name of the file in the folder ``name``.
        sha256: digest of the file, 64 lower-case hexadecimal digits.
        bytes: size of the file.
        parameters: number of parameters of the network as built for prediction.
        storage: how most tensors are stored.
        metrics: the measured figures, the main ones first.
        quantization_loss: mIoU of the trained float32 weights minus that of the stored ones.
        runtimes: share of labels equal to those of torch float32, by runtime and precision, such as
            {"openvino": {"bfloat16": 0.9995}}; precisions that were no faster than float32 are left out.
        int8: ranges for computing in int8; None if it was not calibrated.
        embedded: whether the file is in the wheel.
    """

    file: str
    sha256: str
    bytes: int
    parameters: int
    storage: Literal["int8", "float16", "float32"]
    metrics: tuple[Metric, ...] = ()
    quantization_loss: float | None = None
    runtimes: dict[str, dict[str, float]] = field(default_factory=dict)
    int8: Int8 | None = None
    embedded: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        safe = _NAME.fullmatch(self.file) is not None and self.file.endswith(".safetensors")
        require(safe, "file", f"must be a plain name that ends in .safetensors, got {shown(self.file)}")
        hexadecimal = re.fullmatch("[0-9a-f]{64}", self.sha256) is not None
        require(hexadecimal, "sha256", f"must be 64 lower-case hexadecimal digits, got {shown(self.sha256)}")
        require(self.bytes >= 1, "bytes", f"must be at least 1, got {self.bytes}")
        require(self.bytes <= _LARGEST_FILE, "bytes", f"must be at most {_LARGEST_FILE}, got {self.bytes}")
        require(self.parameters >= 1, "parameters", f"must be at least 1, got {self.parameters}")
        for i, metric in enumerate(self.metrics):
            known = {*self.labels.classes, *metric.merged.values()}
            pair = {metric.confused_most.truth, metric.confused_most.taken_for} if metric.confused_most else set()
            strange = (metric.per_class.keys() | metric.per_class_dice.keys() | pair) - known
            require(not strange, f"metrics.{i}", f"classes that {self.labels.name!r} lacks: {shown(sorted(strange))}")

    @property
    def metric(self) -> Metric | None:
        """The main figures of the weights; None if nothing was measured."""
        return self.metrics[0] if self.metrics else None

    @property
    def elsewhere(self) -> Metric | None:
        """Figures on another data set than that of ``metric``; None if there are none."""
        return next((metric for metric in self.metrics if metric.dataset != self.metrics[0].dataset), None)

    @property
    def provenance(self) -> Provenance:
        """What is known without the file, as other weights that start from these inherit it."""
        return Provenance(**{each.name: getattr(self, each.name) for each in fields(Provenance)})

    def unmeasured(self) -> ModelInfo:
        """Return the same facts for other weights: nothing of them was measured, and no wheel carries them."""
        return replace(self, metrics=(), quantization_loss=None, runtimes={}, int8=None, embedded=False)

    @classmethod
    def from_dict(cls, name: str, data: Any) -> ModelInfo:
        """Return the ModelInfo in a JSON object that has the fields above but for the name, and perhaps ``schema``.

        Raises:
            ManifestError: a field is missing, unknown, of the wrong type or out of range; the message says which.
        """
        try:
            require(isinstance(data, dict), "entry", f"must be an object, got {shown(data)}")
            data = dict(data)
            schema, labels = data.pop("schema", MODEL_SCHEMA), data.get("labels")
            require(schema == MODEL_SCHEMA, "schema", f"must be {MODEL_SCHEMA}, got {shown(schema)}")
            if isinstance(labels, str):
                require(labels in LABEL_SETS, "labels", f"no label set {shown(labels)}; known: {', '.join(LABEL_SETS)}")
                data["labels"] = LABEL_SETS[labels]
            return from_plain(cls, {**data, "name": name})
        except (ManifestError, OptionError) as error:
            raise ManifestError(f"model {shown(name)}: {error}") from None

    def arranged(self, plain: dict[str, Any]) -> dict[str, Any]:
        return {name: plain[name] for name in _FIRST} | plain

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that ``from_dict`` reads; optional fields that have their default are left out."""
        data = to_plain(self)
        del data["name"]
        if LABEL_SETS.get(self.labels.name) == self.labels:
            data["labels"] = self.labels.name
        return data
