"""``carseg cutout`` as a user calls it: what it prints, how it ends, which files are there."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import carseg
from carseg.cli.main import main
from carseg.hub.manifest import ROOT

from color_hub import photo, replace_weights
from documents import with_weights
from predicting import read, written

pytestmark = pytest.mark.usefixtures("blocks_hub")


def cutout(*arguments: str | Path) -> int:
    return main(["cutout", "--model", "blocks", *map(str, arguments)])


@pytest.fixture
def folder(blocks_hub: Path) -> None:
    for name in ("a.png", "sub/b.png"):
        photo(Path("in", name))


@pytest.mark.usefixtures("folder")
def test_a_set_in_one_framing(capsys):
    assert cutout("in", "--background", "#102030", "--shadow", "--margin", "8%", "--size", "192x108", "-f", "jpg") == 0
    assert written() == ["a.cutout.jpg", "sub/b.cutout.jpg"]
    captured = capsys.readouterr()
    assert captured.out.splitlines() == ["carseg-out/a.cutout.jpg", "carseg-out/sub/b.cutout.jpg"]
    assert "2 of 2 done" in captured.err
    pixels = read("carseg-out/a.cutout.jpg").astype(int)
    assert pixels.shape == (108, 192, 3)
    assert np.abs(pixels[:3, :3] - (0x10, 0x20, 0x30)).max() < 8


@pytest.mark.usefixtures("folder")
def test_it_is_the_picture_of_predict_and_of_python():
    assert cutout("in/a.png", "--out", "x") == 0
    assert main(["predict", "--model", "blocks", "in/a.png", "--save", "cutout", "--out", "y"]) == 0
    pixels = read("x/a.cutout.png")
    assert np.array_equal(pixels, read("y/a.cutout.png"))
    assert np.array_equal(pixels, np.asarray(carseg.load("blocks").predict("in/a.png").cutout()))


@pytest.mark.usefixtures("folder")
def test_an_image_without_a_car_is_named_and_the_others_are_done(capsys):
    Image.new("RGB", (60, 40)).save("in/empty.png")
    Path("in/broken.png").write_bytes(b"no image")
    assert cutout("in", "nowhere.png") == 1
    err = capsys.readouterr().err
    assert "in/empty.png: no car was found in it by blocks" in err
    assert "in/broken.png: not an image" in err and "nowhere.png: no such file" in err
    assert "2 of 5 done" in err
    assert written() == ["a.cutout.png", "sub/b.cutout.png"]
    assert cutout("in", "--car", "2") == 1
    assert "in/a.png: there is no car 2 to cut out, cars were found: 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "jpg"], "a jpg cannot be transparent"),
        (["--format", "tiff"], "one of png, jpg, webp"),
        (["--size", "big"], "such as 1920x1080"),
        (["--margin", "8"], "such as '8%'"),
        (["--background", "wall.png"], "'wall.png' is neither a colour nor an image file"),
        (["--glass", "tint"], "has no class for windows"),
        (["--glass", "remove"], "'keep' or 'tint'"),
        (["--car", "1", "--all"], "give only one"),
        (["--car", "first"], "Invalid value for '--car'"),
        (["--out", "in/a.cutout.png"], "is a file"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_wrong_usage_writes_nothing(arguments, message, capsys):
    photo(Path("in/a.cutout.png"))
    assert cutout("in/a.png", *arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err and captured.out == ""
    assert not Path("carseg-out").exists()


@pytest.mark.usefixtures("folder")
def test_an_image_is_not_overwritten(capsys):
    shutil.copy("in/a.png", "a.png")
    shutil.copy("in/a.png", "a.cutout.png")
    assert cutout("a.png", "a.cutout.png", "--out", ".") == 2
    assert "a.cutout.png is one of the images" in capsys.readouterr().err
    assert cutout("in", "--out", "in") == 2
    assert "is the folder of the images themselves" in capsys.readouterr().err


@pytest.mark.parametrize("format", ["png", "jpg", "webp"])
@pytest.mark.usefixtures("folder")
def test_what_is_there_and_made_alike_is_left_out(format, blocks_hub, capsys):
    photo(Path("wall.png"))
    words = ["--background", "wall.png", "--size", "96x64", "--format", format, "--skip-existing"]
    first = Path("carseg-out", f"a.cutout.{format}")

    def made(*more: str) -> int:
        capsys.readouterr()
        assert cutout("in", *words, *more) == 0
        return len(capsys.readouterr().out.splitlines())

    assert made() == 2
    assert made() == 0
    first.write_bytes(first.read_bytes()[:-40])
    assert made() == 1
    first.unlink()
    assert made() == 1
    photo(Path("in/a.png"), width=90)
    assert made() == 1
    assert made("--shadow") == 2
    assert made("--shadow", "--size", "97x64") == 2
    Image.new("RGB", (9, 9), "red").save("wall.png")
    assert made("--shadow", "--size", "97x64") == 2
    assert made("--shadow", "--size", "97x64") == 0


@pytest.mark.usefixtures("folder")
def test_pictures_are_no_input():
    for format in ("png", "jpg", "webp"):
        assert cutout("in", "--out", "in/out", "--background", "white", "--format", format) == 0
    assert len(written("in/out")) == 6


@pytest.mark.usefixtures("folder")
def test_other_weights_make_them_anew(blocks_hub, capsys, monkeypatch):
    import os

    assert cutout("in") == 0
    replace_weights(Path(os.environ["CARSEG_HUB"], "blocks"))
    capsys.readouterr()
    assert cutout("in", "--skip-existing") == 0
    assert "2 of 2 done" in capsys.readouterr().err


@with_weights
def test_by_itself_it_takes_a_model_of_whole_cars(capsys):
    assert main(["cutout", str(ROOT / "examples/car.jpg"), "--shadow"]) == 0
    assert "carvana" in capsys.readouterr().err
    alpha = read("carseg-out/car.cutout.png")[..., 3]
    assert 0.1 < (alpha == 255).mean() < 0.9
    assert alpha[0, 0] == 0


@pytest.mark.usefixtures("folder")
def test_predict_says_where_cut_outs_have_holes(capsys):
    assert main(["predict", "--model", "blocks", "in", "--save", "cutout"]) == 0
    assert "so cut-outs have holes: `carseg cutout`" in capsys.readouterr().err
    assert main(["predict", "--model", "blocks", "in", "--save", "mask"]) == 0
    assert "holes" not in capsys.readouterr().err
