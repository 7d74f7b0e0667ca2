"""Segmentation losses by name.

Each loss takes logits (N, C, H, W), computed in float32 whatever their type, and targets int64 (N, H, W) of label ids,
where 255 takes no part, and returns a scalar. A batch without a single labelled pixel gives 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from carseg.errors import unknown_name
from carseg.labels import IGNORE
from carseg.training.dice_cross_entropy import dice_cross_entropy

Loss = Callable[[Tensor, Tensor], Tensor]


def make_loss(name: str, class_weights: Tensor | None = None) -> Loss:
    """Return a loss by name: ce, weighted-ce, dice, dice+ce, focal, tversky, lovasz, ohem.

    Args:
        class_weights: float32 (C,), used by weighted-ce only; ``inverse_frequency`` makes some.

    Raises:
        UnknownNameError: no such loss.
    """
    if name not in LOSSES:
        raise unknown_name("loss", name, LOSSES)
    return partial(weighted_cross_entropy, weights=class_weights) if name == "weighted-ce" else LOSSES[name]


def deep_supervision(loss: Loss, outputs: Sequence[Tensor], weights: Sequence[float], target: Tensor) -> Tensor:
    """Return the weighted sum of a loss over a network's training outputs, each upsampled to the target's size."""
    total = target.new_zeros((), dtype=torch.float32)
    for logits, weight in zip(outputs, weights, strict=True):
        logits = logits.float()
        if logits.shape[-2:] != target.shape[-2:]:
            logits = F.interpolate(logits, size=target.shape[-2:], mode="bilinear", align_corners=False)
        total = total + weight * loss(logits, target)
    return total


def soft_cross_entropy(logits: Tensor, probability: Tensor) -> Tensor:
    """Return the mean cross-entropy to probabilities float32 (N, C, H, W), such as another network's."""
    return -(probability * logits.float().log_softmax(1)).sum(1).mean()


def inverse_frequency(pixels: Tensor) -> Tensor:
    """Return class weights from pixel counts (C,): 1 / log(1.02 + share), scaled to a mean of 1 (Paszke et al. 2016,
    ENet, section 5).
    """
    weights = 1 / torch.log(1.02 + pixels.float() / pixels.sum().clamp(min=1))
    return weights / weights.mean()


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return weighted_cross_entropy(logits, target, weights=None)


def weighted_cross_entropy(logits: Tensor, target: Tensor, *, weights: Tensor | None) -> Tensor:
    """Return the mean over the labelled pixels; with weights the weighted mean, as torch defines it."""
    weights = None if weights is None else weights.to(logits.device)
    summed = F.cross_entropy(logits.float(), target, weights, ignore_index=IGNORE, reduction="sum")
    valid = target[target != IGNORE]
    mass = valid.numel() if weights is None else weights[valid].sum()
    return summed / torch.as_tensor(mass, dtype=torch.float32, device=logits.device).clamp(min=1e-6)


def _overlap(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return per class, over the whole batch: soft true positives, summed probability, number of pixels."""
    classes, valid = logits.shape[1], target != IGNORE
    label = target.where(valid, 0)
    probability = logits.float().softmax(1)
    of_truth = (probability.gather(1, label[:, None])[:, 0] * valid).flatten()
    hit = probability.new_zeros(classes).index_add(0, label.flatten(), of_truth)
    return hit, (probability * valid[:, None]).sum((0, 2, 3)), torch.bincount(target[valid], minlength=classes)


def tversky(logits: Tensor, target: Tensor, *, alpha: float = 0.3, beta: float = 0.7) -> Tensor:
    """1 - TP / (TP + alpha FP + beta FN), mean over the classes present (Salehi et al. 2017,
    https://arxiv.org/abs/1706.05721).
    """
    hit, predicted, pixels = _overlap(logits, target)
    score = (hit + 1) / (hit + alpha * (predicted - hit) + beta * (pixels - hit) + 1)
    present = pixels > 0
    return ((1 - score) * present).sum() / present.sum().clamp(min=1)


def dice(logits: Tensor, target: Tensor) -> Tensor:
    """1 - Dice, mean over the classes present in the batch (Milletari et al. 2016, https://arxiv.org/abs/1606.04797,
    but with the sum of the probabilities below, not of their squares).
    """
    return tversky(logits, target, alpha=0.5, beta=0.5)


def focal(logits: Tensor, target: Tensor, *, gamma: float = 2.0) -> Tensor:
    """Cross-entropy weighted by (1 - p)^gamma (Lin et al. 2017, https://arxiv.org/abs/1708.02002, equation 4)."""
    loss = F.cross_entropy(logits.float(), target, ignore_index=IGNORE, reduction="none")
    loss = (1 - torch.exp(-loss)) ** gamma * loss
    return loss.sum() / (target != IGNORE).sum().clamp(min=1)


def ohem(logits: Tensor, target: Tensor, *, threshold: float = 0.7, least: float = 1 / 16) -> Tensor:
    """Cross-entropy over hard pixels: of a probability below ``threshold``, at least a share ``least`` of all.

    Shrivastava et al. 2016, https://arxiv.org/abs/1604.03540, as segmentation uses it.
    """
    loss = F.cross_entropy(logits.float(), target, ignore_index=IGNORE, reduction="none")[target != IGNORE]
    if not loss.numel():
        return logits.float().sum() * 0
    hardest = loss.sort(descending=True).values
    count = max(int((hardest > -torch.log(torch.tensor(threshold))).sum()), int(least * loss.numel()), 1)
    return hardest[:count].mean()


def lovasz(logits: Tensor, target: Tensor) -> Tensor:
    """Lovasz-Softmax over the classes present (Berman et al. 2018, https://arxiv.org/abs/1705.08790, algorithm 1)."""
    valid = target != IGNORE
    probability = logits.float().softmax(1).movedim(1, -1)[valid]
    truth = target[valid]
    losses = []
    for label in truth.unique():
        positive = (truth == label).float()
        errors, order = (positive - probability[:, label]).abs().sort(descending=True)
        positive = positive[order]
        intersection = positive.sum() - positive.cumsum(0)
        union = positive.sum() + (1 - positive).cumsum(0)
        jaccard = 1 - intersection / union
        losses.append((errors * torch.cat([jaccard[:1], jaccard.diff()])).sum())
    return torch.stack(losses).mean() if losses else logits.float().sum() * 0


LOSSES: dict[str, Loss] = {
    "ce": cross_entropy,
    "weighted-ce": partial(weighted_cross_entropy, weights=None),
    "dice": dice,
    "dice+ce": dice_cross_entropy,
    "focal": focal,
    "tversky": tversky,
    "lovasz": lovasz,
    "ohem": ohem,
}
