"""Classes that training or validation labels lack: said before a training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import carseg.data
from carseg.data import Dataset, class_warnings

from drawn_data import save

NAMES = ("background", "disc", "bolt")


def load(folder: Path, *, classes: bool = True, **splits: list[tuple[int, ...]]) -> dict[str, Dataset]:
    """Write images whose labels hold these values, and open them."""
    for split, images in splits.items():
        for i, values in enumerate(images):
            mask = np.resize(np.array(values, np.uint8), (32, 32)).repeat(2, 0)
            save(
                folder / split / "images" / f"{i}.png", np.random.default_rng(i).integers(0, 255, (64, 32, 3), np.uint8)
            )
            save(folder / split / "masks" / f"{i}.png", mask)
    if classes:
        (folder / "classes.txt").write_text("\n".join(NAMES))
    return carseg.data.load_splits(folder)


def test_nothing_is_said_where_training_images_hold_every_class(tmp_path: Path) -> None:
    splits = load(tmp_path, train=[(0, 1), (0, 2)], val=[(0, 1)])
    assert class_warnings(splits["train"], splits["val"]) == class_warnings(splits["train"]) == []
    assert carseg.data.check(tmp_path).warnings == ()


def test_a_class_that_only_validation_has(tmp_path: Path) -> None:
    splits = load(tmp_path, train=[(0, 1), (0, 255)], val=[(0, 2)])
    [sentence] = class_warnings(splits["train"], splits["val"])
    assert sentence.startswith("no training image holds bolt, but images of val do")
    assert carseg.data.check(tmp_path).warnings == (sentence,)


def test_a_class_nowhere(tmp_path: Path) -> None:
    splits = load(tmp_path, train=[(0, 2)], val=[(0, 2)])
    [sentence] = class_warnings(splits["train"], splits["val"])
    assert sentence.startswith("no training image holds disc, nor does any other")
    findings = carseg.data.check(tmp_path)
    assert (findings.warnings, findings.absent) == ((sentence,), ("disc",))


@pytest.mark.parametrize(("values", "held"), [((0,), "one class only, background"), ((255,), "no class at all")])
def test_labels_that_hold_nothing(tmp_path: Path, values: tuple[int, ...], held: str) -> None:
    splits = load(tmp_path, train=[values, values], val=[values])
    sentences = class_warnings(splits["train"], splits["val"])
    assert "disc, bolt, nor does any other" in sentences[0]
    assert [f"the labels of {split} hold {held}" in s for split, s in zip(splits, sentences[1:], strict=True)] == [
        True
    ] * 2
    assert carseg.data.check(tmp_path).to_dict()["warnings"] == tuple(sentences)


def test_labels_of_one_value_that_nothing_names(tmp_path: Path) -> None:
    splits = load(tmp_path, classes=False, train=[(0,)], val=[(0,)])
    assert splits["train"].labels.classes == ("class_0",)
    sentences = class_warnings(splits["train"], splits["val"])
    assert [s.split(":")[0] for s in sentences] == [f"the labels of {s} hold one class only, class_0" for s in splits]


def test_what_was_verified_is_not_read_again(tmp_path: Path) -> None:
    data = load(tmp_path, train=[(0, 1), (0, 255), (0, 1, 2)])["train"].verified()
    for path in [*tmp_path.rglob("*.png")]:
        path.unlink()
    assert class_warnings(data) == []
    train, val = data.subset(["0", "1"], "train"), data.subset(["2"], "val")
    [sentence] = class_warnings(train, val)
    assert sentence.startswith("no training image holds bolt, but images of val do")
    renamed = carseg.data.remap_classes(train, data.labels, {"background": "disc", "disc": "disc", "bolt": "bolt"})
    assert "no class at all" in class_warnings(renamed)[-1]  # its labels are others, and are not there
