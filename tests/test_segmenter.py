"""From an image of any size to a result of the same size, one by one and in streams."""

import base64
import io
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from waiting import eventually

from carseg.data import coco_document
from carseg.errors import CarsegError, ClosedError, ImageError, ImageNotFoundError, OptionError, UnknownNameError
from carseg.hub.model_info import InputSpec, ModelInfo
from carseg.inference.postprocess import to_probabilities
from carseg.inference.preprocess import Preprocessor
from carseg.inference.segmenter import Segmenter, load
from carseg.inference.sources import find_images
from carseg.labels import CARPARTS, label_set

SPEC = InputSpec(size=(32, 64), mean=(0, 0, 0), std=(1, 1, 1))
LABELS = label_set("lights", ("dark", "left_red", "green", "right_blue"))
INFO = ModelInfo(
    name="brightest",
    architecture="none",
    labels=LABELS,
    file="model.safetensors",
    sha256="0" * 64,
    bytes=1,
    parameters=1,
    storage="float32",
    input=SPEC,
    licence="none",
    commercial_use="yes",
    recipe="",
    code_commit="",
    paper="",
    made_by="",
    data=(),
)


class Brightest:
    """A runtime whose class is the brightest channel, or "dark"; it counts its calls and takes the spec's size only."""

    name, precision, device, batch_size = "brightest channel", "float32", "cpu", 1

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        assert batch.dtype == np.float32 and batch.shape[1:] == (3, *SPEC.size)
        self.batches.append(len(batch))
        dark = np.full_like(batch[:, :1], 0.5)
        return 20 * np.concatenate([dark, batch], 1)


@pytest.fixture
def segmenter() -> Segmenter:
    return Segmenter(INFO, Brightest())


def halves(height: int, width: int) -> np.ndarray:
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[:, : width // 2, 0], rgb[:, width // 2 :, 2] = 255, 255
    return rgb


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (33, 65), (480, 640)])
def test_mask_has_the_images_size(segmenter: Segmenter, size: tuple[int, int]) -> None:
    result = segmenter.predict(halves(*size))
    assert result.mask.shape == size and result.mask.dtype == np.uint8
    if size == (480, 640):
        assert (result.mask == np.where(np.arange(640) < 320, 1, 3)).mean() > 0.99
        assert {part.name: part.bbox[0] // 100 for part in result.parts} == {"left_red": 0, "right_blue": 3}
        assert all(part.score > 0.99 for part in result.parts)


def test_tiles_see_what_the_whole_image_hides(segmenter: Segmenter) -> None:
    rgb = np.zeros((320, 640, 3), np.uint8)
    rgb[100:106, 200:206, 1] = 255  # vanishes at 32x64
    assert 2 not in segmenter.predict(rgb).mask
    tiled = segmenter.predict(rgb, tile=64).mask
    assert tiled.shape == (320, 640) and (tiled[101:105, 201:205] == 2).all() and (tiled == 2).sum() < 200


def test_threshold_makes_unsure_pixels_background(segmenter: Segmenter) -> None:
    grey = np.full((32, 64, 3), 140, np.uint8)
    assert segmenter.predict(grey, threshold=0.9).mask.max() == 0 < segmenter.predict(grey).mask.max()


def random_logits(batch: np.ndarray) -> np.ndarray:
    """Return smooth logits of four classes, another set for each image."""
    rng = np.random.default_rng(int(batch.sum() * 1000) % 1000)
    return 2 * rng.standard_normal((len(batch), len(LABELS), 9, 14)).astype(np.float32)


random_logits.batch_size = 1


@pytest.mark.parametrize("tile", [None, 64])
def test_the_mask_is_the_most_probable_class(tile: int | None) -> None:
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (*size, 3), np.uint8) for size in ((90, 161), (7, 5), (1, 300), (150, 40))]
    results = list(Segmenter(INFO, random_logits).stream(images, tile=tile, return_probabilities=True))
    for image, result in zip(images, results, strict=True):
        probabilities = result.probabilities
        assert probabilities.dtype == np.float16 and probabilities.shape == (len(LABELS), *image.shape[:2])
        np.testing.assert_allclose(probabilities.sum(0, dtype=np.float32), 1, atol=1e-3)
        of_mask = np.take_along_axis(probabilities, result.mask[None].astype(int), 0)[0]
        assert (probabilities.max(0) - of_mask).max() <= 2**-11  # what float16 cannot tell apart
        assert (probabilities.argmax(0) == result.mask).mean() > 0.99
    alone = Segmenter(INFO, random_logits).predict(images[0], tile=tile, threshold=0.9, return_probabilities=True)
    assert np.array_equal(alone.probabilities, results[0].probabilities)


