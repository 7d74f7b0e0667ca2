"""A fine-tuning: what it starts from, what a resumed one may change, and what it leaves behind."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch

from carseg import TrainingConfig, finetune, load
from carseg._files import repair_folder
from carseg.data.dataset import Dataset
from carseg.data.load import load as open_data
from carseg.errors import DataError, MissingExtraError, OptionError, TrainingError, UnknownNameError, WeightsError
from carseg.hub.create import create_model
from carseg.hub.model_info import Int8, ModelInfo
from carseg.hub.save import save_model
from carseg.labels import label_set
from carseg.training.log import COLUMNS, TrainingLog, read_log
from carseg.training.splits import open_splits
from carseg.training.start import start_network
from carseg.training.trainer import Trainer

from drawn_data import index_folder
from entries import info_of
from modules import module
from schemas import validate
from small_network import SMALL

QUICK = TrainingConfig(epochs=1, batch_size=4, size=(32, 32), augment="none", val_fraction=0.25, precision="float32")
OLD = label_set("old", ("ground", "left_door", "right_door"))
NEW = label_set("new", ("right_door", "ground", "hood", "wheel"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    index_folder(tmp_path / "data", [f"image{i}" for i in range(12)])
    (tmp_path / "data" / "classes.txt").write_text("ground\nleft_door\nright_door\n")
    return tmp_path / "data"


def old_entry(architecture: str) -> ModelInfo:
    return replace(info_of(name="old"), architecture=architecture, labels=OLD, storage="float32", metrics=())


class Page(HTMLParser):
    """The tags and links of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href") and value]


@pytest.mark.parametrize("val_fraction", [0.25, 0.0])
def test_a_report_page_needs_nothing_else(data: Path, tmp_path: Path, val_fraction: float) -> None:
    run = tmp_path / "run"
    finetune(SMALL, data, run, config=replace(QUICK, epochs=2, val_fraction=val_fraction))
    page, text = Page(run / "report.html"), (run / "report.html").read_text()
    assert page.tags.count("img") >= 3
    assert all(link.startswith("data:image/jpeg;base64,") for link in page.links)
    assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert page.tags.count("polyline") == (4 if val_fraction else 2)  # loss, rate; mIoU, pixel accuracy
    assert ("IoU by class" in text) == bool(val_fraction)
    assert "right_door" in text or not val_fraction


def test_tensorboard_gets_the_figures_of_the_log(data: Path, tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = tmp_path / "run"
    finetune(SMALL, data, run, config=replace(QUICK, epochs=3, tensorboard=True))
    events = accumulators.EventAccumulator(str(run / "tensorboard")).Reload()
    for name in ("loss", "val_miou"):
        logged = [(float(event.step), event.value) for event in events.Scalars(name)]
        assert logged == [(row["step"], pytest.approx(row[name], rel=1e-5)) for row in read_log(run)]
        assert len(logged) == 3


def test_the_error_without_tensorboard_names_what_to_install(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'carseg\[report\]'"):
        finetune(SMALL, data, tmp_path / "run", config=replace(QUICK, tensorboard=True))


@pytest.mark.parametrize("text", ["date,km\n3,4\n", ",".join(COLUMNS) + "\nfirst" + "," * 8, "\xff\n"])
def test_a_log_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "log.csv").write_text(text, "latin-1")
    with pytest.raises(TrainingError, match=r"log\.csv is not the log of a training"):
        TrainingLog(tmp_path)


def test_the_log_goes_back_to_a_step_and_is_whole_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = TrainingLog(tmp_path)
    for step in (3, 6, 9):
        log.add({name: 0.0 for name in COLUMNS} | {"step": step, "loss": 1 / step, "val_miou": None})
    log.rewind(6)
    assert [row["step"] for row in read_log(tmp_path)] == [3, 6]

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module("training.log"), "replacing", full)
    with pytest.raises(OSError, match="No space"):
        log.add(dict.fromkeys(COLUMNS, 12.0))
    assert [row["step"] for row in read_log(tmp_path)] == [row["step"] for row in log.rows] == [3, 6]


def test_a_resumed_run_knows_its_classes(data: Path, tmp_path: Path) -> None:
    run, renamed = tmp_path / "run", {"ground": "floor"}
    finetune(SMALL, data, run, config=QUICK, mapping=renamed)
    assert "floor" in load(finetune(SMALL, data, run, resume=True)).labels.classes
    with pytest.raises(DataError, match="has changed since"):
        finetune(SMALL, data, run, mapping={"ground": "road"}, resume=True)


