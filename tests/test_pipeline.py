"""The three steps of a prediction by hand, and with a step of one's own among them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import carseg
from carseg.errors import ClosedError, ImageError, OptionError
from carseg.evaluation import evaluate_network
from carseg.hub import InputSpec, resolve
from carseg.images import decode
from carseg.inference import Preprocessor, Segmenter, load_image
from carseg.inference.tiles import tiles
from carseg.runtimes.torch import read_network

from color_hub import COLORS, LABELS, SIDE, blocks, photo, write_model
from drawn_data import draw_mask, save

STRETCH = InputSpec(size=(32, 48), mean=(0, 0, 0), std=(1, 1, 1))
FIT = InputSpec(size=(64, 64), mean=(0, 0, 0), std=(1, 1, 1), resize="fit", multiple=16)
WHEEL = LABELS.classes.index("wheel")


@pytest.fixture
def model(tmp_path: Path, own_cache: None) -> Segmenter:
    write_model(tmp_path / "hub")
    return carseg.load("blocks", hub=tmp_path / "hub", device="cpu", runtime="torch", precision="float32")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return photo(tmp_path / "img.png")


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("options", [{}, {"threshold": 0.9}, {"return_probabilities": True}])
def test_the_three_steps_by_hand_are_a_prediction(model: Segmenter, image: Path, options: dict[str, float]) -> None:
    prepared = model.preprocess(image)
    assert prepared.image.rgb.dtype == np.uint8 and prepared.image.rgb.shape == (64, 96, 3)
    assert prepared.x.dtype == np.float32 and prepared.x.shape == (3, SIDE, SIDE)
    logits = model.forward(prepared.x[None])
    assert logits.dtype == np.float32 and logits.shape == (1, len(LABELS), SIDE, SIDE)
    ours, theirs = model.postprocess(logits[0], prepared, **options), model.predict(image, **options)
    assert np.array_equal(ours.mask, theirs.mask) and ours.to_dict() == theirs.to_dict()
    assert ours.source == str(image) and ours.model == "blocks"
    if "return_probabilities" in options:
        assert np.array_equal(ours.probabilities, theirs.probabilities)


def test_images_of_any_kind_are_preprocessed(model: Segmenter, image: Path) -> None:
    rgb = np.asarray(blocks())
    x = model.preprocess(rgb).x
    for one in (image, image.read_bytes(), blocks(), load_image(image), torch.from_numpy(rgb.copy()).permute(2, 0, 1)):
        assert np.array_equal(model.preprocess(one).x, x)
    assert np.array_equal(model.preprocess(rgb[:, :, ::-1], channels="bgr").x, x)
    with pytest.raises(OptionError, match="'RGB'"):
        model.preprocess(rgb, channels="RGB")
    with pytest.raises(ImageError, match="stream"):
        model.preprocess([rgb])


def test_an_image_that_is_loaded_already_is_predicted(model: Segmenter, image: Path) -> None:
    result = model.predict(decode(image))
    assert result.source == str(image) and np.array_equal(result.mask, model.predict(image).mask)
    assert [streamed.source for streamed in model.stream(decode(image))] == [str(image)]


def test_several_images_are_one_batch(model: Segmenter) -> None:
    images = [noise(20, 30), noise(70, 50)]
    prepared = [model.preprocess(image) for image in images]
    logits = model.forward(np.stack([one.x for one in prepared]))
    for one, its, image in zip(prepared, logits, images, strict=True):
        assert np.array_equal(model.postprocess(its, one).mask, model.predict(image).mask)


def test_a_mirrored_batch_need_not_be_copied(model: Segmenter) -> None:
    x = model.preprocess(noise(40, 40)).x[None]
    np.testing.assert_allclose(model.forward(x[..., ::-1])[..., ::-1], model.forward(x), atol=1e-5)


@pytest.mark.parametrize(
    "batch",
    [np.zeros((3, 32, 32), np.float32), np.zeros((1, 32, 32, 3), np.float32), np.zeros((1, 3, 32, 32), np.float64)],
)
def test_what_is_no_batch_is_refused(model: Segmenter, batch: np.ndarray) -> None:
    with pytest.raises(OptionError, match=r"float32 \(N, 3, h, w\), got float.*prepared\.x\[None\]"):
        model.forward(batch)


def test_logits_of_a_batch_or_of_other_classes_are_refused(model: Segmenter) -> None:
    prepared = model.preprocess(noise(40, 40))
    logits = model.forward(prepared.x[None])
    for wrong in (logits, logits[0, 0], logits[0, :2]):
        with pytest.raises(OptionError, match=r"logits of one image, float32 \(4, h, w\), got"):
            model.postprocess(wrong, prepared)
    with pytest.raises(OptionError, match="threshold"):
        model.postprocess(logits[0], prepared, threshold=60)


def test_a_closed_network_goes_no_step_forward(model: Segmenter) -> None:
    prepared = model.preprocess(noise(40, 40))
    model.close()
    with pytest.raises(ClosedError, match="blocks was closed"):
        model.forward(prepared.x[None])


class AllWheels(Segmenter):
    """Sees a wheel everywhere."""

    def forward(self, batch: np.ndarray) -> np.ndarray:
        return super().forward(batch) + 1000 * np.eye(len(LABELS), dtype=np.float32)[WHEEL][:, None, None]


def test_a_step_of_ones_own_is_gone_through_by_all_that_predicts(model: Segmenter, tmp_path: Path) -> None:
    own = AllWheels(model.info, model.runtime)
    images = [noise(20, 30), noise(70, 50)]
    results = [own(images[0]), own.predict(images[1], tile=32), *own.stream(images), *own.stream(images, tile=32)]
    assert all((result.mask == WHEEL).all() for result in results)
    truth = draw_mask(0, classes=4)
    save(tmp_path / "data" / "images" / "a.png", np.array(COLORS, np.uint8)[truth])
    save(tmp_path / "data" / "masks" / "a.png", truth)
    data = carseg.data.load(tmp_path / "data", labels=LABELS)
    assert carseg.evaluate(own, data).per_class["wheel"] == pytest.approx((truth == WHEEL).mean())
    assert carseg.evaluate(model, data).per_class["wheel"] > 0.5
    network = read_network(resolve("blocks", hub=tmp_path / "hub"))
    measured = evaluate_network(network, data, model.info.input, torch.device("cpu"))
    assert measured.per_class == carseg.evaluate(model, data).per_class


@pytest.mark.parametrize("step", ["preprocess", "forward", "postprocess"])
def test_every_window_of_a_tiled_image_goes_through_every_step(
    model: Segmenter, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, real = [], getattr(model, step)
    monkeypatch.setattr(model, step, lambda *given, **options: taken.append(step) or real(*given, **options))
    whole = model.predict(noise(70, 50))
    assert taken == [step] and whole.mask.shape == (70, 50)
    tiled = model.predict(noise(70, 50), tile=32)
    assert len(taken) == 1 + len(list(tiles((70, 50), 32))) and tiled.mask.shape == (70, 50)


@pytest.mark.parametrize("spec", [STRETCH, FIT])
@pytest.mark.parametrize("size", [(64, 96), (96, 40), (20, 25), (200, 300)])
def test_the_way_back_leads_to_the_pixels_that_were_resized(spec: InputSpec, size: tuple[int, int]) -> None:
    preprocessor = Preprocessor(spec)
    for axis in (0, 1):
        ramp = np.linspace(0, 255, size[axis]).round().astype(np.uint8)
        image = np.broadcast_to(ramp[:, None] if axis == 0 else ramp, size)
        x = preprocessor(np.repeat(image[:, :, None], 3, axis=2))[0] * 255
        (y0, y1, down), (x0, x1, across) = preprocessor.inverse(x.shape, size)
        rows = x[y0] * (1 - down[:, None]) + x[y1] * down[:, None]
        back = rows[:, x0] * (1 - across) + rows[:, x1] * across
        margin = 2 + size[axis] // x.shape[axis]  # at its ends a ramp that was resized is flatter
        inner = np.s_[margin:-margin] if axis == 0 else np.s_[:, margin:-margin]
        np.testing.assert_allclose(back[inner], image[inner], atol=2)  # rounded twice
