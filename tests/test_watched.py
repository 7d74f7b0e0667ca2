"""What no command does: call Ghostscript for a file with a lying name, or open a socket that it was not asked to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer.main

from carseg.cli.commands import app

from benchmark_hub import write_hub
from drawn_data import draw_image, draw_mask, save
from watched import watched

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
NOWHERE = "http://127.0.0.1:9/hub"


def all_commands() -> set[str]:
    def below(command: Any, name: str) -> set[str]:
        inner = getattr(command, "commands", {})
        return {each for key in inner for each in below(inner[key], f"{name} {key}".strip())} or {name}

    return below(typer.main.get_command(app), "")


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    """Return a hub, labelled images of which one is PostScript called .png, and folders for outputs."""
    write_hub(tmp_path / "hub")
    for number in range(4):
        mask = draw_mask(number)
        save(tmp_path / f"data/images/{number}.png", draw_image(mask))
        save(tmp_path / f"data/masks/{number}.png", mask)
    (tmp_path / "data/images/lying.png").write_bytes(POSTSCRIPT)
    save(tmp_path / "data/masks/lying.png", draw_mask(9))
    save(tmp_path / "data/images/label.png", draw_image(draw_mask(0)))
    (tmp_path / "data/masks/label.png").write_bytes(POSTSCRIPT)
    (tmp_path / "data/classes.txt").write_text("background\nleft_door\nright_door\n")
    (tmp_path / "watch").mkdir()
    return {name: str(tmp_path / name) for name in ("hub", "data", "watch", "out", "cache")}


def test_no_command_opens_a_socket_or_calls_ghostscript(places: dict[str, str]) -> None:
    pytest.importorskip("onnxscript", reason="pip install 'carseg[onnx]' for the export")
    data, out, images = places["data"], places["out"], f"{places['data']}/images"
    hub = ["--hub", places["hub"]]
    plain = ["--device", "cpu", "--runtime", "torch"]
    commands = {
        "predict": [images, "-m", "doors", *hub, *plain, "--save", "mask,overlay,cutout,json", "--out", f"{out}/p"],
        "batch": [images, f"{out}/r", "-m", "doors", *hub, *plain, "--workers", "1"],
        "cutout": [images, "-m", "doors", *hub, *plain, "--shadow", "--out", f"{out}/u"],
        "label": [images, "--to", "coco", "-m", "doors", *hub, *plain, "--out", f"{out}/l"],
        "report": [images, *plain, "--out", f"{out}/q"],
        "models": [],
        "info": ["doors", *hub],
        "download": ["doors", *hub],
        "verify": ["doors", *hub],
        "benchmark": ["-m", "doors", *hub, *plain, "--data", data, "--seconds", "0.01", "--out", f"{out}/b"],
        "finetune": ["doors", data, *hub, "--out", f"{out}/f", "--epochs", "1", "--skip-bad", "--device", "cpu"],
        "export": ["doors", *hub, "--pictures", images, "--out", f"{out}/e"],
        "serve": ["--help"],  # it listens, which is what it is for; tests/test_serving_load.py watches its requests
        "data check": [data],
        "data show": [data, "--out", f"{out}/s"],
        "data convert": [data, "--skip-bad", "--out", f"{out}/c"],
        "hub mirror": [f"{out}/m", "doors", *hub],
        "hub publish": [f"{out}/h", "--address", "no address"],
        "hub push": [f"{places['hub']}/doors", "no repository"],
    }
    assert {*commands} == all_commands()
    arguments = [[*name.split(), *rest] for name, rest in commands.items()]
    statuses, sockets, called = watched(Path(places["watch"]), arguments, CARSEG_CACHE=places["cache"])
    # A lying file is named.
    failed = {"predict": 1, "batch": 1, "cutout": 1, "label": 1, "report": 1, "benchmark": 1}
    failed |= {"data check": 1, "data show": 1, "hub publish": 2, "hub push": 2}
    assert dict(zip(commands, statuses, strict=True)) == {name: failed.get(name, 0) for name in commands}
    assert sockets == ""
    assert not called


def test_offline_no_command_opens_one_even_if_it_is_asked_to(places: dict[str, str]) -> None:
    data, out = places["data"], places["out"]
    hub = ["--hub", NOWHERE]
    commands = [
        ["predict", "http://127.0.0.1:9/car.jpg", "-m", "doors", "--hub", places["hub"], "--out", out],
        ["predict", f"{data}/images/0.png", "-m", "other", *hub, "--out", out],
        ["info", "other", *hub],
        ["download", "other", *hub],
        ["verify", "other", *hub],
        ["benchmark", "-m", "other", *hub, "--seconds", "0.01"],
        ["finetune", "other", data, *hub, "--out", out],
        ["finetune", "fpn-mobilenetv2", data, "--encoder", "imagenet", "--skip-bad", "--out", out, "--device", "cpu"],
        ["export", "other", *hub, "--out", out],
        ["hub", "mirror", f"{out}/m", "other", *hub],
        ["hub", "publish", "hf://org/repo"],
        ["hub", "push", f"{places['hub']}/doors", "hf://org/repo"],
        ["info", "hf://org/repo"],
    ]
    statuses, sockets, _ = watched(Path(places["watch"]), commands, CARSEG_CACHE=places["cache"], CARSEG_OFFLINE="1")
    assert all(status in (1, 2) for status in statuses), statuses
    assert sockets == ""