def test_probabilities_are_those_of_logits_that_torch_upsamples() -> None:
    import torch

    logits = np.random.default_rng(0).standard_normal((5, 11, 6), np.float32) * 3
    large = torch.nn.functional.interpolate(torch.from_numpy(logits)[None], (150, 67), mode="bilinear")
    wanted = large.softmax(1)[0].numpy()
    np.testing.assert_allclose(
        to_probabilities(logits, Preprocessor(SPEC).inverse((11, 6), (150, 67))), wanted, atol=1e-3
    )


def test_probabilities_that_were_not_asked_for_are_not_kept(segmenter: Segmenter) -> None:
    with pytest.raises(OptionError, match=r"return_probabilities=True"):
        _ = segmenter.predict(halves(8, 8)).probabilities


def test_arrays_of_opencv_give_what_those_of_pil_give(segmenter: Segmenter) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (40, 70, 3), np.uint8)
    opacity = np.full((40, 70, 1), 200, np.uint8)
    cases = [
        (rgb, rgb[:, :, ::-1]),
        (np.dstack([rgb, opacity]), np.dstack([rgb[:, :, ::-1], opacity])),
        (rgb[:, :, 0], rgb[:, :, 0]),
    ]
    for ours, theirs in cases:
        wanted = segmenter.predict(ours)
        [streamed] = segmenter.stream([theirs], channels="bgr")
        for result in (segmenter.predict(theirs, channels="bgr"), streamed):
            assert np.array_equal(result.image, wanted.image) and np.array_equal(result.mask, wanted.mask)
    assert not np.array_equal(segmenter.predict(cases[0][1]).image, rgb)


def test_only_arrays_can_be_bgr(segmenter: Segmenter, folder: Path) -> None:
    path = folder / "b.png"
    for image in (path, str(path), path.read_bytes(), Image.fromarray(halves(8, 8))):
        with pytest.raises(OptionError, match=r"channels='bgr' is for numpy arrays.* leave channels out"):
            segmenter.predict(image, channels="bgr")
    with pytest.raises(OptionError, match="always read as RGB"):
        list(segmenter.stream(folder, channels="bgr"))


@pytest.mark.parametrize("wrong", [{"channels": "BGR"}, {"tile": 5}, {"threshold": 1.5}, {"threshold": -0.1}])
def test_options_out_of_range_are_refused(segmenter: Segmenter, wrong: dict[str, float]) -> None:
    with pytest.raises(OptionError):
        segmenter.predict(halves(8, 8), **wrong)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("b.png", "a.PNG", "sub/c.png", ".hidden/d.png"):
        Image.fromarray(halves(20, 40)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def test_stream_goes_through_a_folder_in_order(segmenter: Segmenter, folder: Path) -> None:
    names = [Path(result.source).relative_to(folder).as_posix() for result in segmenter.stream(folder)]
    assert names == ["a.PNG", "b.png", "sub/c.png"]
    assert len(list(segmenter.stream(str(folder / "*.png")))) == 1
    assert len(list(segmenter.stream(halves(8, 8)))) == 1
    assert len(list(segmenter.stream([halves(8, 8), folder / "b.png"]))) == 2
    assert len(list(segmenter.stream(np.array([str(folder / "b.png"), str(folder / "a.PNG")])))) == 2


def test_results_are_no_images(segmenter: Segmenter, folder: Path) -> None:
    for result in segmenter.stream(folder):
        result.save(folder, ("mask", "overlay", "cutout", "json"))
    assert len(list(segmenter.stream(folder))) == 3
    assert len(list(segmenter.stream(str(folder / "*.png")))) == 1


def test_a_folder_that_cannot_be_looked_into_is_named(
    segmenter: Segmenter, folder: Path, forbid: Callable[[str], None]
) -> None:
    forbid("sub")
    *rest, closed = segmenter.stream(folder, on_error="yield")
    assert len(rest) == 2
    assert isinstance(closed, ImageError) and "Permission denied" in str(closed)


def test_stream_gives_what_predict_gives_whatever_the_batch(segmenter: Segmenter) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (20 + 7 * i, 50 - 3 * i, 3), np.uint8) for i in range(7)]
    alone = [segmenter.predict(image).mask for image in images]
    segmenter.runtime.batches.clear()
    for one, streamed in zip(alone, segmenter.stream(images, batch_size=3), strict=True):
        np.testing.assert_array_equal(one, streamed.mask)
    assert segmenter.runtime.batches == [3, 3, 1]


