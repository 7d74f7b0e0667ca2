"""Teaching a network new images or new classes: from zoo weights, from a trained encoder, or from nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from carseg._env import rank
from carseg.architectures import list_architectures
from carseg.data import Dataset, parse_augmentation
from carseg.errors import DataError, OptionError, TrainingError, WeightsError
from carseg.hub import DataSource, find_info
from carseg.labels import LabelSet
from carseg.runtimes import pick_device
from carseg.training import losses, optim
from carseg.training.config import TrainingConfig
from carseg.training.fitting import fit
from carseg.training.hooks import Hook
from carseg.training.precision import training_precision
from carseg.training.report import write_report
from carseg.training.run_folder import RunStart, make_folder, read_start, resumed_config
from carseg.training.splits import open_splits
from carseg.training.start import start_network


def finetune(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str] | Dataset,
    out: str | os.PathLike[str],
    *,
    config: TrainingConfig | None = None,
    data_format: str = "auto",
    labels: str | LabelSet | None = None,
    mapping: Mapping[str, str] | None = None,
    hub: str | os.PathLike[str] | None = None,
    resume: bool = False,
    hooks: Sequence[Hook] = (),
) -> Path:
    """Train a network on labelled images, and return the folder of its best weights.

    Args:
        model: where the training starts: a model's name, the folder ``best`` of an earlier run, or the name of an
            architecture for random weights (``config.encoder`` adds a trained encoder).
        data: what ``carseg.data.load`` reads. Its validation split chooses the best state; without one, a share of the
            training images is held out.
        out: folder of the run.
        config: settings; None uses the defaults, or those that a resumed run was started with.
        data_format: the format of a folder, as for ``carseg.data.load``.
        labels: a label set or its name, for a folder that does not name its classes.
        mapping: class name to new name, to rename or merge classes of a folder; "" ignores a class.
        hub: where to look for weights first.
        resume: continue the run in ``out``, or start it if it was killed before it had begun. Model, data and settings
            must be the same, except ``device``, ``workers``, ``cache`` and ``tensorboard``. Class map, format and
            label set may be left out.
        hooks: called after every step, after every epoch and at the end, such as a logger.

    Returns:
        The folder of the best weights, which ``carseg.load`` takes.

    Raises:
        OptionError: ``out`` already has a run and ``resume`` is off, or a setting is impossible or differs from the one
            that the run was started with.
        DataError: the data cannot be used; every broken image is named.
        TrainingError: the loss became NaN or infinite, the disk is full, or there is nothing to resume.
    """
    if isinstance(data, Dataset) and (labels or mapping or data_format != "auto"):
        raise OptionError("data_format, labels and mapping are for a folder: open the data set with them")
    _refuse_unknown(str(model), config or TrainingConfig(), hub)
    run = Path(out)
    start = read_start(run) if resume else None
    if start is None:
        config = config or TrainingConfig()
        make_folder(run)
    else:
        config = resumed_config(start, run, config, str(model))
        labels, mapping = labels or start.labels, mapping or start.mapping
        data_format = start.data_format if data_format == "auto" else data_format
    train, val = open_splits(data, config, format=data_format, labels=labels, mapping=mapping)
    asked, counts = labels if isinstance(labels, str) else None, (len(train), len(val or ()))
    begun = RunStart(
        str(model), config, asked, dict(mapping or {}), train.labels.classes, *counts, data_format=data_format
    )
    if start is not None and _data(start) != _data(begun):
        raise DataError(f"{data} has changed since {run} was started: then {_data(start)}, now {_data(begun)}")
    return _train(run, begun, train, val, hub, resume, hooks)


def _train(
    run: Path,
    begun: RunStart,
    train: Dataset,
    val: Dataset | None,
    hub: str | os.PathLike[str] | None,
    resume: bool,
    hooks: Sequence[Hook],
) -> Path:
    """Train to the end of the budget, and write the run's folder; return that of the best weights."""
    network, provenance, new = start_network(begun.model, train.labels, begun.config, hub=hub)
    if rank() == 0 and read_start(run) is None:
        replace(begun, new_tensors=tuple(new)).write(run)
    provenance = replace(
        provenance,
        name=re.sub(r"[^A-Za-z0-9._-]+", "-", run.resolve().name).lstrip("._-") or "finetuned",
        recipe=f"carseg finetune {begun.model}",
        data=(*provenance.data, *_sources(train, val)),
    )
    with _advice(begun.config, provenance.architecture):
        fitted = fit(network, provenance, train, val, run, begun.config, resume=resume, hooks=hooks, hub=hub)
    if rank() == 0:
        write_report(run, val or train, device=begun.config.device)
    return fitted.best


@contextmanager
def _advice(config: TrainingConfig, architecture: str) -> Iterator[None]:
    """Say what to do about a step that cannot be computed."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        advice = "start another run with a smaller batch_size or size, or with accumulate"
        raise TrainingError(f"a step does not fit into the memory of {pick_device(config.device)}: {advice}") from error
    except ValueError as error:
        if "more than 1 value per channel" in str(error):  # torch's batch norm, after pooling to a single pixel
            advice = "use a larger batch_size or size, or a smaller accumulate"
            raise OptionError(f"{architecture} cannot train on one image at a time: {advice}") from error
        raise


def _refuse_unknown(model: str, config: TrainingConfig, hub: str | os.PathLike[str] | None) -> None:
    """Raise for misspelt names, before all images are read."""
    for name in (model, config.encoder, config.teacher):
        if not name or name in (*list_architectures(), "imagenet") or os.path.exists(name):
            continue
        if name.endswith(".safetensors"):
            raise WeightsError(f"{name}: no such file")
        find_info(name, hub)
    losses.make_loss(config.loss)
    optim.make_schedule(config.schedule)
    optim.optimizer_named(config.optimizer)
    parse_augmentation(config.augment)
    optim.check_freezable(config.freeze)
    training_precision(config.precision, pick_device(config.device))


def _data(start: RunStart) -> dict[str, object]:
    return {"classes": list(start.classes), "train": start.train, "val": start.val}


def _sources(train: Dataset, val: Dataset | None) -> tuple[DataSource, ...]:
    unknown = "not stated; whoever trained it knows"
    sources = [DataSource(train.name, train.split or "all", len(train), unknown, "training")]
    if val is not None:
        sources.append(DataSource(val.name, val.split or "held out", len(val), unknown, "validation"))
    return tuple(sources)
