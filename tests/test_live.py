"""Sources that are not all there: cameras, queues, sources that wait for answers, that stop, that fail.

A source waits until the answer has come that it could have: where it does not come, ``PATIENCE`` ends the test.
"""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import carseg
from carseg.errors import ImageError, OptionError

from color_hub import COLORS, photo

PATIENCE = 20  # seconds, after which a test has failed


def painted(label: int) -> np.ndarray:
    return np.full((8, 9, 3), COLORS[label], np.uint8)


def labels_of(results: list[carseg.Result]) -> list[int]:
    """Return the label that each mask shows."""
    return [int(result.mask[0, 0]) for result in results]


class Answers:
    """Results of a stream that is read on a thread."""

    def __init__(self, stream: Iterator[carseg.Result]) -> None:
        self._results: queue.Queue[carseg.Result | None] = queue.Queue()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream: Iterator[carseg.Result]) -> None:
        for result in stream:
            self._results.put(result)
        self._results.put(None)

    def next(self) -> carseg.Result | None:
        return self._results.get(timeout=PATIENCE)


@pytest.mark.parametrize("options", [{}, {"batch_size": 8}, {"tile": 32}, {"latest": True}], ids=str)
def test_the_only_image_of_a_queue_is_answered(model, options):
    images: queue.Queue[np.ndarray | None] = queue.Queue()
    answers = Answers(model.stream(images, **options))
    for label in (1, 3, 2):
        images.put(painted(label))
        assert labels_of([answers.next()]) == [label]
    images.put(None)
    assert answers.next() is None


@pytest.mark.parametrize("make", [queue.Queue, queue.SimpleQueue, queue.LifoQueue])
def test_any_queue_and_any_iterable_of_one_will_do(model, make, tmp_path):
    path = photo(tmp_path / "a.png")
    for stream_of in (lambda images: images, lambda images: iter(images.get, None)):
        images = make()
        answers = Answers(model.stream(stream_of(images)))
        images.put(path)
        assert answers.next().source == str(path)
        images.put(None)
        assert answers.next() is None


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_source_may_wait_for_the_answer_to_the_image_before(model, batch_size):
    answered = threading.Semaphore(1)

    def source() -> Iterator[np.ndarray]:
        for label in (1, 2, 3, 0, 1):
            assert answered.acquire(timeout=PATIENCE)
            yield painted(label)

    seen = []
    for result in model.stream(source(), batch_size=batch_size):
        seen.append(result)
        answered.release()
    assert labels_of(seen) == [1, 2, 3, 0, 1]
    assert [result.source for result in seen] == [f"picture-{n}" for n in range(1, 6)]


class Buffers:
    """What a camera may fill again and again: an array, a tensor, a Pillow image, a file, bytes."""

    def __init__(self) -> None:
        self._array, self._tensor = painted(0), torch.zeros((3, 8, 9), dtype=torch.uint8)
        self._pillow, self._file, self._bytes = Image.new("RGB", (9, 8)), io.BytesIO(), bytearray()

    def array(self, image: np.ndarray) -> object:
        self._array[...] = image
        return self._array

    def tensor(self, image: np.ndarray) -> object:
        return self._tensor.copy_(torch.from_numpy(image.transpose(2, 0, 1).copy()))

    def pillow(self, image: np.ndarray) -> object:
        self._pillow.paste(Image.fromarray(image))
        return self._pillow

    def file(self, image: np.ndarray) -> object:
        self._file.seek(0)
        self._file.truncate()
        Image.fromarray(image).save(self._file, "PNG")
        return self._file

    def bytes(self, image: np.ndarray) -> object:
        self.file(image)
        self._bytes[:] = self._file.getvalue()
        return self._bytes


@pytest.mark.parametrize("kind", ["array", "tensor", "pillow", "file", "bytes"])
def test_a_camera_may_use_its_buffer_again(model, kind):
    wanted, refill = [1, 2, 3, 0] * 5, getattr(Buffers(), kind)
    results = list(model.stream((refill(painted(label)) for label in wanted), batch_size=3))
    assert labels_of(results) == wanted
    assert all((result.image == painted(label)).all() for result, label in zip(results, wanted, strict=True))