def test_a_broken_image_ends_the_stream_or_takes_its_place(segmenter: Segmenter, folder: Path) -> None:
    (folder / "aa.png").write_bytes(b"broken")
    outcomes = list(segmenter.stream(folder, on_error="yield", batch_size=2))
    assert [isinstance(outcome, ImageError) for outcome in outcomes] == [False, True, False, False]
    assert outcomes[1].source == folder / "aa.png"
    with pytest.raises(ImageError, match=r"aa\.png"):
        list(segmenter.stream(folder))


@pytest.mark.parametrize("on_error", ["raise", "yield"])
def test_images_before_a_broken_source_are_not_lost(segmenter: Segmenter, on_error: str) -> None:
    def frames() -> Iterator[np.ndarray]:
        yield from (halves(8, 8) for _ in range(3))
        raise OSError("the film is torn")

    results = []
    with pytest.raises(OSError, match="torn"):
        for result in segmenter.stream(frames(), batch_size=4, on_error=on_error):
            results.append(result)
    assert len(results) == 3


def test_stream_is_lazy(segmenter: Segmenter) -> None:
    asked = []

    def endless() -> Iterator[np.ndarray]:
        while True:
            asked.append(None)
            yield halves(8, 8)

    results = segmenter.stream(endless(), jobs=2)
    for _ in range(5):
        assert not isinstance(next(results), CarsegError)
    assert len(asked) < 20


def test_nothing_to_go_through(segmenter: Segmenter, tmp_path: Path) -> None:
    for sources in (tmp_path, str(tmp_path / "*.jpg"), tmp_path / "none.jpg"):
        with pytest.raises(ImageNotFoundError):
            segmenter.stream(sources)
    assert list(find_images([])) == []


def test_load_names_what_is_wrong() -> None:
    with pytest.raises(UnknownNameError, match="no model"):
        load("no-such-network")


@pytest.mark.parametrize("many", [[], [halves(8, 8)], (halves(8, 8),), iter([halves(8, 8)])])
def test_many_images_are_for_stream(segmenter: Segmenter, many: object) -> None:
    with pytest.raises(ImageError, match=r"is not one image; use stream\(\) for many"):
        segmenter.predict(many)


def test_calling_a_network_predicts(segmenter: Segmenter) -> None:
    grey = np.full((32, 64, 3), 140, np.uint8)
    assert np.array_equal(segmenter(grey).mask, segmenter.predict(grey).mask)
    assert segmenter(grey, threshold=0.9).mask.max() == 0


