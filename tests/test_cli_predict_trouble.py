"""``carseg predict`` where images, weights, disks or streams are bad, and where it is interrupted."""

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
from PIL import Image

from carseg.inference.segmenter import Segmenter

from color_hub import blocks, photo
from predicting import predict, read, written

pytestmark = pytest.mark.usefixtures("blocks_hub")


def bomb(side: int) -> bytes:
    """Return a PNG that claims side x side pixels."""
    chunks = {b"IHDR": struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0), b"IDAT": b"", b"IEND": b""}
    sealed = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks.items())
    return b"\x89PNG\r\n\x1a\n" + b"".join(sealed)


def put_good_images(folder: Path) -> dict[str, tuple[int, int]]:
    """Write images of every kind and return the size of each as it is seen."""
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
    return good | dict.fromkeys((*modes, "deep.png", "moving.gif", "deeper.TIFF", "named.jpg/inside.png"), (96, 64))


def put_bad_images(folder: Path) -> list[str]:
    """Write what is called like an image and is none, beside ``plain.jpg``, and return the names."""
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
    named = [*bad, "bomb.png"]
    if hasattr(os, "mkfifo"):  # where there are such files
        (folder / "link.jpg").symlink_to("nowhere.jpg")
        (folder / "loop.jpg").symlink_to("loop.jpg")
        os.mkfifo(folder / "pipe.jpg")
        with socket.socket(socket.AF_UNIX) as channel:
            channel.bind(str(folder / "socket.jpg"))
        named += ["link.jpg", "loop.jpg", "pipe.jpg", "socket.jpg"]
    return named


def test_a_hostile_folder(capsys):
    folder = Path("in")
    good, bad = put_good_images(folder), put_bad_images(folder)
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


def test_where_nothing_can_be_written_one_sentence_says_so(capsys, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    for i in range(5):
        photo(Path(f"in/{i}.png"))
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert predict("in") == 1
    err = capsys.readouterr().err
    assert err.count("Permission denied") == err.count("\n") == 1


def test_interrupted(capsys, monkeypatch):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    photo(Path("img.png"))
    monkeypatch.setattr(Segmenter, "preprocess", interrupt)
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
