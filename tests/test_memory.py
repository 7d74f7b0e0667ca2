"""Where there is not enough memory for an image a sentence names it, and the others are done."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import carseg
from carseg.errors import ImageError
from carseg.hub.manifest import ROOT
from carseg.inference.pipeline import Pipeline

from color_hub import photo
from modules import module
from predicting import predict, read, written

pytestmark = pytest.mark.usefixtures("blocks_hub")

LACKS = (
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
    RuntimeError("std::bad_alloc"),
)
POINTS = (
    ("images.decode", "to_rgb"),
    ("images.loaded", "resize"),
    ("runtimes.torch", "TorchRuntime.__call__"),
    ("inference.pipeline", "to_mask"),
    ("inference.result", "Result.to_dict"),
    ("inference.result", "draw.overlay"),
)


def fail_once(monkeypatch: pytest.MonkeyPatch, point: tuple[str, str], at: int, error: Exception) -> None:
    """Make a function fail the time ``at``, counted from 1."""
    owner: Any = module(point[0])
    *path, name = point[1].split(".")
    for step in path:
        owner = getattr(owner, step)
    function, calls = getattr(owner, name), iter(range(1, 1000))

    def failing(*arguments: Any, **keywords: Any) -> Any:
        if next(calls) == at:
            raise error
        return function(*arguments, **keywords)

    monkeypatch.setattr(owner, name, failing)


@pytest.mark.parametrize("error", LACKS, ids=str)
@pytest.mark.parametrize("point", POINTS, ids=lambda point: point[1])
def test_one_image_costs_itself_alone(monkeypatch, capsys, point, error):
    for name in "abc":
        photo(Path(f"in/{name}.png"))
    fail_once(monkeypatch, point, 2, error)
    assert predict("in", "--runtime", "torch") == 1
    out, err = capsys.readouterr()
    assert err.count("carseg: error: in/") == err.count("there is not enough memory") == 1 and "Traceback" not in err
    assert out.count("96 x 64") == 2 and "2 of 3 done" in err
    assert predict("in", "--runtime", "torch", "--skip-existing") == 0
    assert len(written()) == 6


@pytest.mark.parametrize("point", POINTS[:4], ids=lambda point: point[1])
@pytest.mark.parametrize("tile", [None, 32])
def test_in_python_too(monkeypatch, point, tile):
    photo(Path("a.png"))
    model = carseg.load("blocks", runtime="torch")
    fail_once(monkeypatch, point, 1, MemoryError())
    with pytest.raises(ImageError, match=r"a\.png: there is not enough memory"):
        model.predict("a.png", tile=tile)
    for answer in ("yield", "raise"):
        fail_once(monkeypatch, point, 1, MemoryError())
        stream = model.stream(["a.png"], on_error=answer, tile=tile)
        if answer == "raise":
            with pytest.raises(ImageError, match=r"a\.png: there is not enough memory"):
                next(stream)
        else:
            [error] = stream
            assert isinstance(error, ImageError) and error.source == "a.png"


def test_a_batch_that_does_not_fit_goes_through_one_by_one(monkeypatch):
    forward = Pipeline.forward

    def of_two(pipeline: Pipeline, batch: np.ndarray) -> np.ndarray:
        if len(batch) > 1:
            raise RuntimeError("CUDA out of memory")
        return forward(pipeline, batch)

    images = [np.asarray(photo_of(number)) for number in range(5)]
    with carseg.load("blocks", runtime="torch") as model:
        expected = [result.mask for result in model.stream(images)]
        monkeypatch.setattr(Pipeline, "forward", of_two)
        got = [result.mask for result in model.stream(images, batch_size=3)]
    assert all(map(np.array_equal, got, expected)) and len(got) == 5


def photo_of(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (40, 40, 3), np.uint8)


def test_the_pixels_of_broken_images_do_not_wait_for_the_garbage_collector():
    photo(Path("a.png"))
    Path("cut.png").write_bytes(Path("a.png").read_bytes()[:-60])
    with carseg.load("blocks", runtime="torch") as model:
        gc.collect()
        gc.disable()
        try:
            left = [weakref.ref(error) for error in model.stream(["cut.png"] * 3, on_error="yield")]
            assert [error() for error in left] == [None] * 3
        finally:
            gc.enable()


def test_what_is_wrong_with_a_network_is_no_lack_of_memory(monkeypatch):
    photo(Path("a.png"))
    fail_once(monkeypatch, POINTS[2], 1, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        carseg.load("blocks", runtime="torch").predict("a.png")


def test_elsewhere_it_ends_the_command_with_a_sentence(monkeypatch, capsys):
    photo(Path("a.png"))
    fail_once(monkeypatch, ("inference.segmenter", "start_runtime"), 1, MemoryError())
    assert predict("a.png") == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "there is not enough memory" in err


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no limit of the address space elsewhere")
@pytest.mark.parametrize("megabytes", [60, 500])
def test_under_a_limit_of_the_system_it_ends_with_sentences(monkeypatch, megabytes):
    """A hundred megapixels take 300 MB to be decoded, and once more as an array."""
    for name in ("a", "z"):
        photo(Path(f"in/{name}.png"))
    Image.new("RGB", (10_000, 10_000), "red").save("in/huge.png", compress_level=1)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(Path(__file__).parent), str(ROOT))))
    program = (
        "import resource, color_hub, carseg; carseg.load('blocks', runtime='torch').predict('in/a.png')\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        f"resource.setrlimit(resource.RLIMIT_AS, (used + {megabytes} * 2**20,) * 2)\n"
        "from carseg.cli import entry; entry()"
    )
    command = [sys.executable, "-c", program, "predict", "in", "--model", "blocks", "--save", "mask", "--threads", "1"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1 and "Traceback" not in ended.stderr, ended.stderr
    assert "carseg: error: " in ended.stderr and "there is not enough memory" in ended.stderr
    for name in written() if Path("carseg-out").exists() else ():  # an image that was small may have been unlucky
        assert read(f"carseg-out/{name}").shape == (64, 96)
    Path("in/huge.png").unlink()
    assert predict("in", "--save", "mask", "--skip-existing", "--runtime", "torch") == 0
    assert written() == ["a.mask.png", "z.mask.png"]
