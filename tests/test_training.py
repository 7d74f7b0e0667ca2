"""Training learns, can be killed and resumed, and fails with a sentence and its last good state intact."""

import csv
import errno
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import carseg
from carseg import TrainingConfig, finetune, load
from carseg.data.load import load as open_data
from carseg.errors import DataError, OptionError, TrainingError
from carseg.training.log import COLUMNS, TrainingLog

from drawn_data import index_folder
from modules import module

ROOT = Path(carseg.__file__).parent.parent
NETWORK = "lraspp-mobilenetv2"
QUICK = TrainingConfig(
    epochs=3,
    batch_size=4,
    lr=5e-3,
    encoder_lr_factor=1.0,
    augment="flip",
    val_fraction=0.25,
    precision="float32",
    device="cpu",
)
QUICK = replace(QUICK, size=(32, 32))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    index_folder(folder, [f"image{i}" for i in range(16)])
    (folder / "classes.txt").write_text("ground\nleft_door\nright_door\n")
    return folder


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "log.csv").open() as file:
        return list(csv.DictReader(file))


def losses(run: Path) -> list[float]:
    return [float(row["loss"]) for row in rows(run)]


class Killed(Exception):
    pass


def interrupt_after(steps: int):
    def report(row: dict[str, float]) -> None:
        if row["step"] == steps:
            raise Killed

    return report


def test_it_learns_and_the_result_loads_and_predicts(data: Path, tmp_path: Path) -> None:
    # The drawn sides differ in colour, which a flip would contradict.
    config = replace(QUICK, epochs=30, ema=0.9, size=(64, 64), augment="jitter")
    best = finetune("fpn-mobilenetv2", data, tmp_path / "my run", config=config)
    segmenter = load(best)
    assert segmenter.labels.classes == ("ground", "left_door", "right_door") and segmenter.name == "my-run"
    [metric] = segmenter.info.metrics
    assert metric.miou > 0.6 and metric.images == 4
    rgb, truth = open_data(data)[0].load()
    assert (segmenter.predict(rgb).mask == truth).mean() > 0.8
    assert losses(tmp_path / "my run")[-1] < losses(tmp_path / "my run")[0] / 2


def test_a_resumed_run_goes_where_an_uninterrupted_one_goes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    config = replace(QUICK, augment="all", balanced=True)
    finetune(NETWORK, data, whole, config=config)
    # Before the first epoch's end and state, in the middle of an epoch, after a state within an epoch.
    for steps, seconds in ((2, 120), (5, 120), (6, 0), (8, 120)):
        monkeypatch.setattr(module("training.trainer"), "SAVE_SECONDS", seconds)
        with pytest.raises(Killed):
            finetune(NETWORK, data, broken, config=config, resume=broken.exists(), report=interrupt_after(steps))
        log = TrainingLog(broken)
        log.add(dict.fromkeys(COLUMNS, 999.0))  # logged after the last saved state
    finetune(NETWORK, data, broken, resume=True)
    assert losses(broken) == pytest.approx(losses(whole), abs=1e-4)
    one, other = (load_file(run / "best" / "model.safetensors") for run in (whole, broken))
    for key, value in one.items():
        torch.testing.assert_close(value, other[key])


