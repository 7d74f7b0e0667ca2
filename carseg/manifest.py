"""weights_manifest.json as frozen dataclasses, validated. Standard library only, so that listing models is quick.

    {"schema": 1, "hubs": [HUB, ...], "models": {NAME: {the fields of Entry, without its name}, ...}}

A hub's ``config.json`` is one entry with its name. A field that is missing, unknown, of the wrong type or out of range
is a ManifestError that names the model, the field and the reason. The annotations below are what is checked.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from carseg.atomic import replacing
from carseg.errors import ManifestError, OptionError
from carseg.labels import LABEL_SETS, LabelSet
from carseg.records import Record, from_plain, require, to_plain

SCHEMA = 1
CONFIG = "config.json"
_PACKAGE = Path(__file__).parent
# What lies here is weights_manifest.json and weights/: the package in a wheel, the top level in a checkout.
ROOT = _PACKAGE if (_PACKAGE / "weights_manifest.json").exists() else _PACKAGE.parent

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # it becomes a folder and a part of addresses


def is_name(name: str) -> bool:
    """Whether a model may be called so."""
    return _NAME.fullmatch(name) is not None


@dataclass(frozen=True)
class InputSpec(Record):
    """How a weight wants its pictures.

    Attributes:
        size: (height, width) in pixels.
        resize: "stretch": exactly ``size``; "fit": aspect kept, longest side ``max(size)``, rounded to ``multiple``.
        multiple: see "fit".
        interpolation: "bilinear", antialiased.
        mean: a channel, subtracted after scaling.
        std: a channel, divided by after that.
        scale: "255": values are divided by 255; "max": by the picture's own largest value (U^2-Net).
    """

    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: Literal["stretch", "fit"] = "stretch"
    multiple: int = 1
    interpolation: Literal["bilinear"] = "bilinear"
    scale: Literal["255", "max"] = "255"

    def __post_init__(self) -> None:
        super().__post_init__()
        require(min(self.size) >= 1, "size", f"must be at least 1, got {self.size}")
        require(self.multiple >= 1, "multiple", f"must be at least 1, got {self.multiple}")
        require(min(self.std) > 0, "std", f"must be above 0, got {self.std}")


Interval = tuple[float, float]  # 95 %, by bootstrap over the pictures
Range = tuple[float, float]  # lowest and highest value


@dataclass(frozen=True)
class Metric(Record):
    """Figures of one weight on one split, all in 0..1; None where the data cannot give a figure.

    Attributes:
        dataset: name of the data.
        split: its part.
        images: number of pictures.
        protocol: how they were made, in a phrase.
        miou: mean IoU over the classes in the ground truth, from one confusion matrix over the split at original size.
        pixel_acc: share of pixels that are right.
        dice: from the same matrix: the mean over the classes present, without the background.
        picture_dice: mean over the pictures of each one's Dice.
        boundary_f1: F1 of the boundaries at a tolerance of 0.75 % of the diagonal.
        side_error: share of the pixels recognised as one of two left/right twins that got the wrong side.
        per_class: IoU by class name; None for a class that the ground truth does not have.
        per_class_dice: likewise Dice.
        merged: class to the name under which it counted; {} where every class counted by itself.
    """

    dataset: str
    split: str
    images: int
    protocol: str
    miou: float
    miou_ci: Interval | None = None
    pixel_acc: float | None = None
    pixel_acc_ci: Interval | None = None
    dice: float | None = None
    dice_ci: Interval | None = None
    picture_dice: float | None = None
    picture_dice_ci: Interval | None = None
    boundary_f1: float | None = None
    boundary_f1_ci: Interval | None = None
    side_error: float | None = None
    side_error_ci: Interval | None = None
    per_class: dict[str, float | None] = field(default_factory=dict)
    per_class_dice: dict[str, float | None] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.images >= 1, "images", f"must be at least 1, got {self.images}")
        for f in fields(self):
            value = getattr(self, f.name)
            values = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
            outside = [v for v in values if isinstance(v, float) and not 0 <= v <= 1]
            require(not outside, f.name, f"must lie in 0..1, got {value}")
            if f.name.endswith("_ci") and value:
                require(value[0] <= value[1], f.name, f"must be (low, high), got {value}")


@dataclass(frozen=True)
class DataSource(Record):
    """A data set that shaped a weight.

    Attributes:
        name: of the data set.
        split: the part that was used.
        images: number of its pictures that were used.
        licence: its terms: an SPDX name or a plain sentence.
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
    """What it takes to compute in int8, and what it costs.

    Attributes:
        ranges: of activations, by place in the network; see ``carseg.calibration``.
        miou_lost: mIoU in float32 minus that in int8, on the split of the entry's first figure.
        miou_lost_seven_bits: the same where one bit of the activations is left unused.
    """

    ranges: dict[str, Range]
    miou_lost: float
    miou_lost_seven_bits: float

    def __str__(self) -> str:
        gained, older = -100 * self.miou_lost, -100 * self.miou_lost_seven_bits
        return f"{gained:+.2f} points of mIoU, {older:+.2f} on processors without VNNI"

    def __post_init__(self) -> None:
        super().__post_init__()
        for place, (low, high) in self.ranges.items():
            require(low <= high, f"ranges.{place}", f"must be (low, high), got {(low, high)}")


