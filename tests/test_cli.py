"""The commands but for ``predict``: what they print, and how they end."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import carseg
from carseg.cli import process
from carseg.cli.main import main
from carseg.cli.terminal import ProgressBar, short, table
from carseg.data.formats import FORMATS
from carseg.hub.catalog import DEFAULT_MODEL
from carseg.hub.create import create_model
from carseg.hub.manifest import ROOT, Manifest
from carseg.hub.model_info import ModelInfo
from carseg.hub.save import save_model

from color_hub import LABELS, photo, write_model
from drawn_data import draw_image, draw_mask, index_folder, save
from entries import info_of
from modules import module
from written_labels import write_labelme


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: None) -> Path:
    """Work in an empty folder, with a hub that has the model ``blocks``."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(process, "prepare", lambda: None)  # settings of this process are the test runner's
    write_model(tmp_path / "hub")
    monkeypatch.setenv("CARSEG_HUB", str(tmp_path / "hub"))
    return folder


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, ModelInfo]:
    """Set a manifest with a model that the hub has and one that nobody has."""
    models = {"blocks": write_model(tmp_path / "hub"), "far-unet": info_of(name="far-unet")}
    for name in ("hub.catalog", "hub.resolve"):
        monkeypatch.setattr(module(name), "load_manifest", lambda: Manifest(hubs=(), models=models))
    return models


def run(command: str) -> int:
    """Return the exit status of ``carseg COMMAND``."""
    return main(command.split())


def test_version_and_help(capsys):
    for arguments, message in ("--version", carseg.__version__), ("--help", "predict"), ("", "Exit status"):
        assert run(arguments) == 0
        assert message in capsys.readouterr().out
    assert run("finetune --help") == 0
    out = capsys.readouterr().out
    assert "dice+ce" in out
    assert "--val-fraction" in out


def test_as_a_program():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "carseg", "modls"], capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "carseg: error: No such command 'modls'. Did you mean 'models'? (see carseg --help)\n"
    code = "import sys; from carseg.cli import main; sys.exit(main(['hub', '--help']))"
    reader = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    reader.stdout.close()  # nobody reads: no traceback
    assert reader.stderr.read() == b""
    reader.stderr.close()
    assert reader.wait() == 1


def test_the_default_model_is_one_for_car_parts_in_the_package():
    if not carseg.list_models():
        pytest.skip("this version has no weights")
    info = carseg.info(DEFAULT_MODEL)
    assert info.embedded
    assert info.labels.name == "carparts"


def test_models_and_info(zoo, capsys):
    assert run("models") == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:5] == ["name", "recommended", "labels", "mIoU", "elsewhere"]
    assert [row.split()[0] for row in rows] == ["blocks", "far-unet"]
    assert run("models --commercial --format json") == 0
    [document] = map(json.loads, capsys.readouterr().out.splitlines())
    assert document["name"] == "blocks"
    assert ModelInfo.from_dict(document.pop("name"), document) == zoo["blocks"]
    assert run("models far*") == 0
    assert "blocks" not in capsys.readouterr().out
    assert run("models no*") == 0
    assert capsys.readouterr().out == ""
    assert run("info far-unet") == 0
    assert "carvana" in capsys.readouterr().out
    assert run("info far-unett") == 2
    assert "did you mean far-unet?" in capsys.readouterr().err


def test_info_of_a_model_in_a_hub_of_ones_own(zoo, capsys, monkeypatch):
    write_model(Path("own"), "mine")
    assert run("info mine") == 2
    assert run("info mine --hub own") == 0
    monkeypatch.setenv("CARSEG_HUB", "own")
    assert run("info mine") == 0
    assert capsys.readouterr().out.count("drawn by hand") == 2


def test_download_and_verify(zoo, capsys, tmp_path):
    assert run("download blocks") == 0
    path = tmp_path / "hub" / "blocks" / "model.safetensors"
    assert capsys.readouterr().out == f"{path}\n"
    assert run("download --all") == 1
    out, err = capsys.readouterr()
    assert out == f"{path}\n"
    assert err.count("\n") == 1
    assert "far-unet" in err
    assert run("download") == run("download --all blocks") == 2
    assert run("verify") == 0
    capsys.readouterr()
    assert run("verify far-unet") == 1
    assert "carseg download far-unet" in capsys.readouterr().err
    path.write_bytes(b"half")
    assert run("verify") == 1
    out, err = capsys.readouterr()
    assert out.startswith("broken  blocks")
    assert str(path) in err