def test_killed_without_warning_it_resumes(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    code = f"""
from carseg import TrainingConfig, finetune
config = TrainingConfig(epochs=500, batch_size=4, size=(32, 32), device="cpu")
finetune({NETWORK!r}, {str(data)!r}, {str(run)!r}, config=config)
"""
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)})
    deadline = time.monotonic() + 200
    while not (run / "state.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    step = torch.load(run / "state.pt", weights_only=True)["progress"]["step"]
    steps: list[float] = []

    def report(row: dict[str, float]) -> None:
        steps.append(row["step"])
        if len(steps) == 2:
            raise Killed

    with pytest.raises(Killed):
        finetune(NETWORK, data, run, resume=True, report=report)
    assert steps == [step + 1, step + 2]


def test_a_loss_that_is_no_number_ends_it(data: Path, tmp_path: Path) -> None:
    def poison(trained: torch.nn.Module, *_: object) -> None:
        with torch.no_grad():
            for parameter in trained.parameters():
                parameter.fill_(float("nan"))

    run = tmp_path / "run"
    hook = None

    def report(row: dict[str, float]) -> None:
        nonlocal hook
        if row["step"] == 4:
            hook = torch.nn.modules.module.register_module_forward_pre_hook(poison)

    try:
        with pytest.raises(TrainingError, match=r"loss became nan at step 5.*learning rate"):
            finetune(NETWORK, data, run, config=QUICK, report=report)
    finally:
        hook.remove()
    state = torch.load(run / "state.pt", weights_only=True)
    assert state["progress"]["step"] == 3
    assert all(value.isfinite().all() for value in state["network"].values())


def test_a_full_disk_ends_it_and_leaves_the_last_state(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with pytest.raises(Killed):
        finetune(NETWORK, data, run, config=QUICK, report=interrupt_after(4))
    before = (run / "state.pt").read_bytes()

    def full(state: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TrainingError, match=r"No space left.*--resume"):
        finetune(NETWORK, data, run, resume=True)
    assert (run / "state.pt").read_bytes() == before
    assert not [path for path in run.iterdir() if path.name.startswith(".state")]


def test_other_classes_replace_the_head_alone(data: Path, tmp_path: Path) -> None:
    first = finetune(NETWORK, data, tmp_path / "first", config=replace(QUICK, epochs=1))
    mapping = {"left_door": "door", "right_door": "door"}
    second = finetune(first, data, tmp_path / "second", config=replace(QUICK, epochs=1), mapping=mapping)
    assert load(second).labels.classes == ("ground", "door")
    new = json.loads((tmp_path / "second" / "run.json").read_text())["new_tensors"]
    assert new and all("classifier" in key for key in new)
    roles = [source.role for source in load(second).info.data]
    assert roles == ["pretraining", "validation", "training", "validation"]


def test_frozen_parts_stay_as_they_are(data: Path, tmp_path: Path) -> None:
    first = finetune(NETWORK, data, tmp_path / "first", config=replace(QUICK, epochs=1))
    config = replace(QUICK, epochs=1, freeze=("encoder",))
    second = finetune(first, data, tmp_path / "second", config=config)
    before, after = (load_file(best / "model.safetensors") for best in (first, second))
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed and not any(key.startswith("encoder.") for key in changed)


def test_two_processes_train_as_one(data: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from carseg import TrainingConfig, finetune
config = TrainingConfig(epochs=2, batch_size=4, size=(32, 32), augment="none", loss="ce", freeze=("bn",), device="cpu",
                  val_fraction=0.25, precision="float32")
finetune({NETWORK!r}, {str(data)!r}, sys.argv[1], config=config)
"""
    script = tmp_path / "train.py"
    script.write_text(code)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, script, tmp_path / "one"], check=True, env=environment)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([*launch, script, tmp_path / "two"], check=True, env=environment)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-3)


def test_broken_images_are_named_before_it_starts_or_left_out(tmp_path: Path) -> None:
    index_folder(tmp_path / "data", [f"p{i}" for i in range(8)])
    for name in ("p1", "p6"):
        (tmp_path / "data" / "images" / f"{name}.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"(?s)p1.*p6"):
        finetune(NETWORK, tmp_path / "data", tmp_path / "run", config=QUICK)
    with pytest.warns(UserWarning, match=r"(?s)left out.*p1.*p6"):
        best = finetune(NETWORK, tmp_path / "data", tmp_path / "run2", config=replace(QUICK, epochs=1, skip_bad=True))
    assert sum(source.images for source in load(best).info.data) == 6


def test_a_run_is_not_overwritten(data: Path, tmp_path: Path) -> None:
    finetune(NETWORK, data, tmp_path / "run", config=replace(QUICK, epochs=1))
    with pytest.raises(OptionError, match="resume"):
        finetune(NETWORK, data, tmp_path / "run", config=QUICK)
    with pytest.raises(TrainingError, match="no run"):
        finetune(NETWORK, data, tmp_path / "other", resume=True)


@pytest.mark.parametrize("file", ["state.pt", "run.json"])
def test_a_damaged_run_is_named(data: Path, tmp_path: Path, file: str) -> None:
    finetune(NETWORK, data, tmp_path / "run", config=replace(QUICK, epochs=1))
    path = tmp_path / "run" / file
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(TrainingError, match=rf"{re.escape(file)} is damaged"):
        finetune(NETWORK, data, tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "tversky", "optimizer": "sgd", "schedule": "onecycle", "augment": "all"},
        {"loss": "lovasz", "optimizer": "adagrad", "schedule": "poly", "balanced": True},
        {"loss": "weighted-ce", "optimizer": "adam", "schedule": "warm-restarts", "accumulate": 2},
        {"loss": "focal", "schedule": "plateau", "precision": "bfloat16", "start_scale": 0.5, "patience": 1},
        {"loss": "ohem", "schedule": "constant", "val_fraction": 0.0},
    ],
)
def test_every_setting_trains(data: Path, tmp_path: Path, settings: dict[str, object]) -> None:
    best = finetune(NETWORK, data, tmp_path / "run", config=replace(QUICK, epochs=1, **settings))
    assert load(best).predict(np.zeros((20, 30, 3), np.uint8)).mask.shape == (20, 30)


def test_it_stops_when_validation_no_longer_improves(data: Path, tmp_path: Path) -> None:
    config = replace(QUICK, epochs=40, patience=2, lr=1e-12)
    finetune(NETWORK, data, tmp_path / "run", config=config)
    assert len(rows(tmp_path / "run")) < 40


def test_minutes_are_a_budget(data: Path, tmp_path: Path) -> None:
    finetune(NETWORK, data, tmp_path / "run", config=replace(QUICK, minutes=0.15))  # many steps, on a busy machine too
    last = rows(tmp_path / "run")[-1]
    assert float(last["seconds"]) >= 9 and float(last["lr"]) < QUICK.lr / 2


@pytest.mark.parametrize(
    "wrong",
    [
        *({"epochs": 0}, {"lr": 0}, {"val_fraction": 1}, {"accumulate": 3}, {"start_scale": 0}, {"clip": -1}),
        *({"size": 320}, {"size": (320,)}, {"freeze": "encoder"}, {"epochs": 1.5}, {"loss": None}),
        *({"weight_decay": -1}, {"seed": -1}, {"lr": math.nan}, {"minutes": math.nan}, {"lr": math.inf}),
    ],
)
def test_a_senseless_config_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        TrainingConfig(**wrong)