@dataclass(frozen=True)
class Entry(Record):
    """All that is known about one weights file.

    Attributes:
        name: what ``carseg.load`` takes.
        architecture: what ``carseg.create_model`` takes.
        labels: the classes; in JSON the name of a known set or an object with the fields of ``LabelSet``.
        file: name of the file in the folder ``name``.
        sha256: of the file, 64 lower-case hexadecimal digits.
        bytes: its size.
        parameters: of the network as built for prediction.
        storage: how most of its tensors are stored.
        input: how it wants its pictures.
        licence: of the file: an SPDX name or a plain sentence.
        commercial_use: whether the terms of all the data allow it.
        recipe: what made it: a file of this project, or a command.
        code_commit: commit of this project that made it.
        paper: where the architecture was published.
        made_by: who trained it.
        data: every data set that shaped it, also through pretraining or distillation.
        metrics: what was measured; the first stands for the weights.
        quantization_loss: mIoU of the trained float32 weights minus that of the stored ones.
        runtimes: share of equal labels against torch float32 that runtimes reached, {"openvino": {"bfloat16": 0.9995}};
            without what was no faster than float32.
        int8: ranges to compute in int8 with; None where nobody calibrated it.
        embedded: whether the wheel carries the file.
    """

    name: str
    architecture: str
    labels: LabelSet
    file: str
    sha256: str
    bytes: int
    parameters: int
    storage: Literal["int8", "float16", "float32"]
    input: InputSpec
    licence: str
    commercial_use: Literal["yes", "no", "unclear"]
    recipe: str
    code_commit: str
    paper: str
    made_by: str
    data: tuple[DataSource, ...]
    metrics: tuple[Metric, ...] = ()
    quantization_loss: float | None = None
    runtimes: dict[str, dict[str, float]] = field(default_factory=dict)
    int8: Int8 | None = None
    embedded: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require(is_name(self.name), "name", "may have letters, digits, '.', '_' and '-'")
        safe = _NAME.fullmatch(self.file) is not None and self.file.endswith(".safetensors")
        require(safe, "file", f"must be a plain name that ends in .safetensors, got {self.file!r}")
        hexadecimal = re.fullmatch("[0-9a-f]{64}", self.sha256) is not None
        require(hexadecimal, "sha256", f"must be 64 lower-case hexadecimal digits, got {self.sha256!r}")
        require(self.bytes >= 1, "bytes", f"must be at least 1, got {self.bytes}")
        require(self.parameters >= 1, "parameters", f"must be at least 1, got {self.parameters}")
        require(bool(self.licence), "licence", "must say something")
        for i, metric in enumerate(self.metrics):
            known = {*self.labels.classes, *metric.merged.values()}
            strange = (metric.per_class.keys() | metric.per_class_dice.keys()) - known
            require(not strange, f"metrics.{i}", f"classes that {self.labels.name!r} lacks: {sorted(strange)}")

    @property
    def metric(self) -> Metric | None:
        """The figures that stand for the weights."""
        return self.metrics[0] if self.metrics else None

    def unmeasured(self) -> Entry:
        """The same facts for other weights, of which nothing was measured and which come with no package."""
        return replace(self, metrics=(), quantization_loss=None, runtimes={}, int8=None, embedded=False)

    @classmethod
    def from_dict(cls, name: str, data: Any) -> Entry:
        """The entry in a JSON object that has the fields above but for the name.

        Raises:
            ManifestError: a field is missing, unknown, of the wrong type or out of range; the message says which.
        """
        try:
            require(isinstance(data, dict), "entry", f"must be an object, got {data!r}")
            labels = data.get("labels")
            if isinstance(labels, str):
                require(labels in LABEL_SETS, "labels", f"no label set {labels!r}; known: {', '.join(LABEL_SETS)}")
                data = {**data, "labels": LABEL_SETS[labels]}
            return from_plain(cls, {**data, "name": name})
        except (ManifestError, OptionError) as error:
            raise ManifestError(f"model {name!r}: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object ``from_dict`` reads; optional fields that have their default are left out."""
        data = to_plain(self)
        del data["name"]
        if LABEL_SETS.get(self.labels.name) == self.labels:
            data["labels"] = self.labels.name
        return data


@dataclass(frozen=True)
class Manifest(Record):
    """All models of this version.

    Attributes:
        hubs: places with the layout of ``weights/``, where a release puts its files.
        models: by name.
    """

    hubs: tuple[str, ...]
    models: dict[str, Entry]
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.schema == SCHEMA, "schema", f"must be {SCHEMA}, got {self.schema}")

    def save(self, path: Path) -> None:
        """Writes the file that ``load_manifest`` reads."""
        models = {name: entry.to_dict() for name, entry in sorted(self.models.items())}
        _write_json(path, {"schema": self.schema, "hubs": self.hubs, "models": models})


