"""Training learns, can be killed and resumed, and fails with a sentence and its last good state intact."""

import csv
import errno
import itertools
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.utils.data import DataLoader

import carseg
from carseg import TrainingConfig, finetune, load
from carseg.data.load import load as open_data
from carseg.errors import DataError, OptionError, TrainingError
from carseg.training import Hook, LogRow, Step, read_log
from carseg.training.log import COLUMNS, TrainingLog

from drawn_data import index_folder
from modules import module
from small_network import SMALL

ROOT = Path(carseg.__file__).parent.parent
PACKAGED = "lraspp-mobilenetv2"  # which other processes know too
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


@pytest.fixture
def without_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process read images as they come, as workers do, of which each would load torch first."""

    def loader(*arguments: Any, **options: Any) -> DataLoader[Any]:
        return DataLoader(*arguments, **options | {"num_workers": 0, "multiprocessing_context": None})

    monkeypatch.setattr(module("training.batches"), "DataLoader", loader)


class Killed(Exception):
    pass


class KillAfter(Hook):
    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_step(self, step: Step) -> None:
        if step.number == self.steps:
            raise Killed


def test_it_learns_and_the_result_loads_and_predicts(data: Path, tmp_path: Path) -> None:
    # The drawn sides differ in colour, which a flip would contradict.
    config = replace(QUICK, epochs=15, lr=2e-2, ema=0.9, size=(64, 64), augment="jitter")
    best = finetune(SMALL, data, tmp_path / "my run", config=config)
    segmenter = load(best)
    assert segmenter.labels.classes == ("ground", "left_door", "right_door") and segmenter.name == "my-run"
    [metric] = segmenter.info.metrics
    assert metric.miou > 0.6 and metric.images == 4
    rgb, truth = open_data(data)[0].load()
    assert (segmenter.predict(rgb).mask == truth).mean() > 0.8
    assert losses(tmp_path / "my run")[-1] < losses(tmp_path / "my run")[0] / 2


@pytest.mark.parametrize("cache", ["always", "never"])
def test_a_resumed_run_goes_where_an_uninterrupted_one_goes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: str, without_workers: None
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    config = replace(QUICK, augment="all", balanced=True)
    finetune(SMALL, data, whole, config=config)
    # Before the first epoch's end and state, in the middle of an epoch, after a state within an epoch.
    for steps, seconds in ((2, 120), (5, 120), (6, 0), (8, 120)):
        monkeypatch.setattr(module("training.trainer"), "SAVE_SECONDS", seconds)
        again = replace(config, cache=cache)
        with pytest.raises(Killed):
            finetune(SMALL, data, broken, config=again, resume=broken.exists(), hooks=[KillAfter(steps)])
        log = TrainingLog(broken)
        log.add(dict.fromkeys(COLUMNS, 999.0))  # logged after the last saved state
    finetune(SMALL, data, broken, resume=True)
    assert losses(broken) == losses(whole)
    one, other = (load_file(run / "best" / "model.safetensors") for run in (whole, broken))
    assert all(torch.equal(value, other[key]) for key, value in one.items())


def test_images_read_as_they_come_teach_the_same_as_decoded_ones(data: Path, tmp_path: Path) -> None:
    config = replace(QUICK, augment="all", accumulate=2, loss="weighted-ce", workers=1)
    seen: dict[str, list[float]] = {}
    for cache in ("always", "never"):

        class Note(Hook):
            def on_step(self, step: Step, cache: str = cache) -> None:
                seen.setdefault(cache, []).append(step.loss)

        finetune(SMALL, data, tmp_path / cache, config=replace(config, cache=cache), hooks=[Note()])
    assert len(seen["never"]) == 9 and seen["never"] == seen["always"]
    assert (tmp_path / "always" / "cache").exists() and not (tmp_path / "never" / "cache").exists()


def test_a_set_too_large_for_the_disk_is_read_as_it_comes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without_workers: None
) -> None:
    monkeypatch.setattr(module("training.batches"), "CACHE_LIMIT", 12 * 48 * 48 * 4 - 1)
    with pytest.raises(Killed):
        finetune(SMALL, data, tmp_path / "run", config=replace(QUICK, augment="all"), hooks=[KillAfter(4)])
    assert not (tmp_path / "run" / "cache").exists()
    monkeypatch.setattr(module("training.batches"), "CACHE_LIMIT", 2**40)
    finetune(SMALL, data, tmp_path / "run", resume=True)  # as it was begun
    assert not (tmp_path / "run" / "cache").exists()


def test_an_image_that_breaks_while_it_trains_is_named(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")

    class Break(Hook):
        def on_step(self, step: Step) -> None:
            for image in (tmp_path / "data" / "images").iterdir():
                image.write_bytes(b"broken")

    with pytest.raises(DataError, match=r"image.*cannot be used.*skip_bad"):
        config = replace(QUICK, cache="never", val_fraction=0, epochs=30, workers=1)
        finetune(SMALL, tmp_path / "data", tmp_path / "run", config=config, hooks=[Break()])


def test_labels_corrected_meanwhile_are_learned_by_a_resumed_run(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    config = replace(QUICK, val_fraction=0)
    with pytest.raises(Killed):
        finetune(SMALL, tmp_path / "data", tmp_path / "run", config=config, hooks=[KillAfter(6)])
    [before] = (np.load(path) for path in (tmp_path / "run" / "cache").glob("*-masks.npy"))
    assert (before == 0).any()
    for path in (tmp_path / "data" / "masks").iterdir():
        Image.fromarray(np.full((48, 64), 1, np.uint8)).save(path)
    with pytest.warns(UserWarning, match="images or labels have changed"):
        finetune(SMALL, tmp_path / "data", tmp_path / "run", resume=True)
    [after] = (np.load(path) for path in (tmp_path / "run" / "cache").glob("*-masks.npy"))
    assert (after == 1).all()


def test_a_run_killed_before_it_had_begun_is_begun(data: Path, tmp_path: Path) -> None:
    (tmp_path / "run" / "cache").mkdir(parents=True)
    (tmp_path / "run" / "cache" / ".half-images.npy").write_bytes(b"half")
    assert load(finetune(SMALL, data, tmp_path / "run", config=replace(QUICK, epochs=1), resume=True))


def test_every_damaged_bit_of_a_state_is_found(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    finetune(SMALL, data, run, config=replace(QUICK, epochs=1))
    whole = (run / "state.pt").read_bytes()
    for place in np.linspace(0, len(whole) - 1, 40).astype(int):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        (run / "state.pt").write_bytes(damaged)
        with pytest.raises(TrainingError, match=r"state\.pt is damaged"):
            finetune(SMALL, data, run, resume=True)


@pytest.mark.parametrize("left", ["last", "log.csv"])
def test_a_run_whose_state_was_removed_is_not_begun_anew(data: Path, tmp_path: Path, left: str) -> None:
    run = tmp_path / "run"
    finetune(SMALL, data, run, config=replace(QUICK, epochs=2))
    (run / "state.pt").unlink()
    if left != "last":
        shutil.rmtree(run / "last")
    before = (run / "best/model.safetensors").read_bytes()
    with pytest.raises(TrainingError, match=r"state\.pt is missing, .*: start another run, from .*best"):
        finetune(SMALL, data, run, resume=True)
    assert (run / "best/model.safetensors").read_bytes() == before


def test_another_networks_state_is_refused(data: Path, tmp_path: Path) -> None:
    finetune(SMALL, data, tmp_path / "run", config=replace(QUICK, epochs=1))
    finetune(PACKAGED, data, tmp_path / "other", config=replace(QUICK, epochs=1))
    shutil.copy(tmp_path / "other" / "state.pt", tmp_path / "run" / "state.pt")
    with pytest.raises(TrainingError, match="that of another training"):
        finetune(SMALL, data, tmp_path / "run", resume=True)


def test_hooks_are_told_of_steps_epochs_and_the_end(data: Path, tmp_path: Path) -> None:
    told: list[Any] = []

    class Note(Hook):
        def on_step(self, step: Step) -> None:
            told.append((step.number, round(step.done, 3), step.best_miou is None))

        def on_epoch(self, row: LogRow) -> None:
            told.append(row)

        def on_end(self, run: Path) -> None:
            assert load(run / "best")
            told.append("end")

    finetune(SMALL, data, tmp_path / "run", config=replace(QUICK, epochs=2), hooks=[Note()])
    first, second = (dict(row) for row in read_log(tmp_path / "run"))
    steps = [(1, 0.167, True), (2, 0.333, True), (3, 0.5, True), (4, 0.667, False), (5, 0.833, False), (6, 1.0, False)]
    assert [item for item in told if isinstance(item, tuple)] == steps
    assert [told.index(row) for row in told if isinstance(row, dict)] == [3, 7] and told[-1] == "end"
    assert told[3]["val_miou"] == pytest.approx(first["val_miou"]) and told[7]["step"] == second["step"] == 6


def test_killed_without_warning_it_resumes(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    code = f"""
from carseg import TrainingConfig, finetune
config = TrainingConfig(epochs=500, batch_size=4, size=(32, 32), device="cpu")
finetune({PACKAGED!r}, {str(data)!r}, {str(run)!r}, config=config)
"""
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)})
    deadline = time.monotonic() + 200
    while not (run / "state.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    step = torch.load(run / "state.pt", weights_only=True)["progress"]["step"]
    steps: list[int] = []

    class Note(Hook):
        def on_step(self, step: Step) -> None:
            steps.append(step.number)

    with pytest.raises(Killed):
        finetune(PACKAGED, data, run, resume=True, hooks=[Note(), KillAfter(step + 2)])
    assert steps == [step + 1, step + 2]


def test_a_loss_that_is_no_number_ends_it(data: Path, tmp_path: Path) -> None:
    def poison(trained: torch.nn.Module, *_: object) -> None:
        with torch.no_grad():
            for parameter in trained.parameters():
                parameter.fill_(float("nan"))

    run = tmp_path / "run"
    hook = None

    class Poison(Hook):
        def on_step(self, step: Step) -> None:
            nonlocal hook
            if step.number == 4:
                hook = torch.nn.modules.module.register_module_forward_pre_hook(poison)

    try:
        with pytest.raises(TrainingError, match=r"loss became nan at step 5.*learning rate"):
            finetune(SMALL, data, run, config=QUICK, hooks=[Poison()])
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
        finetune(SMALL, data, run, config=QUICK, hooks=[KillAfter(4)])
    before = (run / "state.pt").read_bytes()

    def full(state: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TrainingError, match=r"No space left.*--resume"):
        finetune(SMALL, data, run, resume=True)
    assert (run / "state.pt").read_bytes() == before
    assert not [path for path in run.iterdir() if path.name.startswith(".state")]


def test_other_classes_replace_the_head_alone(data: Path, tmp_path: Path) -> None:
    first = finetune(SMALL, data, tmp_path / "first", config=replace(QUICK, epochs=1))
    mapping = {"left_door": "door", "right_door": "door"}
    second = finetune(first, data, tmp_path / "second", config=replace(QUICK, epochs=1), mapping=mapping)
    assert load(second).labels.classes == ("ground", "door")
    new = json.loads((tmp_path / "second" / "run.json").read_text())["new_tensors"]
    assert new and all("classifier" in key for key in new)
    roles = [source.role for source in load(second).info.data]
    assert roles == ["pretraining", "validation", "training", "validation"]


def test_frozen_parts_stay_as_they_are(data: Path, tmp_path: Path) -> None:
    first = finetune(SMALL, data, tmp_path / "first", config=replace(QUICK, epochs=1))
    config = replace(QUICK, epochs=1, freeze=("encoder",))
    second = finetune(first, data, tmp_path / "second", config=config)
    before, after = (load_file(best / "model.safetensors") for best in (first, second))
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed and not any(key.startswith("encoder.") for key in changed)


def test_two_processes_train_as_one(data: Path, tmp_path: Path) -> None:
    config = replace(QUICK, epochs=2, augment="none", loss="ce", freeze=("bn",))
    code = f"""
