"""``carseg predict --skip-existing``: a run goes on where it ended; what is not as it would be made is made anew."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import carseg
from carseg.hub.manifest import ROOT

from color_hub import photo, write_model
from predicting import predict, read, written

pytestmark = pytest.mark.usefixtures("blocks_hub")

ALL = ("--save", "mask,overlay,cutout,json")


def again(*arguments: str) -> list[str]:
    """Run with --skip-existing; return the names of the files that were written."""
    before = {name: Path("carseg-out", name).stat().st_mtime_ns for name in written()}
    assert predict("in", *ALL, "--skip-existing", *arguments) == 0
    return [name for name in written() if before.get(name) != Path("carseg-out", name).stat().st_mtime_ns]


def files_of(*stems: str) -> list[str]:
    return sorted(stem + suffix for stem in stems for suffix in (".mask.png", ".overlay.png", ".cutout.png", ".json"))


@pytest.fixture
def done(blocks_hub: Path) -> None:
    """Predict two images with all kinds of files."""
    for name in ("a", "sub/b"):
        photo(Path(f"in/{name}.png"))
    assert predict("in", *ALL) == 0


@pytest.mark.usefixtures("done")
def test_what_is_there_is_left_out(capsys):
    capsys.readouterr()
    assert again("--format", "json") == []
    captured = capsys.readouterr()
    assert captured.out == "" and "2 images have their files in carseg-out and are left out" in captured.err
    assert again("--save", "mask") == []
    photo(Path("in/c.png"))
    assert again() == files_of("c")
    os.utime("in/a.png")
    assert again() == []  # its content is what counts


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no signals between processes here")
def test_a_killed_run_goes_on_where_it_ended(monkeypatch, capsys):
    for number in range(6):
        photo(Path(f"in/{number}.png"), 96 + number)
    assert predict("in", *ALL, "--out", "whole") == 0
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(Path(__file__).parent), str(ROOT))))
    program = (
        "import color_hub, os, signal; from carseg.cli import entry; replace, count = os.replace, iter(range(99))\n"
        "def stop(*paths): next(count) == 13 and os.kill(os.getpid(), signal.SIGKILL); replace(*paths)\n"
        "os.replace = stop; entry()"
    )
    killed = subprocess.run([sys.executable, "-c", program, "predict", "in", "--model", "blocks", *ALL])
    assert killed.returncode == -signal.SIGKILL
    whole = {stem for stem in map(str, range(6)) if {*files_of(stem)} <= {*written()}}
    assert 2 <= len(whole) < 6
    capsys.readouterr()
    assert predict("in", *ALL, "--skip-existing", "--format", "json") == 0
    sources = [json.loads(line)["source"] for line in capsys.readouterr().out.splitlines()]
    assert sources == [f"in/{number}.png" for number in range(6) if str(number) not in whole]
    assert {name: Path("carseg-out", name).read_bytes() for name in written()} == {
        name: Path("whole", name).read_bytes() for name in written("whole")
    }


@pytest.mark.usefixtures("done")
@pytest.mark.parametrize("harm", ["deleted", "cut", "empty", "another's", "damaged"])
def test_a_file_that_is_missing_or_not_whole_is_made_anew(harm):
    photo(Path("in/sub/b.png"), 50)
    assert again() == files_of("sub/b")
    for name in files_of("a"):
        if (harm, name) == ("damaged", "a.json"):  # a letter that is another cannot be told
            continue
        file = Path("carseg-out", name)
        content = file.read_bytes()
        harmed = {
            "cut": content[: len(content) // 2],
            "empty": b"",
            "another's": Path("carseg-out/sub", name.replace("a", "b", 1)).read_bytes(),
            "damaged": content[:-20] + bytes([content[-20] ^ 1]) + content[-19:],
        }
        file.unlink()
        if harm != "deleted":
            file.write_bytes(harmed[harm])
        assert again() == files_of("a")
        assert file.read_bytes() == content


@pytest.mark.usefixtures("done")
def test_a_folder_in_the_place_of_a_file_is_said(capsys):
    Path("carseg-out/a.json").unlink()
    Path("carseg-out/a.json").mkdir()
    assert predict("in", *ALL, "--skip-existing") == 1
    assert "a.json: Is a directory" in capsys.readouterr().err


@pytest.mark.usefixtures("done")
def test_another_image_is_made_anew():
    photo(Path("in/a.png"), 48)
    os.utime("in/a.png", (0, 0))
    assert again() == files_of("a")
    assert read("carseg-out/a.mask.png").shape == (64, 48)


@pytest.mark.usefixtures("done")
@pytest.mark.parametrize("option", [["--threshold", "0.9"], ["--tile", "32"], ["--precision", "bfloat16"]])
def test_other_settings_are_made_anew(option):
    assert again(*option) == files_of("a", "sub/b")
    assert again(*option) == []


@pytest.mark.usefixtures("done")
def test_another_model_is_made_anew():
    hub = Path(os.environ["CARSEG_HUB"])
    write_model(hub, "other")
    assert again("--model", "other") == files_of("a", "sub/b")
    assert json.loads(Path("carseg-out/a.json").read_bytes())["model"] == "other"
    assert again("--weights", str(hub / "blocks")) == files_of("a", "sub/b")


@pytest.mark.usefixtures("done")
def test_results_that_do_not_say_what_they_were_made_from_are_made_anew():
    carseg.load("blocks").predict("in/a.png").save("carseg-out", ("mask", "overlay", "cutout", "json"), "a")
    assert again() == files_of("a")


@pytest.mark.usefixtures("done")
def test_more_kinds_of_files_are_made_and_said():
    Path("carseg-out/a.cutout.png").unlink()
    assert predict("in", "--save", "mask", "--skip-existing") == 0
    assert "a.cutout.png" not in written()
    assert again() == files_of("a")


@pytest.mark.usefixtures("done")
def test_the_files_are_what_they_were():
    with Image.open("carseg-out/a.mask.png") as mask:
        assert mask.mode == "P" and np.unique(mask).tolist() == [0, 1, 3]
    assert list(json.loads(Path("carseg-out/a.json").read_bytes()))[:2] == ["source", "schema"]


@pytest.mark.usefixtures("done")
def test_it_needs_files_to_go_by(capsys):
    assert predict("in", "--save", "", "--skip-existing") == 2
    assert "--save" in capsys.readouterr().err


@pytest.mark.parametrize("skipped", [True, False])
def test_results_that_were_deleted_meanwhile_are_said(monkeypatch, capsys, skipped):
    for number in range(3):
        photo(Path(f"in/{number}.png"))
    if skipped:
        assert predict("in/0.png", "--save", "mask") == 0
    save = carseg.Result.save

    def delete(result: carseg.Result, directory: Path, *arguments: object, **named: object) -> dict[str, Path]:
        paths = save(result, directory, *arguments, **named)
        if result.source.endswith("2.png"):
            shutil.rmtree("carseg-out")
        return paths

    monkeypatch.setattr(carseg.Result, "save", delete)
    capsys.readouterr()
    assert predict("in", "--save", "mask", "--skip-existing") == 1
    err = capsys.readouterr().err
    # One that was just being written is a failure of its own.
    assert re.search(
        r"results were deleted from carseg-out while the command ran \(images: [123]; in/\d\.png for one\)", err
    )
    monkeypatch.setattr(carseg.Result, "save", save)
    assert predict("in", "--save", "mask", "--skip-existing") == 0
    assert written() == ["0.mask.png", "1.mask.png", "2.mask.png"]


def test_an_address_stands_for_its_image(server, capsys):
    server.files["/img.png"] = photo(Path("img.png")).read_bytes()
    for _ in range(2):
        assert predict(f"{server.url}/img.png", "--save", "mask", "--skip-existing") == 0
        assert len(server.starts("/img.png")) == 1


def test_overlays_of_photographs_are_found_again_and_are_no_images(capsys):
    photo(Path("in/a.jpg"))
    assert predict("in", "--save", "overlay") == 0
    assert written() == ["a.overlay.jpg"]
    shutil.copy("carseg-out/a.overlay.jpg", "in")
    capsys.readouterr()
    assert predict("in", "--save", "overlay", "--skip-existing") == 0
    assert "1 images have their files in carseg-out and are left out" in capsys.readouterr().err
    assert written() == ["a.overlay.jpg"]
