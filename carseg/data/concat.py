"""Several data sets as one: more images for a task, or many tasks for one encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from carseg.data.dataset import INVALID, OUTSIDE, Dataset, spread
from carseg.errors import DataError, unknown_name
from carseg.labels import IGNORE, LabelSet


def concat(datasets: Sequence[Dataset]) -> Dataset:
    """Return the samples of all data sets as one, the name of each with its data set's in front.

    Raises:
        DataError: they have different classes, or two have the same name.
    """
    first, names = datasets[0], [dataset.name for dataset in datasets]
    if len(set(names)) < len(names):
        raise DataError(f"data sets of the same name cannot be concatenated: {', '.join(names)}")
    for dataset in datasets:
        if dataset.labels.classes != first.labels.classes:
            raise DataError(f"{dataset.name} and {first.name} have different classes: relabel one of them")
    samples = tuple(replace(sample, name=f"{dataset.name}/{sample.name}") for dataset in datasets for sample in dataset)
    return Dataset("+".join(names), first.split, "several", first.labels, samples)


def remap_classes(dataset: Dataset, labels: LabelSet, names: Mapping[str, str]) -> Dataset:
    """Return the same images under another label set.

    Args:
        dataset: the images with their labels.
        labels: the label set to give.
        names: every class of the data set to a class of ``labels``, or to "ignore".

    Raises:
        UnknownNameError: a class that ``labels`` lacks.
    """
    # New ids by old ids; the last place, which is also place -1, keeps values that are no class.
    ids = np.full(OUTSIDE + 1, INVALID, np.int16)
    ids[IGNORE] = IGNORE
    known = {"ignore": IGNORE} | {name: i for i, name in enumerate(labels.classes)}
    for old, name in enumerate(dataset.labels.classes):
        if names[name] not in known:
            raise unknown_name("class", names[name], known)
        ids[old] = known[names[name]]
    samples = tuple(replace(sample, table=ids[sample.table]) for sample in dataset)
    return replace(dataset, labels=labels, samples=samples, seen={})


def subsample(dataset: Dataset, count: int) -> Dataset:
    """Return ``count`` samples spread evenly over the data set's order; all where it has no more."""
    return replace(dataset, samples=tuple(spread(dataset.samples, count)))