def test_hub_mirror(capsys):
    assert run("hub mirror mine blocks") == 0
    assert Path(capsys.readouterr().out.strip()) == Path("mine/blocks/model.safetensors")
    assert run("info mine/blocks") == 0


def test_data_check_and_convert(capsys):
    index_folder(Path("data"), ["a", "b", "c"])
    Path("data/classes.txt").write_text("background\nleft_door\nwheel\n")
    assert run("data check data") == 0
    out = capsys.readouterr().out
    assert "3 images" in out
    assert "flips" in out  # left_door has no counterpart
    assert "every image and label can be read" in out and "no problems" not in out
    assert run("data convert data --out coco --to coco --map left_door=door") == 0
    assert run("data check coco") == 0
    assert "no problems" in capsys.readouterr().out
    Path("coco/images/b.png").write_bytes(b"broken")
    assert run("data check coco --format json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["labels"]["classes"] == ["background", "door", "wheel"]
    assert [problem["name"] for problem in document["problems"]] == ["b"]
    assert run("data convert coco --out png") == 1
    assert run("data convert coco --out png --skip-bad") == 0
    out, err = capsys.readouterr()
    assert "2 images" in out
    assert "left out b" in err
    assert run("data check nosuch") == 2
    assert "does not exist" in capsys.readouterr().err
    assert run("data check data --map left_dor=door") == 2
    assert "did you mean left_door" in capsys.readouterr().err


def test_data_is_read_in_the_format_that_is_named(capsys):
    index_folder(Path("data"), ["a", "b"])
    assert run("data convert data --out both --to coco") == 0
    index_folder(Path("both"), ["a", "b"])  # the label images too
    capsys.readouterr()
    assert run("data check both") == 0
    assert "format coco (could be masks), label set" in capsys.readouterr().out
    for name, others in (("coco", []), ("masks", []), ("auto", ["masks"])):
        assert run(f"data check both --data-format {name} --format json") == 0
        document = json.loads(capsys.readouterr().out)
        assert document["format"] == ("coco" if name == "auto" else name)
        assert document["other_formats"] == others
    Path("both/masks/b.png").unlink()
    assert run("data convert both --out png --data-format masks") == 1
    assert "b.png has no label" in capsys.readouterr().err
    assert run("data check both --data-format mask") == 2
    assert "did you mean masks" in capsys.readouterr().err
    assert run("data convert both --out voc --data-format voc") == 1
    assert "it looks like coco or masks" in capsys.readouterr().err


def test_images_without_a_label_and_lines_are_read_as_the_options_say(capsys):
    write_labelme(Path("data/a.json"), "a.png")
    note = json.loads(Path("data/a.json").read_text())
    note["shapes"].append({"label": "scratch", "points": [[2, 2], [30, 2]], "shape_type": "line"})
    Path("data/a.json").write_text(json.dumps(note))
    for i, name in enumerate("ab"):
        save(Path(f"data/{name}.png"), draw_image(draw_mask(i)))
    assert run("data check data") == 1
    assert "--background-images" in (out := capsys.readouterr().out) and "--line-width" in out
    assert run("data check data --background-images --line-width 2") == 0
    assert run("data convert data --out png --background-images --line-width 0") == 0
    assert ": 2 images, 3 classes" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["export blocks", "benchmark --model blocks"])
@pytest.mark.parametrize("option", ["--background-images", "--line-width 0"])
def test_how_data_is_read_is_no_option_without_data(capsys, command, option):
    assert run(f"{command} {option}") == 2
    assert option.split()[0].strip("-").replace("-", "_") in capsys.readouterr().err.replace("-", "_")


def test_the_help_names_every_format_of_the_data(capsys):
    for command in ("data check", "data convert", "benchmark", "finetune"):
        assert run(f"{command} --help") == 0
        words = set(re.findall(r"\w+", capsys.readouterr().out))
        assert words >= {form.NAME for form in FORMATS}


