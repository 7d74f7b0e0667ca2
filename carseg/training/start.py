"""The start of a training: the network with its first weights, and what shaped those."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from carseg.architectures import Network, list_architectures
from carseg.hub import (
    DataSource,
    InputSpec,
    ModelInfo,
    Provenance,
    copy_encoder,
    create_model,
    load_encoder,
    load_imagenet_encoder,
    read_state,
    rename_classes,
    replace_head,
    resolve,
)
from carseg.labels import LabelSet
from carseg.runtimes import read_network
from carseg.training.config import TrainingConfig

IMAGENET_INPUT = InputSpec(size=(320, 320), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def start_network(
    model: str | os.PathLike[str],
    labels: LabelSet,
    config: TrainingConfig,
    *,
    hub: str | os.PathLike[str] | None = None,
) -> tuple[Network, Provenance, list[str]]:
    """Return the network a training starts from, what is known about it beforehand, and which tensors are new.

    Tensors that are new have random values that the seed of ``config`` decides.

    With weights for other classes, the head keeps what belongs to classes of the same name and is random for the rest.
    The provenance's ``data`` is what shaped the weights it starts from, its encoder and its teacher. The terms of the
    data to come are not known, so commercial use is "unclear", and "no" where one of those forbids it.
    """
    torch.manual_seed(config.seed)
    before: list[tuple[ModelInfo, Literal["pretraining", "distillation"]]] = []
    if str(model) in list_architectures():
        network = create_model(str(model), len(labels))
        provenance = Provenance(
            name="new",
            architecture=str(model),
            labels=labels,
            input=IMAGENET_INPUT,
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
        resolved = resolve(model, hub=hub)
        info = resolved.info
        before.append((info, "pretraining"))
        network = create_model(info.architecture, len(labels))
        state = read_state(resolved.path)
        new = []
        if labels.classes != info.labels.classes:
            new = rename_classes(state, network, info, labels)
        new += replace_head(network, state, info.architecture, resolved.path)
        provenance = replace(info.provenance, labels=labels, code_commit="", made_by="")
    if config.encoder is not None:
        encoders = _load_encoder(network, config.encoder, hub)
        if encoders and not before:  # images as this encoder is used to: frozen, it could not learn others
            seen = encoders[0].input
            used_to = replace(provenance.input, mean=seen.mean, std=seen.std, scale=seen.scale)
            provenance = replace(provenance, input=used_to)
        before += [(encoder, "pretraining") for encoder in encoders]
        new = [key for key in new if not key.startswith(network.encoder_prefix)]
    if config.size is not None:
        provenance = replace(provenance, input=replace(provenance.input, size=config.size))
    if config.teacher is not None:
        before.append((resolve(config.teacher, hub=hub).info, "distillation"))
    data = dict.fromkeys(source for each, role in before for source in _shaped(each, role))
    forbidden = any(each.commercial_use == "no" for each, _ in before)
    return network, replace(provenance, data=tuple(data), commercial_use="no" if forbidden else "unclear"), new


def _load_encoder(network: Network, encoder: str, hub: str | os.PathLike[str] | None) -> list[ModelInfo]:
    """Fill the encoder; return the weights it comes from, as far as anything is written down about them."""
    if encoder == "imagenet":
        load_imagenet_encoder(network)
    elif encoder.endswith(".safetensors"):
        load_encoder(network, read_state(Path(encoder)), encoder)
    else:
        resolved = resolve(encoder, hub=hub)
        copy_encoder(network, read_network(resolved), encoder)
        return [resolved.info]
    return []


def _shaped(info: ModelInfo, role: Literal["pretraining", "distillation"]) -> list[DataSource]:
    """Return the data of weights that others learn from, under the role it has for those.

    What a teacher began with shaped its pupil through the teacher alone.
    """
    passed_on = ("training", "pretraining") if role == "distillation" else ("training",)
    return [replace(source, role=role) if source.role in passed_on else source for source in info.data]