def test_a_closed_network_is_freed_and_says_so() -> None:
    runtime = Brightest()
    gone = weakref.ref(runtime)
    with Segmenter(INFO, runtime) as segmenter:
        result = segmenter.predict(halves(8, 8))
        streaming = segmenter.stream([halves(8, 8)] * 9)
        next(streaming)
        del runtime
    eventually(lambda: gone() is None)  # an image may be in the network, on its own thread
    assert result.mask.shape == (8, 8) and "closed" in repr(segmenter)
    segmenter.close()
    for use in (
        lambda: segmenter.predict(halves(8, 8)),
        lambda: segmenter.stream([]),
        lambda: next(streaming),
        lambda: segmenter.runtime,
    ):
        with pytest.raises(ClosedError, match="brightest was closed: load it again"):
            use()


def test_labels_are_those_of_the_info(segmenter: Segmenter) -> None:
    assert segmenter.labels is LABELS and segmenter.labels != CARPARTS and segmenter.name == "brightest"
    assert "brightest channel" in repr(segmenter)


def test_matches_of_a_pattern_come_in_order(segmenter: Segmenter, folder: Path) -> None:
    names = [Path(result.source).name for result in segmenter.stream(str(folder / "**" / "*.[pP][nN][gG]"))]
    assert names == ["a.PNG", "b.png", "c.png"]


def test_one_image_of_any_kind_is_a_stream_of_one(segmenter: Segmenter, folder: Path) -> None:
    content = (folder / "b.png").read_bytes()
    for one in (
        content,
        bytearray(content),
        io.BytesIO(content),
        Image.open(folder / "b.png"),
        np.zeros((8, 9), np.uint8),
    ):
        assert len(list(segmenter.stream(one))) == 1


def test_the_ends_of_the_options_are_allowed(segmenter: Segmenter) -> None:
    for threshold in (0, 1):
        assert segmenter.predict(halves(32, 64), tile=32, threshold=threshold).mask.shape == (32, 64)
    with pytest.raises(OptionError, match="on_error"):
        segmenter.stream([], on_error="ignore")


def test_the_runtime_states_how_many_images_suit_the_device(segmenter: Segmenter) -> None:
    segmenter.runtime.batch_size = 3
    assert len(list(segmenter.stream([halves(8, 8)] * 7))) == 7
    assert segmenter.runtime.batches == [3, 3, 1]


def test_images_of_other_shapes_go_in_another_batch() -> None:
    seen = []

    def runtime(batch: np.ndarray) -> np.ndarray:
        seen.append(batch.shape)
        return np.concatenate([np.full_like(batch[:, :1], 0.5), batch], 1)

    fitting = replace(SPEC, resize="fit", multiple=32)
    images = [halves(40, 80), halves(40, 80), halves(80, 40), halves(40, 80)]
    masks = [r.mask for r in Segmenter(replace(INFO, input=fitting), runtime).stream(images, batch_size=4)]
    assert [mask.shape for mask in masks] == [image.shape[:2] for image in images]
    assert seen == [(2, 3, 32, 64), (1, 3, 64, 32), (1, 3, 32, 64)]


def test_tiles_keep_threshold_and_scores(segmenter: Segmenter) -> None:
    rgb = halves(64, 512)
    rgb[:, :256] = 140  # unsure
    result = segmenter.predict(rgb, tile=64, threshold=0.9)
    assert (result.mask[:, :240] == 0).all() and (result.mask[:, 272:] == 3).all()
    sure = {part.name: part.score for part in segmenter.predict(halves(64, 512), tile=64).parts}
    assert sure == {"left_red": pytest.approx(1, abs=0.01), "right_blue": pytest.approx(1, abs=0.01)}


