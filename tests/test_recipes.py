"""Recipes are complete, and one can be followed from the pretraining to a weight that loads."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import timm
import torch

from carseg import load
from carseg.architectures.registry import list_architectures
from carseg.data import load as open_data
from carseg.errors import OptionError
from carseg.hub.create import create_model
from carseg.hub.manifest import read_config
from carseg.hub.pretrained import copy_encoder, load_encoder
from carseg.hub.save import save_model
from carseg.labels import LABEL_SETS
from carseg.training import Fitted, fit
from recipes import backbones, cross_validate, run
from recipes import recipe as recipes
from recipes.completed import Completed
from recipes.deep_stem import fit_pspnet
from recipes.fringe import Fringed

from drawn_data import draw_image, draw_mask, index_folder
from entries import info_of
from keras_resnet50 import keras_resnet50
from small_network import SMALL

FILES = {path.stem: path.read_text("utf-8") for path in sorted(recipes.FOLDER.glob("*.toml"))}
NAMES = list(FILES)
WITH_ENCODER = [name for name, text in FILES.items() if re.search(r'^encoder = "[^."]+"$', text, re.MULTILINE)]
SOURCE = """
[[sources]]
name = "{}"
split = "train"
images = 6
licence = "CC0-1.0"
role = "training"
"""
COMMON = """
[input]
size = [32, 32]
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]

[config]
size = [32, 32]
batch_size = 2
precision = "float32"
val_fraction = 0
{}

[[rounds]]
minutes = 1

[about]
licence = "CC0-1.0"
commercial_use = "unclear"
storage = "{}"
"""
STEP = (
    f'start = "{SMALL}"'
    """
labels = ["car", "rest", "road_background", "road_car"]
data = "one"
test = ""

[[also]]
folder = "road"
labels = "carvana"
prefix = "road_"
images = 4
""" + COMMON.format("", "float32") + SOURCE.format("Drawn cars")
)
FINAL = (
    f'start = "{SMALL}"'
    """
labels = "carvana"
data = "road"
notes = "Drawn."
merge = { background = "all", car = "all" }