def test_what_the_labels_lack_is_said_before_a_training(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    (data / "classes.txt").write_text("ground\nleft_door\nright_door\nhood\n")
    open_splits(data, QUICK)
    assert "no training image holds hood, nor does any other" in caplog.text


def test_classes_of_an_open_data_set_are_not_given_again(data: Path, tmp_path: Path) -> None:
    for classes in ({"mapping": {"ground": "floor"}}, {"labels": "bdd"}):
        with pytest.raises(OptionError, match="open the data set with them"):
            finetune(SMALL, open_data(data), tmp_path / "run", config=QUICK, **classes)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "setting", ["loss", "schedule", "optimizer", "augment", "precision", "encoder", "teacher", "freeze", "model"]
)
def test_a_misspelt_setting_is_named_before_images_are_read(data: Path, tmp_path: Path, setting: str) -> None:
    for image in (data / "images").iterdir():
        image.write_bytes(b"broken")
    wrong = {} if setting == "model" else {setting: ("dise",) if setting == "freeze" else "dise"}
    with pytest.raises(UnknownNameError, match="dise"):
        finetune("dise" if setting == "model" else SMALL, data, tmp_path / "run", config=replace(QUICK, **wrong))
    assert not (tmp_path / "run").exists()


def test_an_encoders_file_that_is_not_there_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"enc\.safetensors: no such file"):
        finetune(SMALL, data, tmp_path / "run", config=replace(QUICK, encoder="enc.safetensors"))


def test_an_encoder_brings_its_normalization(tmp_path: Path) -> None:
    seen = replace(old_entry(SMALL).input, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6), scale="max")
    save_model(tmp_path / "old", create_model(SMALL, len(OLD)), replace(old_entry(SMALL), input=seen))
    _, info, _ = start_network(SMALL, NEW, replace(QUICK, encoder=str(tmp_path / "old")))
    assert (info.input.mean, info.input.std, info.input.scale) == (seen.mean, seen.std, "max")


