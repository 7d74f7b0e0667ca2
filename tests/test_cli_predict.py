"""``carseg predict`` as a user meets it: what is printed, what is written where, how it ends."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from carseg.cli import process
from carseg.cli.main import main
from carseg.inference.segmenter import Segmenter

from color_hub import blocks, photo, write_model


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Work in an empty folder, with a hub that has the model ``blocks``."""
    hub = tmp_path_factory.mktemp("hub")
    write_model(hub)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARSEG_HUB", str(hub))
    monkeypatch.setenv("CARSEG_CACHE", str(hub / "cache"))
    monkeypatch.setattr(process, "prepare", lambda: None)  # settings of this process are the test runner's
    return tmp_path


def predict(*arguments: str | Path) -> int:
    return main(["predict", "--model", "blocks", *map(str, arguments)])


def read(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def bomb(side: int) -> bytes:
    """Return a PNG that claims side x side pixels."""
    chunks = {b"IHDR": struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0), b"IDAT": b"", b"IEND": b""}
    sealed = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks.items())
    return b"\x89PNG\r\n\x1a\n" + b"".join(sealed)


def written(folder: str = "carseg-out") -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


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


def test_inputs_that_differ_in_the_extension_keep_it():
    for name in ("img.jpg", "img.png", "img.jpg.png", "other.png"):
        photo(Path("in") / name)
    assert predict("in", "--save", "mask") == 0
    assert written() == ["img.jpg.mask.png", "img.jpg.png.mask.png", "img.png.mask.png", "other.mask.png"]


def test_folders_that_collide_are_told_apart_by_their_names():
    for name in ("x/front/img.png", "y/front/img.png", "y/front/deep/two.png"):
        photo(Path(name))
    assert predict("x/front", "y/front", "--save", "mask") == 0
    assert written() == ["x/front/img.mask.png", "y/front/deep/two.mask.png", "y/front/img.mask.png"]
    assert predict("x/front/img.png", "y/front/deep", "--save", "mask", "--out", "flat") == 0
    assert written("flat") == ["img.mask.png", "two.mask.png"]


def test_an_image_that_is_given_twice_is_done_once(capsys):
    photo(Path("in/img.png"))
    assert predict("in", "in/img.png", "./in", "in/*.png", "--format", "json") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_results_of_earlier_runs_are_no_inputs(capsys):
    photo(Path("img.png"))
    photo(Path("sub/img.png"))
    for out in ("once", "once", "again"):
        assert predict(".", "--format", "json", "--out", out) == 0
        assert len(capsys.readouterr().out.splitlines()) == 2
    assert predict("**/*.png", "--format", "json") == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_the_same_command_again_is_given_its_own_results(capsys):
    photo(Path("img.png"))
    for _ in range(2):
        assert predict(*sorted(Path().iterdir()), "--save", "json") == 0
        assert "1 of 1 done" in capsys.readouterr().err
    assert predict("carseg-out") == 2


def test_results_may_go_above_the_images(capsys):
    photo(Path("in/sub/img.png"))
    for _ in range(2):
        assert predict("in/sub", "--out", "in", "--save", "mask") == 0
    assert written("in") == ["img.mask.png", "sub/img.png"]


def test_results_do_not_go_among_the_images(capsys):
    photo(Path("in/img.png"))
    assert predict("in", "--out", "in") == 2
    assert "choose another" in capsys.readouterr().err
    assert [path.name for path in Path("in").iterdir()] == ["img.png"]


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


def test_addresses(capsys, server):
    server.files["/cars/img.png"] = photo(Path("img.png")).read_bytes()
    good, bad = f"{server.url}/cars/img.png", f"{server.url}/cars/none.png"
    assert predict(good, bad, "--format", "json", "--save", "mask") == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["source"] == good
    assert err.count(bad) == 1
    assert written() == ["img.mask.png"]


def test_what_is_no_address_is_named_and_the_rest_done(capsys):
    photo(Path("img.png"))
    bad = ["http://a..b/x.png", "http://[bad", ""]
    assert predict("img.png", *bad, "--save", "mask") == 1
    err = capsys.readouterr().err
    assert all(address in err for address in bad) and "Traceback" not in err
    assert written() == ["img.mask.png"]