[[elsewhere]]
folder = "one"
labels = "carvana"
""" + COMMON.format('encoder = "step"', "int8") + SOURCE.format("Drawn roads")
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("one/train", "one/test", "road/train", "road/test"):
        index_folder(tmp_path / "data" / name, [f"{name[:3]}{i}" for i in range(6)], classes=2)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "step.toml").write_text(STEP)
    (tmp_path / "recipes" / "final.toml").write_text(FINAL)
    monkeypatch.setattr(recipes, "FOLDER", tmp_path / "recipes")
    monkeypatch.setattr(run, "keep_memory", lambda: None)  # settings of a process, which the tests share
    monkeypatch.setenv("CARSEG_DATA", str(tmp_path / "data"))
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_is_complete(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARSEG_DATA", "anywhere")
    recipe = recipes.read(name)
    assert recipe.start in list_architectures() or recipes.exists(recipe.start)
    assert recipe.sources
    assert all(config.minutes or "epochs = " in FILES[name] for config in recipe.rounds)
    assert recipe.about["commercial_use"] in ("yes", "no", "unclear")
    assert recipe.notes or not recipe.test


@pytest.mark.parametrize("name", WITH_ENCODER)
def test_the_encoder_that_a_recipe_names_fits_its_network(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARSEG_DATA", "anywhere")
    recipe = recipes.read(name)
    encoder = recipe.rounds[0].encoder
    assert encoder
    network = create_model(recipe.start, 2)
    if encoder == "resnet50-imagenet":
        state = {key: torch.from_numpy(value) for key, value in backbones.to_timm(keras_resnet50()).items()}
        load_encoder(network, state, encoder)
    elif backbones.is_packaged(encoder):
        load_encoder(network, timm.create_model(network.timm_encoder).state_dict(), encoder)
    elif recipe.start == "pspnet-resnet50":
        fit_pspnet(network, create_model(recipes.read(encoder).start, 2).timm_state(), encoder)
    else:
        copy_encoder(network, create_model(recipes.read(encoder).start, 2), encoder)


def test_a_recipe_makes_what_it_starts_from_and_names_all_data(folder: Path) -> None:
    run.main("final", minutes=0.002, device="cpu", runs=folder / "runs", weights=folder / "weights")
    info = read_config(folder / "weights" / "final" / "config.json")
    assert [(source.name, source.role) for source in info.data] == [
        ("Drawn roads", "training"),
        ("Drawn cars", "pretraining"),
    ]
    whole, few, merged, elsewhere = info.metrics
    assert (whole.dataset, elsewhere.dataset) == ("road", "one")
    assert whole.images == few.images == 6 and merged.merged and merged.miou == 1  # two classes counted as one
    image = draw_image(draw_mask(1))
    assert load(folder / "weights" / "final").predict(image).mask.shape == image.shape[:2]


def test_what_a_label_leaves_open_is_said_by_a_network_where_it_is_sure(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probabilities = np.full((2, 3, 4), 0.5, np.float16)
    probabilities[1, :, 1], probabilities[1, :, 2] = 0.9, 0.1
    found = SimpleNamespace(predict=lambda *_, **__: SimpleNamespace(probabilities=probabilities))
    monkeypatch.setattr("recipes.completed._network", lambda _: found)
    stored = np.array([[255] * 4, [0] * 4, [1] * 4], np.uint8)
    label = SimpleNamespace(read=lambda *_: stored)
    sample = SimpleNamespace(label=label, load_image=lambda: np.zeros((3, 4, 3), np.uint8))
    completed = Completed(sample, folder, background=0, object=1).read(3, 4)  # type: ignore[arg-type]
    assert completed.tolist() == [[255, 1, 0, 255], [0] * 4, [1] * 4]
    assert (stored[0] == 255).all()


def test_images_of_an_addition_can_be_seen_several_times_per_epoch(folder: Path) -> None:
    addition = recipes.Addition("road", "carvana", images=4, times=3)
    names = [sample.name for sample in addition.open(LABEL_SETS["carvana"], folder)]
    assert len(set(names)) == len(names) == 12


def test_some_rounds_alone_are_not_measured(folder: Path) -> None:
    run.main("final", minutes=0.002, rounds=1, device="cpu", runs=folder / "runs", weights=folder / "weights")
    assert (folder / "runs" / "final-1" / "best").is_dir()
    assert not (folder / "weights").exists()


def test_a_run_that_is_stopped_while_it_measures_leaves_no_entry_without_figures(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "measure", stop)
    with pytest.raises(KeyboardInterrupt):
        run.main("final", minutes=0.002, device="cpu", runs=folder / "runs", weights=folder / "weights")
    assert (folder / "runs" / "final-1" / "best").is_dir()
    assert list((folder / "weights").iterdir()) == []


def test_a_trial_is_not_taken_for_the_run_itself(folder: Path) -> None:
    places = {"device": "cpu", "runs": folder / "runs", "weights": folder / "weights"}
    run.main("final", minutes=0.002, **places)
    run.main("final", minutes=0.002, **places)  # finished already, and measured again
    with pytest.raises(OptionError, match="step-1 was begun with another configuration"):
        run.main("final", minutes=0.003, **places)


def test_a_grown_network_begins_as_the_one_that_it_grew_from(tmp_path: Path) -> None:
    torch.manual_seed(0)
    recipe = recipes.read("u2net-carparts")
    narrow = replace(info_of(), architecture="u2netp", labels=recipe.labels, input=recipe.input, metrics=())
    save_model(tmp_path / "narrow", create_model("u2netp", len(recipe.labels)), narrow)
    grown = run.grown(recipe, tmp_path / "narrow", tmp_path / "grown")
    one, other = (load(folder, device="cpu", runtime="torch") for folder in (tmp_path / "narrow", grown))
    assert (other.info.architecture, other.info.data) == ("u2net", one.info.data)
    x = np.random.default_rng(0).standard_normal((1, 3, 64, 96), np.float32)
    np.testing.assert_allclose(other.runtime(x), one.runtime(x), rtol=1e-3, atol=1e-3)


def test_what_a_recipe_grows_from_is_made_with_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def keep(network: Any, provenance: Any, train: Any, val: Any, place: Path, *_: Any, **__: Any) -> Fitted:
        save_model(place / "best", network, provenance)
        return Fitted(place / "best", 0, 0.0, 0.0)

    monkeypatch.setattr(run, "fit", keep)
    for name, start in (("small", 'start = "u2netp"'), ("large", 'start = "u2net"\ngrow = "small"')):
        text = FINAL.replace(f'start = "{SMALL}"', start).replace('encoder = "step"', "")
        (folder / "recipes" / f"{name}.toml").write_text(text)
    recipe = recipes.read("large")
    assert run.budget(recipe) == 2
    best, info = run.train(recipe, folder / "runs", 0.001, "cpu")
    assert (info.architecture, info.name) == ("u2net", "large")
    assert load(folder / "runs" / "small-1" / "best", device="cpu", runtime="torch").info.architecture == "u2netp"
    assert load(best, device="cpu", runtime="torch").info.architecture == "u2net"


def test_a_later_round_sees_more_images_and_learns_from_the_round_before(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = '[[rounds]]\nminutes = 1\nteacher = "later"\n'
    more = '[[also]]\nfolder = "one"\nlabels = ["car", "rest"]\nrest = "ignore"\nfrom_round = 2\n'
    text = FINAL.replace('encoder = "step"', "").replace("[about]", f"{later}\n{more}\n[about]")
    (folder / "recipes" / "later.toml").write_text(text)
    seen = []

    def watched(network: Any, provenance: Any, train: Any, val: Any, place: Any, config: Any, **others: Any) -> Fitted:
        seen.append((len(train), config.teacher))
        return fit(network, provenance, train, val, place, config, **others)

    monkeypatch.setattr(run, "fit", watched)
    run.train(recipes.read("later"), folder / "runs", 0.001, "cpu")
    assert seen == [(6, None), (12, str(folder / "runs" / "later-1" / "best"))]


def test_cross_validation_measures_each_image_once_and_never_one_it_has_learned_from(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "recipes" / "alone.toml").write_text(FINAL.replace('encoder = "step"', ""))
    seen = []

    def watched(network: Any, provenance: Any, train: Any, *others: Any, **more: Any) -> Fitted:
        seen.append({sample.name for sample in train})
        return fit(network, provenance, train, *others, **more)

    monkeypatch.setattr(run, "fit", watched)
    monkeypatch.setattr(cross_validate, "keep_memory", lambda: None)
    cross_validate.main("alone", 3, ["minutes = 0.001"], "cpu", folder / "runs")
    data = open_data(folder / "data" / "road", split="train", labels="carvana")
    parts = cross_validate.folds(data, 3)
    names = {sample.name for sample in data}
    assert sorted(name for part in parts for name in part) == sorted(names)
    assert seen == [names - part for part in parts]
    said = capsys.readouterr().out
    assert "6 images  mIoU" in said and "all  1.0000" in said


def test_an_unknown_recipe_is_answered_with_those_there_are(folder: Path) -> None:
    with pytest.raises(OptionError, match="final, step"):
        recipes.read("finla")


class Stored:
    def read(self, height: int, width: int) -> np.ndarray:
        stored = np.zeros((height, width), np.uint8)
        stored[10:12, 10:12] = 3
        return stored


def test_a_fringe_leaves_open_what_is_near_and_only_that() -> None:
    stored = Fringed(Stored(), 0, 0.05).read(30, 40)  # a diagonal of 50: 3 pixels
    assert (stored[10:12, 10:12] == 3).all()
    assert (stored == 255).sum() == 8 * 8 - 4 and (stored[7:15, 7:15] != 0).all()
