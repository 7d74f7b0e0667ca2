"""Experiments: their files, what a run leaves behind and takes up again, the paired difference, the page."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from carseg.architectures.registry import list_architectures
from carseg.errors import OptionError, UnknownNameError
from carseg.evaluation.metrics import Evaluation
from carseg.hub.checkpoint import read_state
from carseg.hub.create import create_model
from carseg.hub.manifest import Manifest, load_manifest
from carseg.images import LoadedImage
from carseg.labels import LABEL_SETS
from experiments import page, results
from experiments.experiment import Experiment, Images, names, read
from experiments.measures import quality
from experiments.paired import difference
from experiments.results import Outcome
from experiments.run import run, train

from drawn_data import draw_mask, index_folder
from small_network import SMALL

DRAWN = (
    f'start = "{SMALL}"'
    + """
measure = "quality"
figures = ["miou", "pixel_acc"]
minutes = 0.002

[images]
folder = "drawn"
split = "val"
labels = "bdd"
source = "drawn"

[input]
size = [32, 32]
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]

[config]
batch_size = 4
augment = "none"
precision = "float32"

[[variants]]
name = "Dice"
config = { loss = "dice" }
theirs = "chosen"

[[variants]]
name = "focal"
config = { loss = "focal", encoder = "missing.safetensors" }
"""
)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of data sets with images of three classes."""
    index_folder(tmp_path / "data" / "drawn" / "train", [f"a{i}" for i in range(6)])
    index_folder(tmp_path / "data" / "drawn" / "val", [f"b{i}" for i in range(3)], start=50)
    monkeypatch.setenv("CARSEG_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def written(folder: Path, text: str) -> Experiment:
    (folder / "drawn.toml").write_text(text)
    return read("drawn", folder)


def row(experiment: Experiment, variant: int = 0, **fields: object) -> Outcome:
    """Return a row as a run would write it."""
    chosen = experiment.variants[variant]
    known = {"variant": chosen.name, "seed": 0, "minutes": experiment.minutes, "images": 3, "epochs": 2.0}
    about = {"identity": experiment.identity(chosen), "commit": "abc", "device": "a processor"}
    return Outcome(**{**known, **about, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", names())
def test_every_experiment_can_be_run_and_shown(name: str) -> None:
    experiment = read(name)
    assert set(experiment.figures) <= set(page.COLUMNS)
    assert len({variant.name for variant in experiment.variants}) == len(experiment.variants) > 1
    for variant in experiment.variants:
        assert bool(variant.start in list_architectures()) != bool(variant.model)
    assert f"<!-- experiment: {name} -->" in page.PAGE.read_text("utf-8")


def test_a_test_split_compares_no_trainings(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="test split"):
        written(tmp_path, DRAWN.replace('split = "val"', 'split = "test"'))
    with pytest.raises(OptionError, match="minutes"):
        written(tmp_path, DRAWN.replace("minutes = 0.002", ""))
    with pytest.raises(UnknownNameError, match="camvid-augmentation"):
        read("camvid-augmentations")


def test_a_run_is_taken_up_where_it_was(data: Path, tmp_path: Path) -> None:
    experiment = written(tmp_path, DRAWN)
    lines: list[str] = []
    first, failed = run(experiment, "cpu", tmp_path / "runs", tmp_path / "results", report=lines.append)
    assert first.images == 3 and first.epochs and set(first.figures) == {"miou", "pixel_acc", "dice"}
    assert failed.error and "missing.safetensors" in failed.error and not failed.figures
    assert [path.suffix for path in (tmp_path / "runs").iterdir() if path.name.startswith(first.identity)] == [".npy"]

    repaired = written(tmp_path, DRAWN.replace(', encoder = "missing.safetensors"', ""))
    lines.clear()
    again, focal = run(repaired, "cpu", tmp_path / "runs", tmp_path / "results", report=lines.append)
    assert again == first and "Dice, seed 0: measured already" in lines
    value, low, high = focal.figures["gain"]
    assert low <= value <= high and value == pytest.approx(focal.figures["miou"][0] - first.figures["miou"][0])
    assert results.read(repaired, tmp_path / "results") == [again, focal]

    longer = replace(repaired, minutes=0.003)
    rows = run(longer, "cpu", tmp_path / "runs", tmp_path / "results", report=lines.append)
    assert {r.minutes for r in rows} == {0.002, 0.003}, "a run with another budget leaves the earlier one alone"


def test_rows_of_another_definition_count_no_more(tmp_path: Path) -> None:
    experiment = written(tmp_path, DRAWN)
    results.write(experiment, [row(experiment, 1), row(experiment)], tmp_path)
    assert [r.variant for r in results.read(experiment, tmp_path)] == ["Dice", "focal"]
    assert all(json.loads(line)["commit"] == "abc" for line in (tmp_path / "drawn.jsonl").read_text().splitlines())
    other = written(tmp_path, DRAWN.replace('loss = "focal"', 'loss = "ce"'))
    assert [r.variant for r in results.read(other, tmp_path)] == ["Dice"]
    other = written(tmp_path, DRAWN.replace('loss = "dice"', 'loss = "ce"'))
    assert results.read(other, tmp_path) == [], "the others were compared with what the first was"


def test_rows_count_no_more_once_what_they_learned_from_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, name = load_manifest().models, "fpn-mobilenetv2-bdd"
    learned = [DRAWN, *(DRAWN.replace("[config]", f'[config]\n{key} = "{name}"') for key in ("encoder", "teacher"))]
    experiments = [replace(written(tmp_path, text), name=str(i)) for i, text in enumerate(learned)]
    for experiment in experiments:
        results.write(experiment, [row(experiment)], tmp_path)
    newer = {**models, name: replace(models[name], sha256="0" * 64)}
    monkeypatch.setattr("experiments.experiment.load_manifest", lambda: Manifest((), newer))
    assert [len(results.read(experiment, tmp_path)) for experiment in experiments] == [1, 0, 0]


def test_an_experiment_takes_an_encoder_out_of_its_package(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes a file of the data's folder as well; each by its name alone."""
    network = create_model(SMALL, 3)
    encoder = {key: value + 1 for key, value in network.encoder.state_dict().items()}
    save_file(encoder, data / "own.safetensors")
    monkeypatch.setattr("recipes.backbones.unpacked", lambda name, folder: data / "own.safetensors")
    frozen = 'freeze = ["encoder", "bn"]\naugment'
    for name in ("own.safetensors", "resnet50-imagenet"):
        experiment = written(tmp_path, DRAWN.replace("augment", f'encoder = "{name}"\n{frozen}'))
        train(experiment, experiment.variants[0], 0, "cpu", tmp_path / name)
        trained = read_state(tmp_path / name / "best" / "model.safetensors")
        assert all(torch.equal(trained[f"encoder.{key}"], value) for key, value in encoder.items())


def evaluated(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> Evaluation:
    evaluation = Evaluation(LABEL_SETS["carvana"], boundary=False)
    for prediction, truth in pairs:
        evaluation.add(prediction, truth)
    return evaluation


@pytest.mark.parametrize("figure", ["miou", "dice"])
def test_the_difference_is_that_of_the_figures_and_its_interval_is_narrower(figure: str) -> None:
    rng = np.random.default_rng(0)
    truths = [draw_mask(i, classes=2) for i in range(30)]
    noise = [rng.random(t.shape) < rng.random() / 2 for t in truths]  # images differ more than the two networks
    worse = [np.where(n, 1 - t, t).astype(np.uint8) for t, n in zip(truths, noise, strict=True)]
    mended = [np.where(rng.random(t.shape) < 0.1, t, w) for t, w in zip(truths, worse, strict=True)]
    one, other = (evaluated(zip(masks, truths, strict=True)) for masks in (mended, worse))
    value, low, high = difference(one.confusions(), other.confusions(), figure, background=0)
    figures = [getattr(e.scores(), figure) for e in (one, other)]
    assert value == pytest.approx(figures[0] - figures[1])
    assert 0 < low < value < high
    own = getattr(one.scores(), f"{figure}_ci")
    assert high - low < (own[1] - own[0]) / 2
    assert difference(one.confusions(), one.confusions(), figure, background=0) == (0, 0, 0)


def test_a_difference_needs_the_same_images() -> None:
    one = evaluated([(draw_mask(0, classes=2), draw_mask(1, classes=2))])
    other = evaluated([(draw_mask(0, classes=2), draw_mask(2, classes=2))])
    with pytest.raises(OptionError, match="same images"):
        difference(one.confusions(), other.confusions(), "miou", background=0)


def test_two_kinds_of_lane_are_measured_as_one() -> None:
    merge = {"direct_lane": "drivable", "alternative_lane": "drivable"}
    evaluation = Evaluation(LABEL_SETS["bdd"], boundary=False, merge=merge)
    prediction, truth = draw_mask(3), draw_mask(4)
    evaluation.add(prediction, truth)
    drivable = prediction < 2, truth < 2
    lanes, others = (np.logical_and(*p).sum() / np.logical_or(*p).sum() for p in (drivable, [~d for d in drivable]))
    assert evaluation.scores().per_class == pytest.approx({"drivable": lanes, "background": others})
    assert evaluation.scores().miou == pytest.approx((lanes + others) / 2)


def test_images_with_other_classes_are_measured_under_those_of_the_network(data: Path) -> None:
    other = {"drivable": "direct_lane", "living_thing": "background", "sky": "background"}
    merge = {"direct_lane": "drivable", "alternative_lane": "drivable"}
    images = Images("drawn", "val", "bdd", "drawn", classes=other, merge=merge)
    sample = images.open("val")[0]
    rgb, truth = sample.load()
    assert set(np.unique(truth)) == {0, 2}

    class Perfect:
        """A segmenter that finds the drivable area, but half of it as the other lane."""

        labels = LABEL_SETS["bdd"]

        def preprocess(self, image: LoadedImage) -> SimpleNamespace:
            return SimpleNamespace(image=image, x=np.zeros(1))

        def forward(self, batch: np.ndarray) -> np.ndarray:
            return batch

        def postprocess(self, logits: np.ndarray, prepared: SimpleNamespace, **_: object) -> SimpleNamespace:
            rgb = prepared.image.rgb
            mask = np.where((rgb == rgb[0, 0]).all(-1), 0, 2).astype(np.uint8)
            mask[: len(mask) // 2][mask[: len(mask) // 2] == 0] = 1
            return SimpleNamespace(mask=mask)

    assert (Image.fromarray(rgb).getpixel((0, 0)), truth[0, 0]) == ((20, 30, 40), 0), "the corner is drivable"
    measured = quality(Perfect(), images)  # type: ignore[arg-type]
    assert measured.figures["miou"] == (1, 1, 1) and measured.images == 3


def test_the_table_has_means_over_the_seeds_and_names_what_is_missing(tmp_path: Path) -> None:
    experiment = replace(written(tmp_path, DRAWN), seeds=2)
    table = page.table(experiment, [])
    assert "| Dice | chosen | not run yet | - |" in table and "experiments.run drawn" in table
    rows = [
        row(experiment, seed=0, figures={"miou": (0.5, 0.4, 0.6), "pixel_acc": (0.7, 0.6, 0.8)}),
        row(experiment, seed=1, figures={"miou": (0.6, 0.5, 0.7), "pixel_acc": (0.8, 0.7, 0.9)}),
        row(experiment, 1, seed=0, figures={"miou": (0.45, 0.4, 0.5), "gain": (-0.05, -0.06, 0.0)}),
        row(experiment, 1, seed=1, error="out of memory"),
    ]
    table = page.table(experiment, rows)
    assert "| Dice | chosen | 55.0 (45.0 to 65.0) | 75.0 (65.0 to 85.0) | - | 50.0, 60.0 |" in table
    assert "| focal | - | 45.0 (40.0 to 50.0) | - | -5.0 (-6.0 to +0.0) | 45.0, failed |" in table
    assert "Not finished" in table and "A trial" not in table
    assert "3 val images of drawn" in table and "a processor" in table and "commit abc" in table
    trial = page.table(experiment, [row(experiment, minutes=0.001, figures={"miou": (0.5, 0.4, 0.6)})])
    assert "A trial, with 0.001 of the 0.002 minutes" in trial


def test_the_page_shows_the_results() -> None:
    text = page.PAGE.read_text("utf-8")
    assert page.with_tables(text) == text, "run python -m experiments.page"
