"""Drawn cars for the tests: masks of all views, and logits of which they are the most probable classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from carseg.labels import CARPARTS, IGNORE, LabelSet, label_set, without_side

from drawn_data import draw_image, save

Box = tuple[str, int, int, int, int]  # class, left, top, right, bottom

# The classes of ``carparts`` without a side, and the one that each of its label ids becomes.
KINDS = label_set("kinds", list(dict.fromkeys(map(without_side, CARPARTS.classes))))
KIND_OF = np.full(256, IGNORE, np.uint8)
KIND_OF[: len(CARPARTS)] = [KINDS.classes.index(without_side(name)) for name in CARPARTS.classes]

# The parts of a car on 64 x 64 cells, as the network sees one on a turntable; the right views mirror the left ones.
DRAWN: dict[str, list[Box]] = {
    "front": [
        ("front_glass", 20, 12, 44, 22),
        ("hood", 18, 22, 46, 34),
        ("front_bumper", 16, 38, 48, 52),
        ("front_right_light", 16, 34, 22, 38),
        ("front_left_light", 42, 34, 48, 38),
        ("right_mirror", 15, 20, 17, 23),
        ("left_mirror", 47, 20, 49, 23),
    ],
    "front-left": [
        ("front_glass", 20, 14, 32, 22),
        ("hood", 8, 22, 28, 30),
        ("front_bumper", 4, 34, 22, 48),
        ("front_right_light", 4, 30, 6, 34),
        ("front_left_light", 18, 30, 24, 34),
        ("left_mirror", 32, 20, 34, 23),
        ("front_left_door", 34, 16, 44, 40),
        ("back_left_door", 44, 16, 52, 38),
        ("wheel", 24, 36, 32, 50),
        ("wheel", 50, 32, 56, 44),
    ],
    "left": [
        ("front_left_light", 4, 30, 7, 33),
        ("front_left_door", 22, 16, 36, 42),
        ("back_left_door", 36, 16, 48, 42),
        ("left_mirror", 22, 24, 24, 27),
        ("back_left_light", 58, 28, 61, 32),
        ("wheel", 10, 36, 20, 48),
        ("wheel", 46, 36, 56, 48),
    ],
    "rear-left": [
        ("back_glass", 34, 14, 48, 24),
        ("trunk", 36, 24, 56, 34),
        ("back_bumper", 36, 36, 58, 48),
        ("back_left_light", 36, 28, 40, 34),
        ("back_right_light", 56, 28, 60, 34),
        ("front_left_door", 12, 18, 20, 38),
        ("back_left_door", 20, 18, 32, 40),
        ("wheel", 8, 32, 14, 44),
        ("wheel", 30, 36, 36, 50),
    ],
    "rear": [
        ("back_glass", 20, 12, 44, 22),
        ("trunk", 20, 22, 44, 34),
        ("back_bumper", 16, 36, 48, 52),
        ("back_left_light", 14, 26, 20, 34),
        ("back_right_light", 44, 26, 50, 34),
    ],
}


def drawn(view: str) -> np.ndarray:
    """Return the mask of a view, uint8 (64, 64)."""
    if view.endswith("right"):
        flipped = np.array(CARPARTS.flipped, np.uint8)
        return flipped[drawn(view.replace("right", "left"))][:, ::-1]
    mask = np.zeros((64, 64), np.uint8)
    for name, left, top, right, bottom in DRAWN[view]:
        mask[top:bottom, left:right] = CARPARTS.classes.index(name)
    return mask


def swapped(mask: np.ndarray, name: str, other: str) -> np.ndarray:
    """Return the mask with one class turned into another."""
    return np.where(mask == CARPARTS.classes.index(name), CARPARTS.classes.index(other), mask).astype(np.uint8)


def logits_of(mask: np.ndarray, sure: float = 4.0, labels: LabelSet = CARPARTS) -> np.ndarray:
    """Return logits, float32 (C, h, w), of which the mask is the most probable class, and its twin the second."""
    logits = np.zeros((len(labels), *mask.shape), np.float32)
    np.put_along_axis(logits, np.array(labels.flipped)[mask][None], 8 - sure, 0)
    np.put_along_axis(logits, mask[None].astype(int), 8, 0)
    return logits


def write_sideless(root: Path, **masks: np.ndarray) -> Path:
    """Write masks of ``carparts``, twice as large, as a folder of labels that name no side."""
    for name, mask in masks.items():
        kinds = KIND_OF[mask].repeat(2, 0).repeat(2, 1)
        save(root / "images" / f"{name}.png", draw_image(kinds))
        save(root / "masks" / f"{name}.png", kinds)
    (root / "classes.txt").write_text("\n".join(KINDS.classes))
    return root