def test_the_query_of_an_address_is_no_part_of_a_name(server):
    signed, *views = (f"/img.png?{query}" for query in (f"signature={'s.' * 200}", "view=1", "view=2"))
    server.files |= dict.fromkeys((signed, *views), photo(Path("img.png")).read_bytes())
    assert predict(server.url + signed, "--save", "mask") == 0
    assert written() == ["img.mask.png"]
    assert predict(*(server.url + view for view in views), "--save", "mask", "--out", "both") == 0
    assert len(written("both")) == 2 and all(name.startswith("img-") for name in written("both"))


def test_addresses_that_look_alike_write_files_of_their_own(server):
    images = [f"/d/a{sign}b.png" for sign in ("%20", "+", "%28")]
    server.files |= dict.fromkeys(images, photo(Path("img.png")).read_bytes())
    assert predict(*(server.url + image for image in images), "--save", "mask") == 0
    assert len(written()) == 3


def test_a_file_may_be_called_like_a_home():
    photo(Path("~tmp.png"))
    assert predict("~tmp.png", "--save", "mask") == 0
    assert written() == ["~tmp.mask.png"]


def test_names_differ_by_more_than_their_case():  # which macOS and Windows do not tell apart
    photo(Path("A/cars/IMG.png"))
    photo(Path("A/cars/img.jpg"))
    photo(Path("b/Cars/img.webp"))
    assert predict("A/cars", "b/Cars", "--save", "mask") == 0
    names = [name.casefold() for name in written()]
    assert len(names) == len({*names}) == 3


def test_what_carseg_did_not_write_is_not_overwritten(capsys):
    photo(Path("a.png"))
    photo(Path("a.cutout.png"))
    Path("a.json").write_text('{"version": "5.0", "shapes": []}')  # labelme's
    assert predict("a.png", "--out", ".", "--save", "json") == 2
    assert "a.json is there and is none of carseg's results" in capsys.readouterr().err
    assert Path("a.json").read_text().startswith('{"version"')
    assert predict("a.png", "a.cutout.png", "--out", ".", "--save", "cutout") == 2
    assert "a.cutout.png is one of the images" in capsys.readouterr().err
    for _ in range(2):  # what it wrote itself it may
        assert predict("a.png", "--save", "json") == 0


def test_file_names_that_are_no_text(capsys):
    name = os.fsdecode(b"caf\xe9\x1b[31m.png")
    try:
        photo(Path(name))
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    assert predict(name, "--save", "json") == 0
    assert capsys.readouterr().out.startswith("caf\\udce9\\x1b[31m.png")
    assert json.loads(Path("carseg-out", name).with_suffix(".json").read_bytes())["source"] == name


def test_what_is_missing_is_named_and_the_rest_done(capsys):
    photo(Path("img.png"))
    Path("empty").mkdir()
    assert predict("nosuch.jpg", "img.png", "empty", "--format", "json") == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert err.count("nosuch.jpg") == err.count("empty") == 1
    assert "1 of 3 done" in err


def test_a_damaged_weights_file_is_one_line_and_status_1(capsys):
    photo(Path("img.png"))
    Path(os.environ["CARSEG_HUB"], "blocks", "model.safetensors").write_bytes(b"half")
    assert predict("img.png") == 1
    assert capsys.readouterr().err.count("\n") == 1
    Path("old.pth").write_bytes(b"")
    assert predict("img.png", "--weights", "old.pth") == 1
    err = capsys.readouterr().err
    assert "pickle" in err
    assert "convert" in err


