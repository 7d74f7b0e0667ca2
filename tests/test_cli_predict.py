"""``carseg predict`` as a user meets it: what is printed, what is written, what wrong usage is answered with."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from color_hub import photo, write_model
from predicting import predict, read, written

pytestmark = pytest.mark.usefixtures("blocks_hub")


def test_mask_overlay_and_a_table_of_parts(capsys):
    photo(Path("img.png"))
    assert predict("img.png") == 0
    assert written() == ["img.mask.png", "img.overlay.png"]
    mask = read("carseg-out/img.mask.png")
    assert mask.shape == (64, 96)
    assert np.unique(mask).tolist() == [0, 1, 3]
    assert mask[:, 10].tolist() == [1] * 64
    out, err = capsys.readouterr()
    title, head, first, second, *_ = out.splitlines()
    assert title == "img.png  96 x 64"
    assert head.split() == ["part", "share", "pixels", "score", "x", "y", "width", "height"]
    assert {first.split()[0], second.split()[0]} == {"left_door", "wheel"}
    assert first.index("33") == second.index("33")  # aligned
    assert "1 of 1 done" in err
    assert "\r" not in err  # no bar where stderr is no terminal


def test_json_is_one_document_a_line_and_nothing_else(capsys):
    for name in ("b.png", "a.jpg", "sub/ü x.png"):
        photo(Path("in") / name)
    assert predict("in", "--format", "json", "--save", "mask,overlay,cutout,json") == 0
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [document["source"] for document in documents] == ["in/a.jpg", "in/b.png", "in/sub/ü x.png"]
    assert {part["name"] for part in documents[0]["parts"]} == {"left_door", "wheel"}
    assert documents[2]["files"]["cutout"] == "carseg-out/sub/ü x.cutout.png"
    assert len(written()) == 12
    assert json.loads(Path("carseg-out/sub/ü x.json").read_text("utf-8"))["width"] == 96


def test_nothing_is_written_when_nothing_is_to_be_saved(capsys):
    photo(Path("img.png"))
    assert predict("img.png", "--save", "") == 0
    assert not Path("carseg-out").exists()
    assert "left_door" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nosuch.jpg"], "nosuch.jpg: no such file"),
        (["empty"], "holds no images"),
        (["*.jpg"], "matches no file"),
        (["img.png", "--save", "mesk"], "mask, overlay, cutout, json"),
        (["img.png", "--model", "block"], "did you mean blocks"),
        (["img.png", "--device", "gpu"], "gpu"),
        (["img.png", "--runtime", "torhc"], "did you mean torch"),
        (["img.png", "--tile", "3"], "tile"),
        (["img.png", "--threshold", "7"], "threshold"),
        (["img.png", "--batch-size", "0"], "batch_size"),
        (["img.png", "--hub", "nowhere"], "nowhere"),
        (["img.png", "--weights", "nowhere"], "nowhere"),
        (["img.png", "--out", "img.png"], "img.png"),
        (["img.png", "--treshold", "0.5"], "--threshold"),
        ([], "IMAGE"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(capsys, arguments, message):
    Path("empty").mkdir()
    photo(Path("img.png"))
    assert predict(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("carseg: error: ")
    assert message in err
    assert err.count("\n") == 1
    assert not Path("carseg-out").exists()


def test_json_for_programs_that_read_another_encoding(capsys):
    photo(Path("ü🚗.png"))
    assert predict("ü🚗.png", "--format", "json", "--save", "") == 0
    printed = capsys.readouterr().out
    assert printed.isascii() and json.loads(printed)["source"] == "ü🚗.png"


def test_the_licence_is_shown_once(capsys):
    photo(Path("img.png"))
    write_model(Path(os.environ["CARSEG_HUB"]), commercial_use="no")
    assert predict("img.png") == 0
    assert "not for commercial use (drawn by hand)" in capsys.readouterr().err
    assert predict("img.png") == 0
    assert "commercial" not in capsys.readouterr().err


def test_the_largest_part_comes_first_and_no_part_is_said(capsys):
    image = Image.new("RGB", (96, 64), (0, 0, 255))
    image.paste((255, 0, 0), (0, 0, 32, 64))
    image.save("img.png")
    assert predict("img.png", "--save", "") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:4]] == ["wheel", "left_door"]
    Image.new("RGB", (96, 64)).save("black.png")
    assert predict("black.png", "--save", "") == 0
    assert "nothing found" in capsys.readouterr().out


def test_kinds_may_be_set_apart_by_blanks():
    photo(Path("img.png"))
    assert predict("img.png", "--save", "mask, json,") == 0
    assert written() == ["img.json", "img.mask.png"]


def test_threads_are_those_asked_for():
    photo(Path("img.png"))
    before = torch.get_num_threads()
    try:
        assert predict("img.png", "--threads", before + 1, "--runtime", "torch") == 0
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
