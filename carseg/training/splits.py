"""The images a training learns from, and those that choose its best state.

Up to ``READ_WHOLE`` images are all read beforehand: broken ones are named at once, and near-duplicates of validation
images are kept out of the training. Of more, which would take longer than many a training, ``READ_OF_MORE`` are, and a
warning says so; ``skip_bad`` has to read them all.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Mapping
from dataclasses import replace

from carseg._env import rank
from carseg.data import (
    READ_OF_MORE,
    READ_WHOLE,
    Dataset,
    class_warnings,
    concat,
    hold_out_runs,
    load_splits,
    load_unlabeled,
    split_train_val,
    subsample,
)
from carseg.errors import DataError, OptionError
from carseg.labels import LabelSet
from carseg.training.config import TrainingConfig

_log = logging.getLogger("carseg")


def open_splits(
    data: str | os.PathLike[str] | Dataset,
    config: TrainingConfig,
    *,
    format: str = "auto",
    labels: str | LabelSet | None = None,
    mapping: Mapping[str, str] | None = None,
) -> tuple[Dataset, Dataset | None]:
    """Return the training images, those without labels too, and those that choose the best state; all can be read.

    Raises:
        DataError: images are broken (and ``config.skip_bad`` is off), or there are none to train on.
        OptionError: patience or the schedule "plateau", which go by validation images, where there are none; settings
            of how a folder is read, for data that is none.
    """
    if isinstance(data, Dataset):
        if config.background_images or config.line_width is not None:
            raise OptionError("background_images and line_width are for a folder: open the data set with them")
        splits = {"train": data}
    else:
        splits = load_splits(
            data,
            format=format,
            labels=labels,
            mapping=mapping,
            background_images=config.background_images,
            line_width=config.line_width,
        )
    train, val = splits.get("train", splits.get("")), splits.get("val")
    if train is None:
        raise DataError(f"{data} has no split to train on, only {', '.join(splits)}")
    if val is None and not config.val_fraction and (config.patience is not None or config.schedule == "plateau"):
        raise OptionError("patience and the schedule plateau need validation images, and there are none")
    more = None if config.unlabeled is None else load_unlabeled(config.unlabeled, train.labels)
    train = _verified(train, config)
    if val is not None:
        val = _verified(val, config)
    elif config.val_fraction:
        split = split_train_val if len(train) <= READ_WHOLE else hold_out_runs
        train, val = split(train, config.val_fraction, config.seed)
    _say_what_lacks(train, val)
    return (train if more is None else concat([train, _verified(more, config)])), val


def _say_what_lacks(train: Dataset, val: Dataset | None) -> None:
    """Log, in the process that writes to the terminal, which classes the labels lack; of many images some are read."""
    if rank() != 0:
        return
    some, read = "", [train] if val is None else [train, val]
    if any(len(dataset) > READ_WHOLE for dataset in read):
        some = f", as far as {READ_OF_MORE} of the images tell"
        read = [subsample(dataset, READ_OF_MORE) for dataset in read]
    for sentence in class_warnings(*read):
        _log.warning("%s%s", sentence, some)


def _verified(dataset: Dataset, config: TrainingConfig) -> Dataset:
    """Return the data set without what cannot be read, where the settings allow that; a warning names it."""
    where = f"{dataset.name} {dataset.split}".strip()
    if len(dataset) > READ_WHOLE and not config.skip_bad:
        some = subsample(dataset, READ_OF_MORE).verified()
        warnings.warn(
            f"of the {len(dataset)} images of {where} {READ_OF_MORE}, evenly spread, were read to see whether they can "
            "be used; the others are as training comes to them",
            stacklevel=4,
        )
        return replace(dataset, seen=some.seen)
    dataset = dataset.verified(skip_bad=config.skip_bad)
    if dataset.broken:
        listed = "".join(f"\n  {name}: {reason}" for name, reason in dataset.broken.items())
        warnings.warn(f"{len(dataset.broken)} of the images of {where} are left out:{listed}", stacklevel=4)
    return dataset
