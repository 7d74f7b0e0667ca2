"""Teaching a network new pictures or new classes: from zoo weights, from a trained encoder, or from nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from carseg import checkpoint, losses, optim, packing
from carseg import hub as hubs
from carseg.architectures.imagenet import copy_encoder, load_encoder, load_imagenet_encoder
from carseg.architectures.network import Network, State
from carseg.atomic import replacing
from carseg.data import augment
from carseg.data.classes import plain
from carseg.data.dataset import Dataset
from carseg.data.opening import open_all
from carseg.data.pooling import pool
from carseg.data.splitting import split_train_val
from carseg.data.unlabelled import open_unlabelled
from carseg.errors import DataError, OptionError, TrainingError, WeightsError
from carseg.labels import LabelSet
from carseg.manifest import DataSource, Entry, InputSpec
from carseg.metrics import Scores
from carseg.options import Options
from carseg.registry import create_model, list_architectures
from carseg.runtimes.torch_ import pick_device, read_network
from carseg.training import STATE, Trainer, precision_named
from carseg.training_report import write_report

START = "run.json"
MAY_CHANGE = ("device", "workers", "tensorboard")  # options that do not change what a resumed run learns
IMAGENET = InputSpec(size=(320, 320), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
_NO_FILE_YET = "0" * 64


def finetune(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str] | Dataset,
    out: str | os.PathLike[str],
    *,
    options: Options | None = None,
    labels: str | LabelSet | None = None,
    mapping: Mapping[str, str] | None = None,
    hub: str | os.PathLike[str] | None = None,
    resume: bool = False,
    report: Callable[[dict[str, float]], None] | None = None,
) -> Path:
    """Trains a network on labelled pictures.

    Args:
        model: where it starts: a model's name, the folder of an earlier run's ``best``, or the name of an architecture
            for random weights (``options.encoder`` brings a trained encoder).
        data: what ``carseg.data.open`` reads. Its validation split chooses the best state; where it has none a share of
            the training pictures is held out.
        out: the run folder.
        options: all settings; None takes the defaults, or those a resumed run was started with.
        labels: a label set, or a known one's name, for a folder that does not name its classes.
        mapping: class name to new name, to rename, merge or ("") ignore classes of a folder.
        hub: where to look for weights first.
        resume: go on with the run in ``out``; model, data and options must be those it was started with, but for
            ``device``, ``workers`` and ``tensorboard``. A class map, and a label set's name, need not be given again.
        report: called after every step with ``done`` (share of the budget), ``step``, ``loss`` and ``best_miou``.

    Returns:
        The folder of the best weights, which ``carseg.load`` takes.

    Raises:
        OptionError: ``out`` holds a run already and ``resume`` is off, a setting makes no sense, or is not the one the
            run was started with.
        DataError: the data cannot be used; every broken picture is named.
        TrainingError: the loss is no number any more, the disk is full, or there is nothing to resume.
    """
    if isinstance(data, Dataset) and (labels or mapping):
        raise OptionError("labels and mapping are for a folder: open the data set with them")
    _refuse_unknown(str(model), options or Options(), hub)
    run = Path(out)
    started = read_start(run) if resume else None
    if started is None:
        options = options or Options()
        _make_folder(run)
    else:
        options = _resumed(started, run, options, str(model))
        labels, mapping = labels or started.get("labels"), mapping or started.get("mapping")
    train, val = open_splits(data, options, labels=labels, mapping=mapping)
    pictures = {"classes": list(train.labels.classes), "train": len(train), "val": len(val or ())}
    if started is not None and started["data"] != pictures:
        raise DataError(f"{data} has changed since {run} was started: then {started['data']}, now {pictures}")
    torch.manual_seed(options.seed)  # for the weights that are new
    network, entry, new = start(model, train.labels, options, hub=hub)
    entry = replace(
        entry,
        name=re.sub(r"[^A-Za-z0-9._-]+", "-", run.resolve().name).lstrip("._-") or "finetuned",
        recipe=f"carseg finetune {model}",
        data=(*entry.data, *_sources(train, val)),
    )

    def write(folder: Path, trained: Network, scores: Scores | None) -> None:
        measured = (packing.metric(scores, train.name, "val"),) if scores else ()
        packing.pack(folder, trained, replace(entry, metrics=measured))

    spec = entry.input
    trainer = Trainer(network, spec, train, val, run, options, pack=write, report=report, hub=hub)
    if resume:
        trainer.resume()
    elif trainer.group.leads:
        begun = {
            "model": str(model),
            "options": asdict(options),
            "labels": labels if isinstance(labels, str) else None,
            "mapping": dict(mapping or {}),
            "data": pictures,
            "new_tensors": new,
        }
        with replacing(run / START) as partial:
            partial.write_text(json.dumps(begun, indent=2) + "\n", "utf-8")
    try:
        trainer.run()
    except torch.OutOfMemoryError as error:
        advice = "start another run with a smaller batch_size or size, or with accumulate"
        raise TrainingError(f"a step does not fit into the memory of {trainer.device}: {advice}") from error
    except ValueError as error:
        if "more than 1 value per channel" in str(error):  # torch's batch norm, after pooling to a single pixel
            advice = "use a larger batch_size or size, or a smaller accumulate"
            raise OptionError(f"{entry.architecture} cannot learn from one picture at a time: {advice}") from error
        raise
    if trainer.group.leads:
        write_report(run, val or train, device=options.device)
    return run / "best"


def read_start(run: Path) -> dict[str, Any]:
    """How a run was started: ``model``, ``options``, ``labels`` (a set's name), ``mapping``, ``data`` (classes and
    numbers of pictures), ``new_tensors``.

    Raises:
        TrainingError: there is no run, or what it was started with cannot be read.
    """
    path = run / START
    if not path.exists():
        raise TrainingError(f"{run} holds no run to resume; start it without resume")
    try:
        started: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return started | {"options": Options(**started["options"])}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainingError(f"{path} is damaged ({error}): start another run from what {run} holds") from None


def open_splits(
    data: str | os.PathLike[str] | Dataset,
    options: Options,
    *,
    labels: str | LabelSet | None = None,
    mapping: Mapping[str, str] | None = None,
) -> tuple[Dataset, Dataset | None]:
    """The training pictures, those without labels too, and those that choose the best state; every one is readable.

    Raises:
        DataError: pictures are broken (and ``options.skip_bad`` is off), or there are none to train on.
        OptionError: patience or the schedule "plateau", which go by validation pictures, where there are none.
    """
    splits = {"train": data} if isinstance(data, Dataset) else open_all(data, labels=labels, mapping=mapping)
    train, val = splits.get("train", splits.get("")), splits.get("val")
    if train is None:
        raise DataError(f"{data} has no split to train on, only {', '.join(splits)}")
    if val is None and not options.val_fraction and (options.patience is not None or options.schedule == "plateau"):
        raise OptionError("patience and the schedule plateau go by validation pictures, and there are none")
    more = None if options.unlabelled is None else open_unlabelled(options.unlabelled, train.labels)
    train = _verified(train, options)
    if val is not None:
        val = _verified(val, options)
    elif options.val_fraction:
        train, val = split_train_val(train, options.val_fraction, options.seed)
    return (train if more is None else pool([train, _verified(more, options)])), val


def _verified(dataset: Dataset, options: Options) -> Dataset:
    """The data set with what cannot be read left out, where the options say so; a warning names it."""
    dataset = dataset.verified(skip_bad=options.skip_bad)
    if dataset.broken:
        listed = "".join(f"\n  {name}: {reason}" for name, reason in dataset.broken.items())
        where = f"{dataset.name} {dataset.split}".strip()
        warnings.warn(f"{len(dataset.broken)} of the pictures of {where} are left out:{listed}", stacklevel=4)
    return dataset


def start(
    model: str | os.PathLike[str], labels: LabelSet, options: Options, *, hub: str | os.PathLike[str] | None = None
) -> tuple[Network, Entry, list[str]]:
    """The network a training starts from, what will be known about its weights, and which tensors are new.

    With weights for other classes, the head keeps what belongs to classes of the same name and is random for the rest.
    The entry's ``data`` is what shaped the weights it starts from, its encoder and its teacher. The terms of the data
    to come are not known, so commercial use is "unclear", and "no" where one of those forbids it.
    """
    before: list[tuple[Entry, Literal["pretraining", "distillation"]]] = []
    if str(model) in list_architectures():
        network = create_model(str(model), len(labels))
        entry = Entry(
            name="new",
            architecture=str(model),
            labels=labels,
            file="model.safetensors",
            sha256=_NO_FILE_YET,
            bytes=1,
            parameters=1,
            storage="float32",
            input=IMAGENET,
            licence="that of the data it was trained on",
            commercial_use="unclear",
            recipe="",
            code_commit="",
            paper="",
            made_by="",
            data=(),
        )
        new = list(network.state_dict())
    else:
        located = hubs.locate(model, hub=hub)
        entry = located.entry
        before.append((entry, "pretraining"))
        network = create_model(entry.architecture, len(labels))
        state = checkpoint.read_state(located.path)
        new = []
        if labels.classes != entry.labels.classes:
            new = _rename_classes(state, network, entry, labels)
        new += checkpoint.replace_head(network, state)
        entry = replace(entry.unmeasured(), labels=labels, storage="float32", code_commit="", made_by="")
    if options.encoder is not None:
        encoders = _load_encoder(network, options.encoder, hub)
        if encoders and not before:  # pictures as this encoder is used to: frozen, it could not learn others
            seen = encoders[0].input
            entry = replace(entry, input=replace(entry.input, mean=seen.mean, std=seen.std, scale=seen.scale))
        before += [(encoder, "pretraining") for encoder in encoders]
        new = [key for key in new if not key.startswith(network.encoder_prefix)]
    if options.size is not None:
        entry = replace(entry, input=replace(entry.input, size=options.size))
    if options.teacher is not None:
        before.append((hubs.locate(options.teacher, hub=hub).entry, "distillation"))
    data = dict.fromkeys(source for each, role in before for source in _shaped(each, role))
    forbidden = any(each.commercial_use == "no" for each, _ in before)
    return network, replace(entry, data=tuple(data), commercial_use="no" if forbidden else "unclear"), new


def _rename_classes(state: State, network: Network, entry: Entry, labels: LabelSet) -> list[str]:
    """Makes the head in ``state`` one for other classes: rows of shared names are kept, others come from ``network``.

    Returns:
        The tensors with rows that are new.
    """
    fresh = network.state_dict()
    mine, old = ([plain(name) for name in each.classes] for each in (labels, entry.labels))
    shared = [name for name in mine if name in old]
    head = {key: axes for key, axes in _head(entry.architecture).items() if key in state}
    for key, axes in head.items():
        value = fresh[key].clone()
        value[_rows(value, axes, mine, shared)] = state[key][_rows(state[key], axes, old, shared)]
        state[key] = value
    return list(head) if len(shared) < len(mine) else []


def _rows(tensor: Tensor, axes: list[int], classes: list[str], names: list[str]) -> tuple[Any, ...]:
    """The index of what belongs to some classes in a tensor of the head."""
    ids, count = [classes.index(name) for name in names], len(classes)
    return np.ix_(
        # Several blocks of classes where a layer takes the logits of others, as U^2-Net's last one.
        *(
            [start + i for start in range(0, size, count) for i in ids] if axis in axes else range(size)
            for axis, size in enumerate(tensor.shape)
        )
    )


def _head(architecture: str) -> dict[str, list[int]]:
    """The tensors whose shape depends on the number of classes, and their axes that do."""
    with torch.device("meta"):
        two, three = (create_model(architecture, classes).state_dict() for classes in (2, 3))
    axes = {key: [i for i, size in enumerate(two[key].shape) if size != three[key].shape[i]] for key in two}
    return {key: found for key, found in axes.items() if found}


def _load_encoder(network: Network, encoder: str, hub: str | os.PathLike[str] | None) -> list[Entry]:
    """Fills the encoder; returns the weights it comes from, as far as anything is written down about them."""
    if encoder == "imagenet":
        load_imagenet_encoder(network)
    elif encoder.endswith(".safetensors"):
        load_encoder(network, checkpoint.read_state(Path(encoder)), encoder)
    else:
        located = hubs.locate(encoder, hub=hub)
        copy_encoder(network, read_network(located), encoder)
        return [located.entry]
    return []


def _refuse_unknown(model: str, options: Options, hub: str | os.PathLike[str] | None) -> None:
    """Names that are misspelt are told before all pictures are read."""
    for name in (model, options.encoder, options.teacher):
        if not name or name in (*list_architectures(), "imagenet") or os.path.exists(name):
            continue
        if name.endswith(".safetensors"):
            raise WeightsError(f"{name}: no such file")
        hubs.find_entry(name, hub)
    losses.make_loss(options.loss)
    optim.make_schedule(options.schedule)
    optim.optimizer_named(options.optimizer)
    augment.parse(options.augment)
    optim.check_freezable(options.freeze)
    precision_named(options.precision, pick_device(options.device))


def _make_folder(run: Path) -> None:
    if (run / START).exists() and _anything_learned(run):
        raise OptionError(f"{run} holds a run already: resume it, or choose another folder")
    run.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(run / "cache", ignore_errors=True)


def _anything_learned(run: Path) -> bool:
    """Whether a run got further than its first step, which may not have fitted into memory."""
    return (run / STATE).exists() or (run / "best").exists()


def _resumed(started: dict[str, Any], run: Path, options: Options | None, model: str) -> Options:
    """The options of a run that goes on: those it was started with, but for what may change."""
    kept: Options = started["options"]
    options = options or kept
    pairs = {f.name: (getattr(kept, f.name), getattr(options, f.name)) for f in fields(Options)}
    pairs = {"model": (started["model"], model)} | {k: v for k, v in pairs.items() if k not in MAY_CHANGE}
    for name, (old, new) in pairs.items():
        if old != new:
            other = f", from {run / 'best'} if you like" if _anything_learned(run) else ""
            raise OptionError(
                f"{run} was started with {name} {old!r}, not {new!r}: resume it as it was started, "
                f"or start another run{other}"
            )
    return options


def _shaped(entry: Entry, role: Literal["pretraining", "distillation"]) -> list[DataSource]:
    """The data of weights that others learn from, under the role it has for those.

    What a teacher began with shaped its pupil through the teacher alone.
    """
    passed_on = ("training", "pretraining") if role == "distillation" else ("training",)
    return [replace(source, role=role) if source.role in passed_on else source for source in entry.data]


def _sources(train: Dataset, val: Dataset | None) -> tuple[DataSource, ...]:
    unknown = "not stated; whoever trained it knows"
    sources = [DataSource(train.name, train.split or "all", len(train), unknown, "training")]
    if val is not None:
        sources.append(DataSource(val.name, val.split or "held out", len(val), unknown, "validation"))
    return tuple(sources)
