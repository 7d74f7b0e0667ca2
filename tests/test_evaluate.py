"""``carseg.evaluate``: the figures are those of ``predict``, whichever way model and data are named; misuse is told."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import carseg
from carseg.data import Dataset, load_unlabeled, remap_classes
from carseg.errors import DataError, OptionError, UnknownNameError
from carseg.evaluation import Evaluation, Scores, add_predictions
from carseg.inference import Segmenter
from carseg.labels import label_set

from color_hub import COLORS, LABELS, write_model
from drawn_data import draw_mask, save

NAMES = ("a", "b", "c")


@pytest.fixture
def model(tmp_path: Path, own_cache: None, monkeypatch: pytest.MonkeyPatch) -> Segmenter:
    """Return a model that is also known by its name, "blocks"."""
    write_model(tmp_path / "hub")
    monkeypatch.setenv("CARSEG_HUB", str(tmp_path / "hub"))
    return carseg.load("blocks", device="cpu", runtime="torch", precision="float32")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of three labelled images in the model's colours; in "b" every wheel is labelled right_door."""
    for seed, name in enumerate(NAMES):
        mask = draw_mask(seed, classes=4)
        save(tmp_path / "data" / "images" / f"{name}.png", np.array(COLORS, np.uint8)[mask])
        if name == "b":
            mask[mask == 3] = 2
        save(tmp_path / "data" / "masks" / f"{name}.png", mask)
    (tmp_path / "data" / "classes.txt").write_text("\n".join(LABELS.classes))
    return tmp_path / "data"


@pytest.fixture
def data(folder: Path) -> Dataset:
    return carseg.data.load(folder, labels=LABELS)


def same(one: Scores, other: Scores) -> bool:
    return repr(one) == repr(other)  # NaN equals NaN there


