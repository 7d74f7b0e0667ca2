"""A recipe file, read and validated."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from carseg.data import Dataset, Label, Sample, concat, remap_classes, subsample
from carseg.data import load as open_data
from carseg.errors import OptionError
from carseg.hub import DataSource, InputSpec, list_models
from carseg.labels import LABEL_SETS, LabelSet, label_set
from carseg.training import TrainingConfig, open_splits
from recipes import backbones, salient
from recipes.completed import Completed
from recipes.fringe import Fringed

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Addition:
    """Images of another data set, to train on or to measure on.

    Attributes:
        folder: below ``CARSEG_DATA``.
        labels: a label set's name, or the names of the stored values 0, 1, ...
        images: take so many of its training images, evenly spread; None takes all.
        prefix: goes in front of its class names.
        classes: class name to class name of the recipe, or "ignore".
        rest: what the classes that are not named there become; None keeps them.
        fringe: its background counts for nothing so near to other classes, as a share of the diagonal.
        complete: a packaged network of background and object that is asked what the fringe is; "" for none.
        times: how often each image is seen per epoch.
        from_round: the first round that sees them.
    """

    folder: str
    labels: str | list[str]
    images: int | None = None
    prefix: str = ""
    classes: dict[str, str] = field(default_factory=dict)
    rest: str | None = None
    fringe: float = 0.0
    complete: str = ""
    times: int = 1
    from_round: int = 1

    def open(self, labels: LabelSet, runs: Path, split: str = "train") -> Dataset:
        """Return the images under the label set of the recipe; ``runs`` is where a packaged network is unpacked."""
        own = LABEL_SETS[self.labels] if isinstance(self.labels, str) else label_set(self.folder, self.labels)
        data = open_data(data_root() / self.folder, split=split, labels=own)
        names = {name: self.classes.get(name, self.rest or self.prefix + name) for name in own.classes}
        if self.fringe:
            data = _relabeled(data, lambda sample: Fringed(sample.label, own.background or 0, self.fringe))
        if self.complete:
            model = salient.save(backbones.unpacked(self.complete, runs), runs / self.complete)
            background, thing = own.background or 0, own.foreground[0]
            data = _relabeled(data, lambda each: Completed(each, model, background, thing))
        data = remap_classes(data, labels, names)
        data = data if self.images is None else subsample(data, self.images)
        again = (replace(s, name=f"{s.name}, {n}") for n in range(1, self.times) for s in data)
        return replace(data, samples=(*data.samples, *again))


def _relabeled(data: Dataset, label: Callable[[Sample], Label]) -> Dataset:
    return replace(data, samples=tuple(replace(sample, label=label(sample)) for sample in data))


@dataclass(frozen=True)
class Recipe:
    """The making of a weight, or, where it has no ``test``, of what others start from.

    Attributes:
        name: of the weight, and of the file.
        start: an architecture, or the model or recipe whose weights it starts from.
        grow: a smaller network of the architecture's family and the same classes, whose outputs it has at first; ""
            for random weights.
        labels: the classes.
        folder: the data set's folder below ``CARSEG_DATA``.
        also: further training images.
        test: the split its figures are measured on; "" for what is not published.
        elsewhere: images of which the test split is measured too.
        merge: class to new name: measured again with these counted as one, {} for not at all.
        input: how the finished network gets its images.
        rounds: configurations of one training after the other; each starts from the best weights of the one before.
        sources: every data set that shapes it, but for those that shaped what it starts or learns from.
        about: fields of the manifest entry: paper, licence, commercial_use, made_by.
        storage: how the file stores most tensors.
        embedded: whether the wheel carries it.
        keep_float16: tensors that int8 costs too much.
        int8_clip_fraction: share of the lowest and highest activations that int8 spans where it computes: what lies
            beyond may be rare, and finer steps be wanted within (Banner et al. 2019, https://arxiv.org/abs/1810.05723).
        notes: Markdown for the model card: how labels came about, what the network fails on; "" for a step.
        left_out: names of images of the data set that no round sees, because something is measured on them.
    """

    name: str
    start: str
    grow: str
    labels: LabelSet
    folder: str
    also: tuple[Addition, ...]
    test: str
    elsewhere: tuple[Addition, ...]
    merge: dict[str, str]
    input: InputSpec
    rounds: tuple[TrainingConfig, ...]
    sources: tuple[DataSource, ...]
    about: dict[str, Any]
    storage: Literal["int8", "float16", "float32"]
    embedded: bool
    keep_float16: tuple[str, ...]
    int8_clip_fraction: float
    notes: str
    left_out: frozenset[str] = frozenset()

    @property
    def data(self) -> Path:
        """The data set's folder."""
        return data_root() / self.folder

    def open_splits(self, number: int, config: TrainingConfig, runs: Path) -> tuple[Dataset, Dataset | None]:
        """Return the training images of a round, additions included, and those that choose the best state.

        What a packaged network is needed for is unpacked into ``runs``.
        """
        train, val = open_splits(self.data, config, labels=self.labels)
        if self.left_out:
            train = train.subset({sample.name for sample in train} - self.left_out, "train")
        more = [addition.open(self.labels, runs) for addition in self.also if addition.from_round <= number]
        return concat([train, *more]) if more else train, val


def exists(name: str) -> bool:
    """Return True if there is a recipe of that name."""
    return (FOLDER / f"{name}.toml").exists()


def is_to_make(name: str) -> bool:
    """Return True if a recipe has no weights in the zoo: a step for others, or not run at its length yet."""
    return exists(name) and name not in list_models()


def data_root() -> Path:
    """Return the folder that ``CARSEG_DATA`` names.

    Raises:
        OptionError: it is not set.
    """
    root = os.environ.get("CARSEG_DATA")
    if not root:
        raise OptionError("set CARSEG_DATA to the folder that holds carparts/, carvana/, camvid/, bdd/")
    return Path(root)


def read(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises:
        OptionError: there is none, or it lacks something.
    """
    path = FOLDER / f"{name}.toml"
    if not exists(name):
        raise OptionError(f"no recipe {name!r}; there are {', '.join(sorted(p.stem for p in FOLDER.glob('*.toml')))}")
    table = tomllib.loads(path.read_text("utf-8"))
    rounds = [{**table["config"], **changed} for changed in table.get("rounds", [{}])]
    for config in rounds[1:]:
        config["encoder"] = None
    if rounds[0].get("encoder", "").endswith(".safetensors"):
        rounds[0]["encoder"] = str(data_root() / rounds[0]["encoder"])
    labels, about = table["labels"], dict(table["about"])
    return Recipe(
        name=name,
        start=table["start"],
        grow=table.get("grow", ""),
        labels=LABEL_SETS[labels] if isinstance(labels, str) else label_set(name, labels, background=None),
        folder=table["data"],
        also=tuple(Addition(**addition) for addition in table.get("also", ())),
        test=table.get("test", "test"),
        elsewhere=tuple(Addition(**addition) for addition in table.get("elsewhere", ())),
        merge=table.get("merge", {}),
        input=InputSpec(**table["input"]),
        rounds=tuple(TrainingConfig(**config) for config in rounds),
        sources=tuple(DataSource(**source) for source in table["sources"]),
        storage=about.pop("storage", "float32"),
        embedded=about.pop("embedded", False),
        about=about,
        keep_float16=tuple(table.get("keep_float16", ())),
        int8_clip_fraction=table.get("int8_clip_fraction", 1.0),
        notes=table.get("notes", "").strip(),
    )
