"""A validation split for data sets that have none."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable

import numpy as np

from carseg.data.dataset import Dataset
from carseg.data.near_duplicates import fingerprint, near_duplicate_groups
from carseg.errors import DataError, OptionError


def split_train_val(
    dataset: Dataset,
    fraction: float = 0.1,
    seed: int = 0,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Dataset, Dataset]:
    """Return a data set's training and validation images, parted the same way for the same images and seed.

    Near-duplicates (``carseg.data.near_duplicates``) stay on one side: validation shall measure something new.

    Args:
        dataset: every image is read once, for its fingerprint.
        fraction: share of the images to validate on, at least one image.
        seed: another seed gives another choice.
        progress: called with the number of images read so far and their total.

    Raises:
        OptionError: ``fraction`` is not between 0 and 1.
        DataError: too few different images for two sides.
        ImageError: an image cannot be read; see ``Dataset.verified``.
    """
    if not 0 < fraction < 1:
        raise OptionError(f"the share of validation images must lie between 0 and 1, got {fraction}")
    samples = sorted(dataset.samples, key=lambda sample: sample.name)
    prints = []
    for done, sample in enumerate(samples, start=1):
        prints.append(fingerprint(sample.load_image()))
        if progress is not None:
            progress(done, len(samples))
    groups = near_duplicate_groups(np.array(prints)) if prints else []
    if len(groups) < 2:
        raise DataError(
            f"{dataset.name} has {len(groups)} different images, too few to hold any out for validation; "
            "a val_fraction of 0 trains on all of them"
        )
    random.Random(seed).shuffle(groups)
    wanted = max(1, round(fraction * len(samples)))
    # A group larger than what is still wanted is passed over; where all groups are, the smallest is taken.
    held: list[int] = []
    for group in groups[:-1]:  # something is left to learn from, whatever the share
        if len(held) + len(group) <= wanted:
            held += group
    held = held or min(groups, key=len)
    names = {samples[i].name for i in held}
    return dataset.subset({s.name for s in samples} - names, "train"), dataset.subset(names, "val")


def hold_out_runs(dataset: Dataset, fraction: float = 0.1, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Return training and validation images of a data set that is too large to be read: runs of names are held out.

    Images of neighbouring names, such as the frames of a video, are likeliest to be near-duplicates; a hundredth of the
    images at a time stays on one side. A warning says that nothing was compared.

    Args:
        dataset: nothing of it is read.
        fraction: share of the images to validate on.
        seed: another seed gives another choice.

    Raises:
        OptionError: ``fraction`` is not between 0 and 1.
    """
    if not 0 < fraction < 1:
        raise OptionError(f"the share of validation images must lie between 0 and 1, got {fraction}")
    names = sorted(sample.name for sample in dataset)
    runs = [part.tolist() for part in np.array_split(np.array(names, dtype=object), 100)]
    random.Random(seed).shuffle(runs)
    count = min(max(round(fraction * len(runs)), 1), len(runs) - 1)
    held = {name for run in runs[:count] for name in run}
    warnings.warn(
        f"{len(held)} images of {dataset.name} are held out for validation, in runs of neighbouring names; so many are "
        "not compared with the others: put images of your own choice into val/ to be sure that they show other things",
        stacklevel=2,
    )
    return dataset.subset(set(names) - held, "train"), dataset.subset(held, "val")