def load_manifest(path: Path | None = None) -> Manifest:
    """The manifest at ``path``, or the one this version came with, which is read once.

    Raises:
        ManifestError: it cannot be read or is not valid.
    """
    return _read_manifest(path) if path else _own_manifest()


@functools.cache
def _own_manifest() -> Manifest:
    return _read_manifest(ROOT / "weights_manifest.json")


def _read_manifest(path: Path) -> Manifest:
    data = _read_json(path)
    try:
        require(isinstance(data, dict) and isinstance(data.get("models"), dict), "models", "must be an object")
        models = {name: Entry.from_dict(name, entry) for name, entry in data["models"].items()}
        return from_plain(Manifest, {**data, "models": models})
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from None


def find_config(folder: Path) -> Path | None:
    """The ``config.json`` of a hub entry, or of the best or last weights of a training run."""
    places = (folder / CONFIG, folder / "best" / CONFIG, folder / "last" / CONFIG)
    return next((path for path in places if path.is_file()), None)


def read_config(path: Path) -> Entry:
    """The entry in a hub's ``config.json``.

    Raises:
        ManifestError: it cannot be read or is not valid.
    """
    data = _read_json(path)
    name = data.pop("name", None) if isinstance(data, dict) else None
    try:
        if not isinstance(name, str):
            raise ManifestError(f"name: must be text, got {name!r}")
        return Entry.from_dict(name, data)
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from None


def write_config(path: Path, entry: Entry) -> None:
    """Writes the ``config.json`` that ``read_config`` reads."""
    _write_json(path, {"name": entry.name, **entry.to_dict()})


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path} cannot be read: {error}") from None


def _write_json(path: Path, data: dict[str, Any]) -> None:
    with replacing(path) as partial:
        partial.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", "utf-8")
