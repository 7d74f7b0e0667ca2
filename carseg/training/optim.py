"""Optimisers with their parameter groups, schedules as functions of progress, the moving
average.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer

from carseg.architectures import Network
from carseg.errors import OptionError, unknown_name

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adam": partial(Adam, fused=True),
    "adamw": partial(AdamW, fused=True),
    "sgd": partial(SGD, momentum=0.9, nesterov=True, fused=True),
    "adagrad": Adagrad,  # whose fused kernel is for CPUs only
}
FREEZABLE = ("encoder", "bn")


def make_optimizer(
    model: Network, name: str, lr: float, *, weight_decay: float = 0.01, encoder_lr_factor: float = 1.0
) -> Optimizer:
    """Return an optimiser with two learning rates (encoder, rest) and weight decay on weights, not on biases and norms.

    Frozen parameters (``requires_grad`` False) are left out. Each group keeps its learning rate under ``peak_lr``,
    which a schedule's factor multiplies.
    """
    make = optimizer_named(name)
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            in_encoder = bool(model.encoder_prefix) and key.startswith(model.encoder_prefix)
            groups.setdefault((in_encoder, parameter.ndim > 1), []).append(parameter)
    if not groups:
        raise OptionError("every parameter is frozen: there is nothing to train")
    rows = [
        {
            "params": parameters,
            "lr": lr * (encoder_lr_factor if in_encoder else 1),
            "peak_lr": lr * (encoder_lr_factor if in_encoder else 1),
            "weight_decay": weight_decay if decays else 0.0,
        }
        for (in_encoder, decays), parameters in groups.items()
    ]
    return make(rows, lr=lr)


def optimizer_named(name: str) -> Callable[..., Optimizer]:
    """Return what makes an optimiser of that name from groups of parameters and a learning rate.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in OPTIMIZERS:
        raise unknown_name("optimizer", name, OPTIMIZERS)
    return OPTIMIZERS[name]


def check_freezable(parts: tuple[str, ...]) -> None:
    """Raise UnknownNameError unless ``freeze`` knows all of these."""
    for part in parts:
        if part not in FREEZABLE:
            raise unknown_name("part to freeze", part, FREEZABLE)


def freeze(model: Network, parts: tuple[str, ...]) -> None:
    """Keep the encoder's parameters ("encoder"), or all batch norms' parameters and statistics ("bn"), from changing.

    Call it after every ``model.train()``, which switches the statistics on again.
    """
    check_freezable(parts)
    if "encoder" in parts:
        if not model.encoder_prefix:
            raise OptionError(f"{type(model).__name__} has no part called encoder to freeze")
        for name, parameter in model.named_parameters():
            if name.startswith(model.encoder_prefix):
                parameter.requires_grad_(False)
    for name, module in model.named_modules():
        frozen = "bn" in parts or ("encoder" in parts and f"{name}.".startswith(model.encoder_prefix))
        if frozen and isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval().requires_grad_(False)


def one_cycle(progress: float) -> float:
    """Up from 1/25 over the first 30 %, down to 1/10000, both by cosine (Smith 2018,
    https://arxiv.org/abs/1708.07120).
    """
    if progress < 0.3:
        return 1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * progress / 0.3)) / 2
    return 1e-4 + (1 - 1e-4) * (1 + math.cos(math.pi * (progress - 0.3) / 0.7)) / 2


def poly(progress: float) -> float:
    """(1 - progress)^0.9, as DeepLab has it (Chen et al. 2016, https://arxiv.org/abs/1606.00915)."""
    return (1 - progress) ** 0.9


def cosine(progress: float) -> float:
    """Linear warm-up over the first 5 %, then half a cosine down to 0 (Loshchilov 2017,
    https://arxiv.org/abs/1608.03983).
    """
    if progress < 0.05:
        return max(progress / 0.05, 0.02)
    return (1 + math.cos(math.pi * (progress - 0.05) / 0.95)) / 2


def warm_restarts(progress: float) -> float:
    """Three cosines, each twice as long as the one before (SGDR: same paper, T_mult 2)."""
    position = progress * 7
    start, length = (0, 1) if position < 1 else (1, 2) if position < 3 else (3, 4)
    return (1 + math.cos(math.pi * (position - start) / length)) / 2


def constant(progress: float) -> float:
    """Always 1. "plateau" uses it, and halves the rate itself when validation stops improving."""
    return 1.0


SCHEDULES: dict[str, Callable[[float], float]] = {
    "onecycle": one_cycle,
    "poly": poly,
    "cosine": cosine,
    "warm-restarts": warm_restarts,
    "plateau": constant,
    "constant": constant,
}


def make_schedule(name: str) -> Callable[[float], float]:
    """Return a schedule by name: a function from progress in 0..1 to the factor of the peak learning rate."""
    if name not in SCHEDULES:
        raise unknown_name("schedule", name, SCHEDULES)
    return lambda progress: SCHEDULES[name](min(progress, 1.0))


def set_lr(optimizer: Optimizer, factor: float) -> None:
    """Set every group's learning rate to its peak times ``factor``."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * factor


class MovingAverage:
    """Exponential moving average of a network's parameters and batch-norm statistics; ``model`` is what it has come to.

    Early on the average follows faster, so that it forgets the random start.
    """

    def __init__(self, model: Network, decay: float) -> None:
        if not 0 <= decay < 1:
            raise OptionError(f"the moving average's decay must be in 0..1, got {decay}")
        self.decay = decay
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: Network, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for mine, theirs in zip(self.model.state_dict().values(), model.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)
