"""``carseg data convert --sides``: labels that name no side get it from where the parts of a car lie."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from carseg.cars import SIDED, sideless, tells_ends, told_sides
from carseg.data import Dataset, Sample, known_labels, named_set, value_table
from carseg.errors import DataError
from carseg.labels import IGNORE, LabelSet, with_side


def with_sides(dataset: Dataset, labels: str | LabelSet | None = None) -> Dataset:
    """Return the same images with doors, lights and mirrors told apart by the side of the car that they are on.

    ``front_door`` becomes ``front_left_door`` and ``front_right_door``, "left" being the vehicle's left; so do
    ``back_door``, ``front_light``, ``back_light`` and ``mirror``. Geometry tells the side, see
    ``carseg.cars.told_sides``; where it is not sure the pixels are ignored (255).

    Args:
        dataset: images whose classes are called as in ``carparts``, but for the side; other classes stay.
        labels: the label set to give, or its name, classes matched by name; None: one of the new names.

    Raises:
        DataError: no class lacks its side, the classes do not tell the front of a car from its back, or ``labels``
            lacks one of them.
        UnknownNameError: no such label set.
    """
    own = dataset.labels
    kinds = sideless(own)
    if not kinds:
        raise DataError(
            f"no class of {dataset.name} lacks its side: it has {', '.join(own.classes)}, and sides are told of "
            f"{', '.join(SIDED)}; rename classes by --map OLD=NEW"
        )
    if not tells_ends(own):
        raise DataError(
            f"the classes of {dataset.name} do not tell the front of a car from its back: rename bumpers, lights, hood "
            "and trunk as carparts has them, by --map OLD=NEW"
        )
    names = {
        label: [with_side(name, side) for side in ("left", "right")] if label in kinds else [name, name]
        for label, name in enumerate(own.classes)
    }
    target = _target(own, names, labels)
    ids = {name: label for label, name in enumerate(target.classes)}
    table = np.full((3, 256), IGNORE, np.uint8)  # by what `told_sides` says, -1 last, and by label id
    for label, (left, right) in names.items():
        table[:, label] = IGNORE if label in kinds else ids[left], ids[left], ids[right]
    value_of = value_table({label: label for label in range(len(target))})
    samples = tuple(replace(sample, label=_WithSides(sample, own, table), table=value_of) for sample in dataset.samples)
    return replace(dataset, labels=target, samples=samples, seen={})


def _target(own: LabelSet, names: dict[int, list[str]], labels: str | LabelSet | None) -> LabelSet:
    """Return the label set of the classes with their sides."""
    classes = list(dict.fromkeys(name for both in names.values() for name in both))
    if labels is None:
        return named_set(own.name, classes, {})
    target = known_labels(labels)
    if missing := [name for name in classes if name not in target.classes]:
        raise DataError(
            f"the label set {target.name!r} lacks {', '.join(missing)}: map each to one of "
            f"{', '.join(target.classes)}, without its side, or to 'ignore'"
        )
    return target


@dataclass(frozen=True)
class _WithSides:
    """The label of a sample, with the sides told."""

    sample: Sample
    labels: LabelSet
    table: np.ndarray

    def read(self, height: int, width: int) -> np.ndarray:
        mask = self.sample.load_mask(height, width)
        return self.table[told_sides(mask, self.labels), mask]
