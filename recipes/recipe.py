"""A recipe file, read and validated."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from carseg import finetuning
from carseg.catalog import list_models
from carseg.data.dataset import Dataset
from carseg.data.opening import open as open_data
from carseg.data.pooling import evenly, pool, relabel
from carseg.errors import OptionError
from carseg.labels import LABEL_SETS, LabelSet, label_set
from carseg.manifest import DataSource, InputSpec
from carseg.options import Options
from recipes.fringe import Fringed

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Addition:
    """Training pictures of another data set.

    Attributes:
        folder: below ``CARSEG_DATA``.
        labels: a label set's name, or the names of the stored values 0, 1, ...
        images: take so many of its training pictures, evenly spread; None takes all.
        prefix: goes in front of its class names.
        classes: class name to class name of the recipe, or "ignore".
        rest: what the classes that are not named there become; None keeps them.
        fringe: its background counts for nothing so near to other classes, as a share of the diagonal.
        from_round: the first round that sees them.
    """

    folder: str
    labels: str | list[str]
    images: int | None = None
    prefix: str = ""
    classes: dict[str, str] = field(default_factory=dict)
    rest: str | None = None
    fringe: float = 0.0
    from_round: int = 1

    def open(self, labels: LabelSet) -> Dataset:
        """The pictures under the label set of the recipe."""
        own = LABEL_SETS[self.labels] if isinstance(self.labels, str) else label_set(self.folder, self.labels)
        data = open_data(data_root() / self.folder, split="train", labels=own)
        names = {name: self.classes.get(name, self.rest or self.prefix + name) for name in own.classes}
        if self.fringe:
            fringed = (replace(s, label=Fringed(s.label, own.background or 0, self.fringe)) for s in data)
            data = replace(data, samples=tuple(fringed))
        data = relabel(data, labels, names)
        return data if self.images is None else evenly(data, self.images)


@dataclass(frozen=True)
class Recipe:
    """What makes a weight, or, where it has no ``test``, what others start from.

    Attributes:
        name: of the weight, and of the file.
        start: an architecture, or the model or recipe whose weights it starts from.
        grow: a smaller network of the architecture's family and the same classes, which it computes the same as at
            first; "" for random weights.
        labels: the classes.
        folder: the data set's folder below ``CARSEG_DATA``.
        also: further training pictures.
        test: the split its figures are measured on; "" for what is not published.
        merge: class to new name: measured again with these counted as one, {} for not at all.
        input: how the finished network gets its pictures.
        rounds: options of one training after the other; each starts from the best weights of the one before.
        sources: every data set that shapes it, but for those that shaped what it starts or learns from.
        about: fields of the manifest entry: paper, licence, commercial_use, made_by, storage, embedded.
        keep_float16: tensors that int8 costs too much.
        int8_reach: share of the lowest and highest activations that int8 spans where it computes: what lies beyond may
            be rare, and steps be wanted within (Banner et al. 2019, https://arxiv.org/abs/1810.05723).
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
    merge: dict[str, str]
    input: InputSpec
    rounds: tuple[Options, ...]
    sources: tuple[DataSource, ...]
    about: dict[str, Any]
    keep_float16: tuple[str, ...]
    int8_reach: float
    notes: str
    left_out: frozenset[str] = frozenset()

    @property
    def data(self) -> Path:
        """The data set's folder."""
        return data_root() / self.folder

    def open_splits(self, number: int, options: Options) -> tuple[Dataset, Dataset | None]:
        """The training pictures of a round, additions included, and those that choose the best state."""
        train, val = finetuning.open_splits(self.data, options, labels=self.labels)
        if self.left_out:
            train = train.subset({sample.name for sample in train} - self.left_out, "train")
        more = [addition.open(self.labels) for addition in self.also if addition.from_round <= number]
        return pool([train, *more]) if more else train, val


def exists(name: str) -> bool:
    """Whether there is a recipe of that name."""
    return (FOLDER / f"{name}.toml").exists()


def is_to_make(name: str) -> bool:
    """Whether that is a recipe without weights in the zoo: a step for others, or not run at its length yet."""
    return exists(name) and name not in list_models()


def data_root() -> Path:
    """The folder that ``CARSEG_DATA`` names.

    Raises:
        OptionError: it is not set.
    """
    root = os.environ.get("CARSEG_DATA")
    if not root:
        raise OptionError("set CARSEG_DATA to the folder that holds carparts/, carvana/, camvid/, bdd/")
    return Path(root)


def read(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        OptionError: there is none, or it lacks something.
    """
    path = FOLDER / f"{name}.toml"
    if not exists(name):
        raise OptionError(f"no recipe {name!r}; there are {', '.join(sorted(p.stem for p in FOLDER.glob('*.toml')))}")
    table = tomllib.loads(path.read_text("utf-8"))
    rounds = [{**table["options"], **changed} for changed in table.get("rounds", [{}])]
    for options in rounds[1:]:
        options["encoder"] = None
    if rounds[0].get("encoder", "").endswith(".safetensors"):
        rounds[0]["encoder"] = str(data_root() / rounds[0]["encoder"])
    labels = table["labels"]
    return Recipe(
        name=name,
        start=table["start"],
        grow=table.get("grow", ""),
        labels=LABEL_SETS[labels] if isinstance(labels, str) else label_set(name, labels, background=None),
        folder=table["data"],
        also=tuple(Addition(**addition) for addition in table.get("also", ())),
        test=table.get("test", "test"),
        merge=table.get("merge", {}),
        input=InputSpec(**table["input"]),
        rounds=tuple(Options(**options) for options in rounds),
        sources=tuple(DataSource(**source) for source in table["sources"]),
        about=table["about"],
        keep_float16=tuple(table.get("keep_float16", ())),
        int8_reach=table.get("int8_reach", 1.0),
        notes=table.get("notes", "").strip(),
    )