def test_a_resumed_run_refuses_other_settings_but_for_where_it_runs(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    finetune(SMALL, data, run, config=QUICK)
    with pytest.raises(OptionError, match=r"started with lr 0\.001, not 0\.1.*run/best"):
        finetune(SMALL, data, run, config=replace(QUICK, lr=0.1), resume=True)
    with pytest.raises(OptionError, match=f"started with model '{SMALL}'"):
        finetune("fpn-mobilenetv2", data, run, resume=True)
    finetune(SMALL, data, run, config=replace(QUICK, device="cpu", workers=1), resume=True)
    index_folder(data, ["another"], start=50)
    with pytest.raises(DataError, match="has changed since"):
        finetune(SMALL, data, run, resume=True)


def test_a_network_that_needs_several_images_per_step_asks_for_them(data: Path, tmp_path: Path) -> None:
    for _ in range(2):  # nothing was learned that another start in the same folder would lose
        with pytest.raises(OptionError, match="larger batch_size"):
            finetune("deeplabv3plus-resnet50", data, tmp_path / "run", config=replace(QUICK, batch_size=1))


@pytest.mark.parametrize("architecture", [SMALL, "u2netp"])
def test_classes_of_the_same_name_keep_their_part_of_the_head(architecture: str, tmp_path: Path) -> None:
    network = create_model(architecture, len(OLD))
    save_model(tmp_path / "old", network, old_entry(architecture))
    other, found, new = start_network(tmp_path / "old", NEW, QUICK)
    assert found.labels == NEW
    x = torch.rand(1, 3, 64, 64)
    if architecture == "u2netp":  # its last layer sees the logits of all classes: those of new ones must not matter
        with torch.no_grad():
            for net, labels in ((network, OLD), (other, NEW)):
                strange = [i for i, name in enumerate(labels.classes) if name not in ("ground", "right_door")]
                columns = [block * len(labels) + i for block in range(6) for i in strange]
                net.state_dict()["outconv.weight"][:, columns] = 0
    with torch.no_grad():
        before, after = network.eval()(x), other.eval()(x)
    torch.testing.assert_close(after[:, [1, 0]], before[:, [0, 2]])
    assert new
    assert not any(name.startswith("encoder") for name in new)
    _, _, none = start_network(tmp_path / "old", label_set("fewer", ("Ground", "right door")), QUICK)
    assert none == []


def test_training_images_without_labels_are_named(tmp_path: Path) -> None:
    for split in ("train", "val"):
        index_folder(tmp_path / split, ["a", "b"])
    for mask in (tmp_path / "train" / "masks").iterdir():
        mask.rename(mask.with_stem(f"label of {mask.stem}"))
    with pytest.raises(DataError, match=r"a: .*label"):
        finetune(SMALL, tmp_path, tmp_path / "run", config=QUICK)


def test_what_was_measured_of_the_old_weights_is_forgotten(tmp_path: Path) -> None:
    measured = replace(
        old_entry(SMALL),
        runtimes={"torch": {"bfloat16": 1.0}},
        int8=Int8({"images": (-1.0, 1.0)}, 0.0, 0.0),
        quantization_loss=0.0,
        embedded=True,
    )
    info = save_model(tmp_path / "new", create_model(SMALL, len(OLD)), measured)
    assert (info.runtimes, info.int8, info.quantization_loss, info.embedded) == ({}, None, None, False)
    assert info.licence == measured.licence and info.sha256 != measured.sha256


def test_an_entry_survives_a_kill_while_it_is_replaced(tmp_path: Path) -> None:
    network, folder = create_model(SMALL, len(OLD)), tmp_path / "best"
    first = save_model(folder, network, old_entry(SMALL))
    folder.rename(tmp_path / ".best-replaced")  # killed between the two renames
    (tmp_path / ".best-new").mkdir()
    repair_folder(folder)
    assert load(folder).info.sha256 == first.sha256
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


def trainer_of(data: Path, run: Path, options: TrainingConfig) -> Trainer:
    provenance = old_entry(SMALL).provenance
    return Trainer(create_model(SMALL, 3), provenance, open_data(data, labels=OLD), None, run, options)


def test_a_few_images_are_not_validated_after_every_step(data: Path, tmp_path: Path) -> None:
    trainer, validated = trainer_of(data, tmp_path, replace(QUICK, epochs=400, batch_size=12)), []
    while trainer.done < 1:
        trainer.state.step += 1
        if trainer._validation_is_due():
            trainer._validate()
            validated.append(trainer.state.step)
    assert validated == list(range(4, 401, 4))


def test_validation_takes_a_tenth_of_a_budget_of_time_at_most(data: Path, tmp_path: Path) -> None:
    trainer = trainer_of(data, tmp_path, replace(QUICK, minutes=1))
    trainer.state.step = trainer.steps_per_epoch
    trainer.state.seconds = 18
    assert trainer._validation_is_due()
    trainer.state.validating = 0.04  # of a minute: the next one is worth it after 24 seconds
    assert not trainer._validation_is_due()
    trainer.state.seconds = 25
    assert trainer._validation_is_due()


def test_plateau_halves_the_rate_when_validation_no_longer_improves(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module("training.trainer"), "PLATEAU_PATIENCE", 2)
    options = replace(QUICK, epochs=6, lr=1e-12, schedule="plateau", freeze=("bn",))
    finetune(SMALL, data, tmp_path / "run", config=options)
    rates = [row["lr"] for row in read_log(tmp_path / "run")]
    assert rates == pytest.approx([1e-12, 1e-12, 1e-12, 0.5e-12, 0.5e-12, 0.25e-12], rel=1e-6, abs=0)


@pytest.mark.parametrize("setting", [{"patience": 3}, {"schedule": "plateau"}])
def test_what_goes_by_validation_images_needs_some(data: Path, setting: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="there are none"):
        open_splits(data, replace(QUICK, val_fraction=0, **setting))


def test_settings_say_how_the_labels_of_a_folder_are_read(tmp_path: Path) -> None:
    index_folder(tmp_path, ["a", "b"])
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.1 0.1 0.9 0.1 0.7 0.5")
    with pytest.raises(DataError, match="--background-images on the command line"):
        open_splits(tmp_path, replace(QUICK, val_fraction=0))
    config = replace(QUICK, val_fraction=0, background_images=True)
    train, _ = open_splits(tmp_path, config)
    assert [sample.name for sample in train] == ["a", "b"]
    for setting in ({"background_images": True}, {"line_width": 3.0}):
        with pytest.raises(OptionError, match="open the data set with them"):
            open_splits(train, replace(QUICK, **setting))


def test_a_run_goes_on_in_the_format_it_was_started_in(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def fit(network: object, provenance: object, train: Dataset, *rest: object, **others: object) -> None:
        read.append(train.format)
        raise KeyboardInterrupt

    monkeypatch.setattr(module("training.finetuning"), "fit", fit)
    (data / "annotations.json").write_text('{"images": [], "annotations": [], "categories": []}')  # looks like COCO too
    for settings in ({"config": QUICK, "data_format": "masks"}, {"resume": True}):
        with pytest.raises(KeyboardInterrupt):
            finetune(SMALL, data, tmp_path / "run", **settings)
    assert read == ["masks", "masks"]
    with pytest.raises(OptionError, match="data_format, labels and mapping are for a folder"):
        finetune(SMALL, open_data(data), tmp_path / "other", config=QUICK, data_format="masks")


def test_pasting_needs_two_images_at_a_time() -> None:
    with pytest.raises(OptionError, match="two images"):
        replace(QUICK, augment="flip+paste", batch_size=4, accumulate=4)


def test_what_a_run_was_started_with_is_written_down(data: Path, tmp_path: Path) -> None:
    finetune(SMALL, data, tmp_path / "run", config=QUICK, mapping={"left_door": "door", "right_door": "door"})
    started = json.loads((tmp_path / "run" / "run.json").read_text())
    validate("run", started)
    assert [started[key] for key in ("classes", "train", "val")] == [["ground", "door"], 9, 3]
    assert started["config"]["size"] == [32, 32]