@pytest.mark.parametrize("batch_size", [1, 3, 8])
@pytest.mark.parametrize("error", [OSError("unplugged"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_what_ends_a_source_comes_after_the_results_before_it(model, batch_size, error):
    def source() -> Iterator[object]:
        yield painted(1)
        yield b"no image"
        yield painted(2)
        yield painted(3)
        raise error

    seen = []
    with pytest.raises(type(error)) as raised:
        for result in model.stream(source(), batch_size=batch_size, on_error="yield"):
            seen.append(result)
    assert raised.value is error
    first, broken, *rest = seen
    assert isinstance(broken, ImageError) and broken.source == b"no image"
    assert labels_of([first, *rest]) == [1, 2, 3]


def test_a_list_that_breaks_off_loses_nothing_either(model):
    class Torn(list):
        def __iter__(self) -> Iterator[object]:
            yield from super().__iter__()
            raise OSError("the film is torn")

    seen = []
    with pytest.raises(OSError, match="torn"):
        for result in model.stream(Torn([painted(1), painted(2), painted(3)]), batch_size=2):
            seen.append(result)
    assert labels_of(seen) == [1, 2, 3]


class Camera:
    """A source that knows whether it was let go; it waits for ``shots``."""

    def __init__(self, *labels: int) -> None:
        self.shots: queue.Queue[int] = queue.Queue()
        self.released = threading.Event()
        for label in labels:
            self.shots.put(label)

    def frames(self) -> Iterator[np.ndarray]:
        try:
            while True:
                yield painted(self.shots.get())
        finally:
            self.released.set()


def test_a_stream_can_be_left_while_its_source_waits(model):
    for leave in ("close", "drop"):
        camera = Camera(1)
        stream = model.stream(camera.frames())
        assert labels_of([next(stream)]) == [1]
        if leave == "close":
            stream.close()
        del stream
        assert not camera.released.is_set()
        camera.shots.put(2)  # the camera is let go when it has its next image
        assert camera.released.wait(PATIENCE)


def test_an_error_leaves_a_source_that_waits(model):
    camera = Camera()

    def source() -> Iterator[object]:
        yield painted(1)
        yield b"no image"
        yield from camera.frames()

    stream = model.stream(source())
    assert labels_of([next(stream)]) == [1]
    with pytest.raises(ImageError, match="picture-2"):
        next(stream)
    camera.shots.put(2)
    assert camera.released.wait(PATIENCE)


def test_a_source_that_is_not_waiting_is_let_go_at_once(model):
    camera = Camera(*[1] * 500)
    stream = model.stream(camera.frames())
    while len(camera.shots.queue) == 500:  # until it has begun
        next(stream)
    full = 500 - len(camera.shots.queue)
    assert full < 20
    stream.close()
    assert camera.released.wait(PATIENCE) and len(camera.shots.queue) > 450


def test_a_stream_that_was_never_read_asks_for_nothing(model):
    camera = Camera(1, 2)
    model.stream(camera.frames()).close()
    assert len(camera.shots.queue) == 2


def test_the_latest_image_alone_is_taken(model):
    """The network sees 1; meanwhile 2, 3 and 0 come, of which the newest is next."""
    taken, came = threading.Event(), threading.Event()

    def source() -> Iterator[np.ndarray]:
        yield painted(1)
        assert taken.wait(PATIENCE)
        for label in (2, 3, 0):
            yield painted(label)
        came.set()
        assert went_on.wait(PATIENCE)
        yield painted(2)

    went_on = threading.Event()
    results = model.stream(source(), latest=True)
    seen = [next(results)]
    taken.set()
    assert came.wait(PATIENCE)
    seen.append(next(results))
    went_on.set()
    seen.extend(results)
    assert labels_of(seen) == [1, 0, 2]
    assert [result.source for result in seen] == ["picture-1", "picture-4", "picture-5"]


def test_the_latest_image_before_an_error_is_not_lost(model):
    def source() -> Iterator[np.ndarray]:
        yield painted(1)
        raise OSError("unplugged")

    results = model.stream(source(), latest=True)
    assert labels_of([next(results)]) == [1]
    with pytest.raises(OSError, match="unplugged"):
        next(results)


@pytest.mark.parametrize(
    "sources", [[painted(1)], (painted(1),), painted(1), "folder", "folder/*.png", b"", Path("folder/a.png")]
)
def test_the_latest_of_what_is_all_there_is_refused(model, sources, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo(tmp_path / "folder" / "a.png")
    with pytest.raises(OptionError, match="latest=True is for live sources"):
        model.stream(sources, latest=True)


def test_a_slow_source_fills_no_batch_and_a_quick_one_does(model, monkeypatch):
    sizes = []
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda batch: sizes.append(len(batch)) or forward(batch))
    answered = threading.Semaphore(1)

    def source() -> Iterator[np.ndarray]:
        for _ in range(4):
            assert answered.acquire(timeout=PATIENCE)
            yield painted(1)

    for _ in model.stream(source(), batch_size=4):
        answered.release()
    assert sizes == [1, 1, 1, 1]
    sizes.clear()
    assert len(list(model.stream([painted(1)] * 9, batch_size=4))) == 9
    assert sizes == [4, 4, 1]