def test_a_full_disk_ends_with_one_sentence(capsys, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for i in range(20):
        photo(Path(f"in/{i}.png"))
    monkeypatch.setattr(Image.Image, "save", full)
    assert predict("in") == 1
    out, err = capsys.readouterr()
    assert err.count("No space left on device") == err.count("\n") == 1
    assert out == ""
    assert written() == []


def test_one_closed_folder_costs_its_own_images_only(capsys, monkeypatch):
    for name in ("a", "closed/b", "c"):
        photo(Path(f"in/{name}.png"))
    make = Path.mkdir

    def refuse(path: Path, *arguments: object, **keywords: object) -> None:
        if path.name == "closed":
            raise PermissionError(errno.EACCES, "Permission denied")
        make(path, *arguments, **keywords)

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert predict("in", "--save", "mask") == 1
    assert written() == ["a.mask.png", "c.mask.png"]
    assert "2 of 3 done" in capsys.readouterr().err


def test_interrupted(capsys, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    photo(Path("img.png"))
    monkeypatch.setattr(Segmenter, "_prepare", interrupt)
    assert predict("img.png") == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="no such shell here")
@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_closed_stream_stops_nothing(monkeypatch, closed):
    photo(Path("img.png"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    program = "import color_hub; from carseg.cli import entry; entry()"
    command = f"'{sys.executable}' -c '{program}' predict img.png --model blocks --save mask {closed}"
    ended = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert (ended.returncode, written()) == (0, ["img.mask.png"])
    assert "Traceback" not in ended.stdout + ended.stderr


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no signals between processes here")
def test_asked_to_end_it_leaves_no_half_of_a_file(monkeypatch):
    for i in range(200):
        photo(Path(f"in/{i}.png"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    program = "import color_hub; from carseg.cli import entry; entry()"
    arguments = ["predict", "in", "--model", "blocks"]
    running = subprocess.Popen([sys.executable, "-c", program, *arguments], stderr=subprocess.PIPE, text=True)
    while not Path("carseg-out").exists() and running.poll() is None:
        time.sleep(0.01)
    running.terminate()
    errors = running.communicate()[1]
    assert "interrupted" in errors and "Traceback" not in errors
    assert running.returncode == 130
    assert len(written()) < 400
    assert not [name for name in written() if name.endswith(".part")]


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


def test_a_hostile_folder(capsys):
    folder = Path("in")
    good = {
        "plain.jpg": (96, 64),
        "rotated.jpg": (64, 96),
        "with space ü.png": (96, 64),
        "one.png": (1, 1),
        "line.png": (1, 3000),
    }
    image = blocks()
    photo(folder / "plain.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(folder / "rotated.jpg", exif=exif)
    photo(folder / "with space ü.png")
    photo(folder / "one.png", 1, 1)
    photo(folder / "line.png", 1, 3000)
    modes = {
        "cmyk.jpg": "CMYK",
        "grey.png": "L",
        "bits.png": "1",
        "palette.gif": "P",
        "alpha.png": "RGBA",
        "la.png": "LA",
    }
    for name, mode in modes.items():
        image.convert(mode).save(folder / name)
    Image.fromarray(np.asarray(image)[:, :, 0].astype(np.uint16) * 257).save(folder / "deep.png")
    image.save(folder / "moving.gif", save_all=True, append_images=[Image.new("RGB", image.size)])
    image.save(folder / "deeper.TIFF")
    (folder / "named.jpg").mkdir()
    photo(folder / "named.jpg" / "inside.png")
    good |= dict.fromkeys((*modes, "deep.png", "moving.gif", "deeper.TIFF", "named.jpg/inside.png"), (96, 64))

    whole = (folder / "plain.jpg").read_bytes()
    bad = {
        "empty.jpg": b"",
        "text.png": b"no image at all",
        "cut.jpg": whole[: len(whole) // 2],
        "head.png": b"\x89PNG\r\n\x1a\n",
    }
    for name, content in bad.items():
        (folder / name).write_bytes(content)
    (folder / "bomb.png").write_bytes(bomb(30000))
    (folder / "link.jpg").symlink_to("nowhere.jpg")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(folder / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as channel:
        channel.bind(str(folder / "socket.jpg"))
    bad = [*bad, "bomb.png", "link.jpg", "loop.jpg", "pipe.jpg", "socket.jpg"]
    (folder / "notes.txt").write_text("neither good nor bad")
    (folder / ".hidden.jpg").write_bytes(b"")

    assert predict(folder, "--format", "json") == 1
    out, err = capsys.readouterr()
    documents = {json.loads(line)["source"]: json.loads(line) for line in out.splitlines()}
    assert sorted(documents) == sorted(f"in/{name}" for name in good)
    for name, size in good.items():
        document = documents[f"in/{name}"]
        assert (document["width"], document["height"]) == size
        assert read(document["files"]["mask"]).shape[::-1] == size
    for name in bad:
        assert sum(f"in/{name}" in line for line in err.splitlines()) == 1, name
    assert err.count("carseg: error: ") == len(bad)
    assert f"{len(good)} of {len(good) + len(bad)} done" in err
    assert len(written()) == 2 * len(good)
    assert not [path for path in Path("carseg-out").rglob(".*")]


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


def test_where_nothing_can_be_written_one_sentence_says_so(capsys, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    for i in range(5):
        photo(Path(f"in/{i}.png"))
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert predict("in") == 1
    err = capsys.readouterr().err
    assert err.count("Permission denied") == err.count("\n") == 1
