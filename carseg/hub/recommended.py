"""Recommended weights, one per job, under short names that stand for them wherever a model is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from carseg.errors import OptionError, UnknownNameError, unknown_name
from carseg.hub.manifest import find_config


@dataclass(frozen=True)
class Recommendation:
    """The weights to take for a job.

    Attributes:
        model: their name.
        job: what they are for.
    """

    model: str
    job: str


# All of them come with the package, so they run offline.
RECOMMENDED = {
    "parts": Recommendation(
        "fpn-mobilenetv2-carparts", "parts of a car: doors, lights, wheels, left and right told apart"
    ),
    "car": Recommendation("fpn-efficientnet-lite1-carvana", "a whole car, to cut it out"),
    "road": Recommendation("fpn-mobilenetv2-camvid", "a street scene: road, cars, people, buildings"),
    "drivable": Recommendation("fpn-mobilenetv2-bdd", "the lanes that can be driven on"),
}

# The weights whose terms allow commercial use. They have no short name: where terms do not matter others are better.
FOR_SALE = Recommendation(
    "fpn-efficientnet-lite1-car5", "body, wheels, lights and windows of a car, in a product that is sold"
)


def full_name(name: str | os.PathLike[str]) -> str:
    """Return the name of the model that a short name stands for; any other name or folder as it is.

    Raises:
        OptionError: a folder with weights has the same name.
    """
    name = os.fspath(name)
    if name not in RECOMMENDED:
        return name
    if find_config(Path(name)):
        raise OptionError(
            f"{name!r} is a folder with weights and the short name of {RECOMMENDED[name].model}: "
            f"write {os.path.join(os.curdir, name)} or {RECOMMENDED[name].model}"
        )
    return RECOMMENDED[name].model


def unknown_model(name: str, known: Iterable[str]) -> UnknownNameError:
    """Return the error for a model that does not exist, with the nearest names, or the recommended ones."""
    otherwise = f"recommended are {', '.join(RECOMMENDED)}, and `carseg models` lists all"
    return unknown_name("model", name, (*RECOMMENDED, *known), otherwise)
