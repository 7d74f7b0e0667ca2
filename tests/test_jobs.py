"""Images are read and finished beside the network, as many at once as are asked for, and come in their order."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

import carseg
from carseg.cli.main import main
from carseg.errors import ImageError, OptionError
from carseg.inference import Segmenter, image_jobs, prefetch

from color_hub import photo, write_model

PATIENCE = 20  # seconds, after which a test has failed


@pytest.fixture
def hub(tmp_path: Path, own_cache: None) -> Path:
    write_model(tmp_path / "hub")
    return tmp_path / "hub"


@pytest.fixture
def model(hub: Path) -> Segmenter:
    return carseg.load("blocks", hub=hub, device="cpu", runtime="torch")


@pytest.mark.parametrize("step", ["preprocess", "postprocess"])
def test_as_many_images_are_worked_on_at_once_as_are_asked_for(model, step, monkeypatch):
    all_here = threading.Barrier(3, timeout=PATIENCE)  # raises unless three images meet
    original = getattr(model, step)

    def meeting(*arguments: object, **options: object) -> object:
        all_here.wait()
        return original(*arguments, **options)

    monkeypatch.setattr(model, step, meeting)
    results = list(model.stream([np.zeros((8, 9, 3), np.uint8)] * 6, jobs=3))
    assert [result.source for result in results] == [f"picture-{number}" for number in range(1, 7)]


def test_one_image_at_a_time_is_in_the_network(model, monkeypatch):
    inside = threading.Lock()
    forward = model.forward

    def alone(batch: np.ndarray) -> np.ndarray:
        assert inside.acquire(blocking=False)
        try:
            return forward(batch)
        finally:
            inside.release()

    monkeypatch.setattr(model, "forward", alone)
    assert len(list(model.stream([np.zeros((8, 9, 3), np.uint8)] * 8, jobs=4))) == 8


@pytest.mark.parametrize("batch_size", [1, 4])
def test_masks_are_the_same_whatever_the_jobs_and_threads(hub, batch_size):
    images = [np.random.default_rng(seed).integers(0, 256, (40, 60, 3), np.uint8) for seed in range(7)]
    with carseg.load("blocks", hub=hub, device="cpu", threads=1) as model:
        expected = [model.predict(image).mask for image in images]
    for threads, jobs in ((1, 1), (1, 3), (2, 1), (2, 16)):
        with carseg.load("blocks", hub=hub, device="cpu", threads=threads) as model:
            for source in (images, iter(images)):
                results = list(model.stream(source, jobs=jobs, batch_size=batch_size))
                assert [result.source for result in results] == [f"picture-{number}" for number in range(1, 8)]
                assert all(np.array_equal(result.mask, mask) for result, mask in zip(results, expected, strict=True))


def test_files_are_the_same_whatever_the_jobs(hub, tmp_path):
    for name in "abcde":
        photo(tmp_path / "photos" / f"{name}.png")
    written = []
    for jobs in ("1", "4"):
        out = tmp_path / f"out-{jobs}"
        command = ["predict", str(tmp_path / "photos"), "-m", "blocks", "--hub", str(hub), "--jobs", jobs]
        assert main([*command, "--out", str(out), "--save", "mask,overlay,json"]) == 0
        written.append({path.name: path.read_bytes() for path in out.rglob("*.*")})
    assert len(written[0]) == 15
    assert written[0] == written[1]


def test_an_image_that_fails_has_its_place(model, tmp_path):
    paths = [photo(tmp_path / f"{name}.png") for name in "abc"]
    paths[1].write_bytes(b"none")
    first, failed, last = model.stream(paths, jobs=2, on_error="yield")
    assert isinstance(failed, ImageError) and failed.source == paths[1]
    assert (first.source, last.source) == (str(paths[0]), str(paths[2]))
    stream = model.stream(paths, jobs=2)
    assert next(stream).source == str(paths[0])
    with pytest.raises(ImageError, match=r"b\.png"):
        next(stream)


def test_a_result_does_not_wait_for_a_later_image_that_is_slow_to_read(model, monkeypatch):
    came = threading.Event()
    preprocess = model.preprocess

    def slow(image: object, **options: object) -> object:
        if image.source == "picture-2":
            assert came.wait(PATIENCE)
        return preprocess(image, **options)

    monkeypatch.setattr(model, "preprocess", slow)
    stream = model.stream([np.zeros((8, 9, 3), np.uint8)] * 2, jobs=2)
    assert next(stream).source == "picture-1"
    came.set()
    assert next(stream).source == "picture-2"


def test_no_more_is_read_ahead_than_the_jobs_are_for(model):
    taken = []

    def source() -> object:
        for number in range(100):
            taken.append(number)
            yield np.zeros((8, 9, 3), np.uint8)

    stream = model.stream(source(), jobs=2)
    next(stream)
    for _ in range(20):
        next(stream)
    stream.close()
    assert len(taken) < 21 + 12


def test_there_is_at_least_one_job(model):
    assert image_jobs(3) == 3 and 1 <= image_jobs() <= 16
    with pytest.raises(OptionError, match="jobs must be at least 1, got 0"):
        model.stream([], jobs=0)


def test_results_come_in_order_and_errors_in_their_place():
    def halve(number: int) -> int:
        if number % 2:
            raise ValueError(number)
        return number // 2

    results = prefetch(halve, [0, 2, 4, 5, 6], 3)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="5"):
        next(results)