from carseg import TrainingConfig, finetune
finetune({PACKAGED!r}, {str(data)!r}, {str(tmp_path / "two")!r}, config=TrainingConfig(**{asdict(config)}))
"""
    script = tmp_path / "train.py"
    script.write_text(code)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([*launch, script], check=True, env=environment)
    finetune(PACKAGED, data, tmp_path / "one", config=config)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-3)


def test_broken_images_are_named_before_it_starts_or_left_out(tmp_path: Path) -> None:
    index_folder(tmp_path / "data", [f"p{i}" for i in range(8)])
    for name in ("p1", "p6"):
        (tmp_path / "data" / "images" / f"{name}.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"(?s)p1.*p6"):
        finetune(SMALL, tmp_path / "data", tmp_path / "run", config=QUICK)
    with pytest.warns(UserWarning, match=r"(?s)left out.*p1.*p6"):
        best = finetune(SMALL, tmp_path / "data", tmp_path / "run2", config=replace(QUICK, epochs=1, skip_bad=True))
    assert sum(source.images for source in load(best).info.data) == 6


def test_a_run_is_not_overwritten(data: Path, tmp_path: Path) -> None:
    finetune(SMALL, data, tmp_path / "run", config=replace(QUICK, epochs=1))
    with pytest.raises(OptionError, match="resume"):
        finetune(SMALL, data, tmp_path / "run", config=QUICK)
    with pytest.raises(TrainingError, match="no run"):
        finetune(SMALL, data, tmp_path / "other", resume=True)


@pytest.mark.parametrize("file", ["state.pt", "run.json"])
def test_a_damaged_run_is_named(data: Path, tmp_path: Path, file: str) -> None:
    finetune(SMALL, data, tmp_path / "run", config=replace(QUICK, epochs=1))
    path = tmp_path / "run" / file
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(TrainingError, match=rf"{re.escape(file)} is damaged"):
        finetune(SMALL, data, tmp_path / "run", resume=True)


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
    best = finetune(SMALL, data, tmp_path / "run", config=replace(QUICK, epochs=1, **settings))
    assert load(best).predict(np.zeros((20, 30, 3), np.uint8)).mask.shape == (20, 30)


def test_it_stops_when_validation_no_longer_improves(data: Path, tmp_path: Path) -> None:
    config = replace(QUICK, epochs=40, patience=2, lr=1e-12)
    finetune(SMALL, data, tmp_path / "run", config=config)
    assert len(rows(tmp_path / "run")) < 40


def test_minutes_are_a_budget(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = itertools.count(step=0.1)  # the clock goes on by this much whenever it is read
    monkeypatch.setattr(module("training.trainer"), "time", SimpleNamespace(perf_counter=lambda: next(seconds)))
    finetune(SMALL, data, tmp_path / "run", config=replace(QUICK, minutes=0.15))
    last = rows(tmp_path / "run")[-1]
    assert 9 <= float(last["seconds"]) < 10 and float(last["lr"]) < QUICK.lr / 2


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