def test_finetune_gives_a_model_that_every_command_takes(capsys):
    index_folder(Path("data"), [f"p{i}" for i in range(6)])
    Path("data/classes.txt").write_text("background\ndoor\nwheel\n")
    settings = "--size 32x48 --batch-size 2 --epochs 1 --device cpu --lr 0.01 --freeze bn"
    assert run(f"finetune blocks data --out run {settings}") == 0
    out, err = capsys.readouterr()
    assert out == f"{Path('run/best')}\n"
    assert "--model run/best" in err
    assert carseg.info("run/best").input.size == (32, 48)
    photo(Path("img.png"))
    assert run("predict img.png --model run/best") == 0
    assert run(f"finetune blocks data --out run {settings}") == 2
    assert "resume" in capsys.readouterr().err
    assert run("finetune blocks data --out run --resume") == 0
    assert run("finetune blocks data --out new --size 32,48") == 2
    assert run("finetune blocks data --out new --loss dise") == 2
    assert "did you mean dice" in capsys.readouterr().err


def test_finetune_names_what_it_leaves_out(capsys):
    index_folder(Path("data"), [f"p{i}" for i in range(6)])
    Path("data/images/p3.png").write_bytes(b"broken")
    settings = "--size 32 --batch-size 2 --epochs 1 --device cpu"
    assert run(f"finetune blocks data --out run {settings}") == 1
    assert "p3" in capsys.readouterr().err
    with pytest.warns(UserWarning, match="p3"):
        assert run(f"finetune blocks data --out other {settings} --skip-bad") == 0


def test_benchmark(capsys, tmp_path):
    # Measured in a process of its own, which has the networks of the zoo only.
    info = replace(write_model(tmp_path / "hub", "small"), architecture="lraspp-mobilenetv2")
    save_model(tmp_path / "hub" / "small", create_model(info.architecture, len(LABELS)), info)
    command = "benchmark --model small --seconds 0.05 --device cpu --runtime torch --out runs"
    assert run(f"{command} --format json") == 0
    [row] = map(json.loads, capsys.readouterr().out.splitlines())
    assert row["model"] == "small"
    assert row["ms_p50"] > 0
    assert Path("runs/report.html").exists()
    assert run(f"{command} --compare runs/results.jsonl") == 0
    assert "ms_p50" in capsys.readouterr().out
    Path("others.jsonl").write_text(json.dumps(row | {"model": "other"}))
    assert run(f"{command} --compare others.jsonl") == 0
    assert "others.jsonl has no figure of the same model" in capsys.readouterr().err
    assert run(f"{command} --fail-under images_per_s=1000000") == 1
    out, err = capsys.readouterr()
    assert "small" in out
    assert "below 1e+06" in err
    assert run(f"{command} --fail-under miuo=1") == 2
    assert run("benchmark --model smal") == 2
    assert "did you mean small?" in capsys.readouterr().err


def test_a_table_is_aligned():
    text = table(("name", "n"), [("a", "1"), ("längst\x1b", "100")], "<>")
    assert text.splitlines() == ["name          n", "a             1", "längst\\x1b  100"]


def test_lengths_of_time():
    assert [short(seconds) for seconds in (0.2, 59.4, 250, 3900)] == ["0s", "59s", "4m10s", "1h05m"]


def test_a_bar_is_drawn_on_a_terminal_only(capsys, monkeypatch):
    with ProgressBar("quiet") as bar:
        bar.count(1, 2)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with ProgressBar("loud") as bar:
        bar.count(1, 2)
    err = capsys.readouterr().err
    assert "50%" in err
    assert "1/2" in err
    assert err.endswith("\x1b[1A\x1b[2K")  # wiped


def test_random_weights_are_distinguished_from_models(capsys):
    torch.manual_seed(0)
    index_folder(Path("data"), ["a", "b"])
    settings = "--size 32 --batch-size 2 --epochs 1 --device cpu --val-fraction 0"
    assert run(f"finetune nearest-color data --out run {settings}") == 0
    assert run(f"finetune nearest-colour data --out run2 {settings}") == 2