def data_uri(rgb: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize("tile", [None, 64])
def test_the_image_of_a_result_may_be_drawn_on(segmenter: Segmenter, tmp_path: Path, tile: int | None) -> None:
    rgb = halves(40, 80)
    Image.fromarray(rgb).save(tmp_path / "car.png")
    tensor = torch.from_numpy(rgb).permute(2, 0, 1)
    for given, channels in [(tmp_path / "car.png", "rgb"), (rgb, "rgb"), (rgb[:, :, ::-1], "bgr"), (tensor, "rgb")]:
        result = segmenter.predict(given, channels=channels, tile=tile)
        assert result.image.flags.c_contiguous
        result.image[:] = 7
    np.testing.assert_array_equal(rgb, halves(40, 80))


def test_images_from_memory_get_a_name(segmenter: Segmenter, tmp_path: Path) -> None:
    frames = [halves(40, 80), data_uri(halves(40, 80)), halves(8, 9)]
    assert [result.source for result in segmenter.stream(frames)] == ["picture-1", "picture-2", "picture-3"]
    assert segmenter.predict(frames[0]).source == segmenter.predict(frames[1]).source == ""
    named = segmenter.predict(frames[0], source="camera/frame 7.png", tile=64)
    assert named.source == "camera/frame 7.png"
    assert named.save(tmp_path, "mask")["mask"].name == "frame 7.mask.png"
    with pytest.raises(ImageError, match=r"^upload 5: not an image"):
        segmenter.predict(b"\x89PNG\r\n\x1a\n" + bytes(9), source="upload 5")
    [_, error] = segmenter.stream([frames[0], b"none"], on_error="yield")
    assert str(error).startswith("picture-2: ")


def test_streams_into_one_folder_lose_nothing(segmenter: Segmenter, tmp_path: Path) -> None:
    for name in ("left/1.png", "right/1.png"):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(halves(40, 80)).save(tmp_path / name)
    sources = [[halves(4, 5)] * 3, [halves(4, 5)] * 2, tmp_path]
    results = [result for source in sources for result in segmenter.stream(source)]
    for result in results:
        result.save(tmp_path / "out", "mask")
    assert len(list((tmp_path / "out").iterdir())) == len(results) == 7


def test_coco_of_a_folder_names_files_below_it(segmenter: Segmenter, tmp_path: Path, monkeypatch) -> None:
    for name in ("ds/car.png", "ds/sub/car.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(halves(40, 80)).save(tmp_path / name)
    (tmp_path / "ds" / "broken.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    for folder, tile in ((tmp_path / "ds", None), ("ds", 64)):
        document = coco_document(segmenter.stream(folder, tile=tile, on_error="yield"))
        assert [image["file_name"] for image in document["images"]] == ["car.png", "sub/car.png"]


def test_a_data_uri_is_one_image(segmenter: Segmenter) -> None:
    assert segmenter.predict(data_uri(halves(40, 80))).mask.shape == (40, 80)
    [result] = segmenter.stream(data_uri(halves(40, 80)))
    assert result.mask.shape == (40, 80)


@pytest.mark.parametrize(
    "text", ["A" * 100_000, "data:image/png;base64," + "A" * 100_000, "https://example.org/" + "a" * 9999]
)
def test_no_message_carries_all_that_was_given(segmenter: Segmenter, text: str, monkeypatch) -> None:
    monkeypatch.setenv("CARSEG_OFFLINE", "1")
    for predict in (segmenter.predict, lambda given: list(segmenter.stream(given)), load):
        with pytest.raises(CarsegError) as caught:
            predict(text)
        assert text[:110] not in str(caught.value) and text[-110:] not in str(caught.value)


def test_larger_images_are_refused_by_one_limit(segmenter: Segmenter, tmp_path: Path, monkeypatch) -> None:
    Image.fromarray(halves(40, 80)).save(tmp_path / "car.png")
    assert segmenter.predict(tmp_path / "car.png", max_pixels=3200).mask.shape == (40, 80)
    [error] = segmenter.stream([tmp_path / "car.png"], max_pixels=3199, on_error="yield")
    assert isinstance(error, ImageError)
    with pytest.raises(ImageError, match=r"car\.png: 80 x 40 are more than 3199 pixels"):
        segmenter.predict(tmp_path / "car.png", max_pixels=3199)
    with pytest.raises(OptionError, match="max_pixels"):
        segmenter.stream([], max_pixels=0)
    monkeypatch.setenv("CARSEG_MAX_PIXELS", "3199")
    with pytest.raises(ImageError, match="CARSEG_MAX_PIXELS"):
        segmenter.predict(tmp_path / "car.png")
