"""A recipe file, read and validated."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carseg.errors import OptionError
from carseg.labels import LABEL_SETS, LabelSet
from carseg.manifest import DataSource, InputSpec
from carseg.options import Options

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Recipe:
    """What makes a weight.

    Attributes:
        name: of the weight, and of the file.
        start: an architecture, or the model whose weights it starts from.
        labels: the classes.
        folder: the data set's folder below ``CARSEG_DATA``.
        test: the split its figures are measured on.
        input: how the finished network gets its pictures.
        rounds: options of one training after the other; each starts from the best weights of the one before.
        sources: every data set that shapes it, without the number of pictures of ``folder``, which is counted.
        about: fields of the manifest entry: paper, licence, commercial_use, made_by, storage, embedded.
        keep_float16: tensors that int8 costs too much.
        notes: Markdown for the model card: how labels came about, what the network fails on.
    """

    name: str
    start: str
    labels: LabelSet
    folder: str
    test: str
    input: InputSpec
    rounds: tuple[Options, ...]
    sources: tuple[DataSource, ...]
    about: dict[str, Any]
    keep_float16: tuple[str, ...]
    notes: str

    @property
    def data(self) -> Path:
        """The data set's folder."""
        return data_root() / self.folder


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
    if not path.exists():
        raise OptionError(f"no recipe {name!r}; there are {', '.join(sorted(p.stem for p in FOLDER.glob('*.toml')))}")
    table = tomllib.loads(path.read_text("utf-8"))
    rounds = [_tuples({**table["options"], **changed}) for changed in table.get("rounds", [{}])]
    for options in rounds[1:]:
        options["encoder"] = None
    if rounds[0].get("encoder", "imagenet") != "imagenet":
        rounds[0]["encoder"] = str(data_root() / rounds[0]["encoder"])
    return Recipe(
        name=name,
        start=table["start"],
        labels=LABEL_SETS[table["labels"]],
        folder=table["data"],
        test=table.get("test", "test"),
        input=InputSpec(**_tuples(table["input"])),
        rounds=tuple(Options(**options) for options in rounds),
        sources=tuple(DataSource(**source) for source in table["sources"]),
        about=table["about"],
        keep_float16=tuple(table.get("keep_float16", ())),
        notes=table["notes"].strip(),
    )


def _tuples(table: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