def test_a_single_class_is_said_beside_its_miou(
    model: Segmenter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mask = draw_mask(0, classes=4)
    save(tmp_path / "bare" / "images" / "a.png", np.array(COLORS, np.uint8)[mask])
    save(tmp_path / "bare" / "masks" / "a.png", mask * 0)
    carseg.evaluate(model, carseg.data.load(tmp_path / "bare", labels=LABELS))
    assert f"bare holds one class only, {LABELS.classes[0]}" in caplog.text


def test_the_figures_are_those_of_what_predict_gives(model: Segmenter, data: Dataset) -> None:
    scores = carseg.evaluate(model, data)
    truth = np.concatenate([sample.load()[1].ravel() for sample in data])
    found = np.concatenate([model.predict(sample.image).mask.ravel() for sample in data])
    ious = [np.sum((truth == i) & (found == i)) / np.sum((truth == i) | (found == i)) for i in range(len(LABELS))]
    assert scores.per_class == pytest.approx(dict(zip(LABELS.classes, ious, strict=True)))
    assert scores.miou == pytest.approx(np.mean(ious)) and 0.5 < scores.miou < 1
    assert scores.pixels == truth.size and scores.images == 3
    assert 0 < scores.boundary_f1 <= 1


def test_a_name_and_a_folder_are_loaded(model: Segmenter, data: Dataset, folder: Path) -> None:
    scores = carseg.evaluate(carseg.load("blocks"), data)
    assert same(carseg.evaluate("blocks", folder), scores)
    assert same(carseg.evaluate(folder.parent / "hub" / "blocks", str(folder)), scores)
    with pytest.raises(UnknownNameError, match="did you mean blocks"):
        carseg.evaluate("block", data)


def test_images_without_a_label_and_lines_are_read_as_the_caller_says(
    model: Segmenter, data: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "shapes"
    for name in ("a", "b"):
        save(folder / f"{name}.png", np.full((48, 64, 3), COLORS[0], np.uint8))
    shapes = [{"label": LABELS.classes[1], "points": [[0, 8], [64, 8]], "shape_type": "line"}]
    (folder / "a.json").write_text(json.dumps({"shapes": shapes, "imagePath": "a.png"}))
    with pytest.raises(DataError, match="--background-images"):
        carseg.evaluate(model, folder, line_width=4)
    with pytest.raises(DataError, match="--line-width"):
        carseg.evaluate(model, folder, background_images=True)
    scores = carseg.evaluate(model, folder, background_images=True, line_width=4)
    assert scores.per_class[LABELS.classes[0]] == pytest.approx(1 - 4 / 96)  # the network sees no line
    for asked in ({"background_images": True}, {"line_width": 0.0}):
        with pytest.raises(OptionError, match="open the data set with them"):
            carseg.evaluate(model, data, **asked)


def test_classes_are_merged_and_the_boundary_left_out(model: Segmenter, data: Dataset) -> None:
    scores = carseg.evaluate(model, data, merge={"left_door": "door", "right_door": "door"}, boundary=False)
    assert list(scores.per_class) == ["background", "door", "wheel"]
    assert math.isnan(scores.boundary_f1) and not math.isnan(scores.miou)
    with pytest.raises(UnknownNameError, match="left_door"):
        carseg.evaluate(model, data, merge={"lft_door": "door"})


def test_predictions_are_added_in_the_order_of_the_images(model: Segmenter, data: Dataset) -> None:
    evaluation, calls = Evaluation(LABELS), []
    add_predictions([evaluation], model, data, progress=lambda *call: calls.append(call))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert evaluation.image_mious().argmin() == 1, "the image with the wrong labels"
    assert same(evaluation.scores(), carseg.evaluate(model, data))


def test_other_classes_are_refused_until_they_are_mapped(model: Segmenter, data: Dataset, folder: Path) -> None:
    own = label_set("own", ("nothing", "left", "right", "round"))
    names = dict(zip(own.classes, LABELS.classes, strict=True))
    (folder / "classes.txt").write_text("\n".join(own.classes))
    other = carseg.data.load(folder)
    with pytest.raises(DataError, match=r"nothing, left, right, round, the model has background, left.*remap_class"):
        carseg.evaluate(model, other)
    assert same(carseg.evaluate(model, remap_classes(other, model.labels, names)), carseg.evaluate(model, data))
    with pytest.raises(DataError, match="map each to one of background, left_door"):
        carseg.evaluate(model, folder)


def test_the_same_classes_in_another_order_are_other_labels(model: Segmenter, data: Dataset) -> None:
    turned = replace(data, labels=label_set("turned", LABELS.classes[::-1]))
    with pytest.raises(DataError, match="wheel, right_door, left_door, background, the model has background"):
        carseg.evaluate(model, turned)


def test_images_without_labels_and_no_images_are_refused(model: Segmenter, data: Dataset, folder: Path) -> None:
    with pytest.raises(DataError, match="no pixel of the 3 images of images without labels has a label"):
        carseg.evaluate(model, load_unlabeled(folder / "images", LABELS))
    with pytest.raises(DataError, match="data holds no image"):
        carseg.evaluate(model, replace(data, samples=()))


def test_images_that_cannot_be_used_are_all_named_or_left_out(model: Segmenter, folder: Path) -> None:
    (folder / "images" / "b.png").write_bytes(b"no image")
    (folder / "masks" / "c.png").write_bytes(b"")
    data = carseg.data.load(folder, labels=LABELS)
    with pytest.raises(DataError, match=r"(?s)2 of the images of data .*\bb: .*\bc: "):
        carseg.evaluate(model, data)
    assert carseg.evaluate(model, data.verified(skip_bad=True)).images == 1


def test_an_image_without_its_label_is_no_silent_gap(model: Segmenter, folder: Path) -> None:
    (folder / "masks" / "c.png").unlink()
    data = carseg.data.load(folder, labels=LABELS)
    assert len(data) == 2
    with pytest.raises(DataError, match=r"(?s)1 of the images .*\bc: "):
        carseg.evaluate(model, data)
