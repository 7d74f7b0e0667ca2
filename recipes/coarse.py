"""Coarse answers about where a car is, made out of true masks: what `recipes/refinement.py` learns to refine.

A network that sees a whole image decides on a coarse grid, is off by some pixels here and there, loses what is thin,
and now and then takes a piece too much or too little. As in CascadePSP (Cheng et al. 2020,
https://arxiv.org/abs/2005.02551) each is drawn at random, so that what was learned does not depend on one network.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SIDE = 480  # the longer side of the grid on which masks are made worse
_COARSEST = 96  # the longer side of a network's grid, at least


def degraded(mask: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return what a network might say of a mask: probabilities, uint8 (h', w') in 0..255, on a grid of its own.

    Args:
        mask: float32 (h, w) in 0..1, the share of each cell that is car; the longer side is ``SIDE``.
        random: where chance comes from; each call draws anew.
    """
    height, width = mask.shape
    side = round(math.exp(random.uniform(math.log(_COARSEST), math.log(SIDE))))
    cell = SIDE / side
    moved = _moved(torch.from_numpy(mask)[None, None], random.uniform(0, 1) * cell + random.uniform(0, 1), random)
    grid = max(round(height / cell), 1), max(round(width / cell), 1)
    share = F.interpolate(moved, size=grid, mode="area")
    logits = random.uniform(5, 20) * (
        share - 0.5 + random.uniform(0, 0.12) * _noise(grid, random.uniform(2, 8), random)
    )
    if random.uniform() < 0.4:
        logits = logits + _pieces(mask, grid, random)
    return (255 * logits.sigmoid()[0, 0]).round().byte().numpy()


def moved(probabilities: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the probabilities of a real network, uint8 (h, w), with an outline that is off by up to a cell more."""
    stretched = torch.from_numpy(probabilities)[None, None].float()
    return _moved(stretched, random.uniform(0.2, 1), random)[0, 0].round().byte().numpy()


def _moved(mask: Tensor, distance: float, random: np.random.Generator) -> Tensor:
    """Return a mask (1, 1, h, w) whose content is moved about, by ``distance`` cells in the mean square."""
    height, width = mask.shape[-2:]
    scale = random.uniform(4, 40)
    ys, xs = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    down, across = (distance * _noise((height, width), scale, random)[0, 0] for _ in range(2))
    grid = torch.stack([(2 * (xs + across) + 1) / width - 1, (2 * (ys + down) + 1) / height - 1], -1)
    return F.grid_sample(mask, grid[None], padding_mode="border", align_corners=False)


def _noise(size: tuple[int, int], scale: float, random: np.random.Generator) -> Tensor:
    """Return smooth noise (1, 1, h, w) of deviation one or less, whose waves are ``scale`` cells long."""
    rough = random.standard_normal((1, 1, *(math.ceil(side / scale) + 2 for side in size)), np.float32)
    return F.interpolate(torch.from_numpy(rough), size=size, mode="bicubic", align_corners=False)


def _pieces(mask: np.ndarray, grid: tuple[int, int], random: np.random.Generator) -> Tensor:
    """Return what to add to logits (1, 1, h', w') so that pieces near the outline are taken or lost."""
    changed = np.zeros(mask.shape, np.float32)
    edge = np.argwhere((mask > 0.02) & (mask < 0.98))
    ys, xs = np.ogrid[: mask.shape[0], : mask.shape[1]]
    for y, x in edge[random.integers(len(edge), size=random.integers(1, 6))] if len(edge) else ():
        y, x = y + random.normal(0, 4), x + random.normal(0, 4)
        radius, shape = random.uniform(2, 9), random.uniform(0.4, 2.5)
        inside = (ys - y) ** 2 * shape + (xs - x) ** 2 / shape < radius**2
        changed[inside] = random.choice([-8, 8])
    return F.interpolate(torch.from_numpy(changed)[None, None], size=grid, mode="area")
