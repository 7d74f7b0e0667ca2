"""An experiment's file, read and validated: which variants are compared, on which images, by which figures."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from carseg.data import Dataset, remap_classes
from carseg.data import load as open_data
from carseg.errors import OptionError, unknown_name
from carseg.hub import InputSpec, load_manifest
from carseg.labels import LABEL_SETS, label_set
from carseg.training import TrainingConfig
from recipes.recipe import data_root

FOLDER = Path(__file__).parent
MEASURES = ("quality", "outside-studio", "in-studio", "side-by-side")


@dataclass(frozen=True)
class Images:
    """The labelled images of an experiment.

    Attributes:
        folder: below ``CARSEG_DATA``; trainings learn from its split "train".
        split: what is measured on. Never a test split where something is trained.
        labels: name of the label set.
        source: the data set's name in the manifest; the page names the finished models that learned from it too.
        classes: for a folder with other classes: the names of its values 0, 1, ..., each with its class of ``labels``.
        merge: class to new name: classes of one new name are measured as one.
    """

    folder: str
    split: str
    labels: str
    source: str
    classes: dict[str, str] = field(default_factory=dict)
    merge: dict[str, str] = field(default_factory=dict)

    def open(self, split: str) -> Dataset:
        """Return the images of one split."""
        labels = LABEL_SETS[self.labels]
        if not self.classes:
            return open_data(data_root() / self.folder, split=split, labels=labels)
        own = label_set(self.folder, tuple(self.classes), background=None)
        return remap_classes(open_data(data_root() / self.folder, split=split, labels=own), labels, self.classes)


@dataclass(frozen=True)
class Variant:
    """One row of the table: a training, or a finished model.

    Attributes:
        name: its name in the table.
        start: the architecture, or the model, that a training starts from; "" for a finished model.
        config: fields of the ``TrainingConfig`` that differ from the defaults.
        model: name in the manifest; "" for a training.
        theirs: what the public project published, for the table.
    """

    name: str
    start: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    model: str = ""
    theirs: str = ""

    @property
    def exists(self) -> bool:
        """True if it can be measured: a finished model has to be in the manifest."""
        return not self.model or self.model in load_manifest().models


@dataclass(frozen=True)
class Experiment:
    """A comparison of variants on the same images.

    Attributes:
        name: of the file.
        measure: "quality": the figures of a split; "outside-studio" and "in-studio": the whole car, as far as it is
            labelled, see ``recipes.car_found``; "side-by-side": the figures in the manifest, and milliseconds.
        figures: columns of the table; trainings are compared by the first.
        variants: the first is the one that the others are compared with.
        images: None where nothing is measured on images of a data set.
        input: how networks that are trained get their images.
        minutes: budget of each training; side by side, of each model's timing; 0 where it takes what it takes.
        seeds: trainings per variant.
    """

    name: str
    measure: str
    figures: tuple[str, ...]
    variants: tuple[Variant, ...]
    images: Images | None
    input: InputSpec | None
    minutes: float
    seeds: int

    def identity(self, variant: Variant) -> str:
        """Return twelve hexadecimal digits of everything that decides a variant's figures.

        Figures that were measured under another identity are no longer this variant's.
        """
        models = load_manifest().models
        compared = [self.variants[0], variant] if variant.start else [variant]
        behind = [(v.start, v.model, v.config.get("encoder"), v.config.get("teacher")) for v in compared]
        weights = [models[name].sha256 for names in behind for name in names if name in models]
        facts = [self.measure, self.images and asdict(self.images), self.input and asdict(self.input)]
        definition = [[v.start, v.config, v.model] for v in compared]
        text = json.dumps([*facts, definition, weights, self.figures[0]], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def names() -> list[str]:
    """Return the names of all experiments."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read(name: str, folder: Path = FOLDER) -> Experiment:
    """Return the experiment of that name.

    Raises:
        UnknownNameError: there is none, or no such measure.
        OptionError: a training lacks its images, input or budget, or would be compared on a test split.
    """
    path = folder / f"{name}.toml"
    if not path.exists():
        raise unknown_name("experiment", name, names())
    table = tomllib.loads(path.read_text("utf-8"))
    if table["measure"] not in MEASURES:
        raise unknown_name("measure", table["measure"], MEASURES)
    experiment = Experiment(
        name=name,
        measure=table["measure"],
        figures=tuple(table["figures"]),
        variants=tuple(_variant(row, table) for row in table["variants"]),
        images=Images(**table["images"]) if "images" in table else None,
        input=InputSpec(**table["input"]) if "input" in table else None,
        minutes=table.get("minutes", 0),
        seeds=table.get("seeds", 1),
    )
    if any(variant.start for variant in experiment.variants):
        if not (experiment.images and experiment.input and experiment.minutes and experiment.measure == "quality"):
            raise OptionError(f"experiment {name!r} trains: it needs images, input and minutes, and measures quality")
        if experiment.images.split == "test":
            raise OptionError(f"experiment {name!r} compares trainings on a test split; take a validation split")
    return experiment


def _variant(row: dict[str, Any], table: dict[str, Any]) -> Variant:
    """Return a variant with what the experiment's variants share."""
    if "model" in row:
        return Variant(**row)
    config = {**table.get("config", {}), **row.get("config", {})}
    TrainingConfig(**config)  # raises now what makes no sense
    return Variant(row["name"], row.get("start") or table["start"], config, theirs=row.get("theirs", ""))
