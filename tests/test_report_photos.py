"""What a report measures of a photograph: sharpness, exposure, distance, wheels, required words."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from carseg.cars import View
from carseg.errors import OptionError, UnknownNameError
from carseg.inference import Result
from carseg.labels import CAR5, CARPARTS, label_set
from carseg.workflows import inspect_photo
from carseg.workflows.exposure import measure_exposure
from carseg.workflows.requirements import parse_requirements
from carseg.workflows.sharpness import Sharpness
from carseg.workflows.sides import shown_sides

from drawn_car import drawn
from drawn_photos import pixels


def textured(seed: int = 0, size: int = 396) -> np.ndarray:
    """Return an image of edges and smooth surfaces, uint8 (size, size, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)
    return coarse.repeat(size // 12, 0).repeat(size // 12, 1)


def blurred(rgb: np.ndarray, radius: float) -> np.ndarray:
    return np.asarray(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(radius)))


def whole(rgb: np.ndarray) -> tuple[int, int, int, int]:
    return 0, 0, rgb.shape[1], rgb.shape[0]


def kinds(mask: np.ndarray, rgb: np.ndarray | None = None) -> list[str]:
    """Return the kinds of warnings of a photograph, given its mask."""
    rgb = pixels(mask) if rgb is None else rgb
    mask = mask.repeat(len(rgb) // len(mask), 0).repeat(rgb.shape[1] // mask.shape[1], 1)
    return [warning.kind for warning in inspect_photo(Result(mask, CARPARTS, rgb), 1).warnings]


def test_more_blur_is_less_sharp() -> None:
    values = [Sharpness(rgb, whole(rgb)).of(whole(rgb)) for r in (0, 1, 2, 4) for rgb in [blurred(textured(), r)]]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.8 and values[-1] < 0.3


@pytest.mark.parametrize("axis", [0, 1])
def test_a_camera_that_moved_to_one_side_is_noticed(axis: int) -> None:
    rgb = np.mean([np.roll(textured(), shift, axis) for shift in range(8)], 0).astype(np.uint8)
    assert Sharpness(rgb, whole(rgb)).of(whole(rgb)) < 0.5


def test_sharpness_is_that_of_a_box() -> None:
    half = textured()
    half[:, :198] = blurred(half, 4)[:, :198]
    sharpness = Sharpness(half, whole(half))
    assert sharpness.of((0, 0, 180, 396)) < 0.3 < 0.8 < sharpness.of((216, 0, 180, 396))


def test_sharpness_is_that_of_the_image_as_it_is_viewed() -> None:
    large = np.asarray(Image.fromarray(textured()).resize((3200, 3200), Image.Resampling.BICUBIC))
    assert Sharpness(large, whole(large)).of(whole(large)) > 0.6  # though no edge of its pixels is sharp


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (3, 2)])
def test_tiny_and_flat_images_have_no_sharpness(shape: tuple[int, int]) -> None:
    rgb = np.full((*shape, 3), 7, np.uint8)
    assert Sharpness(rgb, whole(rgb)).of(whole(rgb)) == 0


def test_exposure_is_that_of_the_region() -> None:
    rgb = np.zeros((100, 100, 3), np.uint8)
    rgb[:, :50] = 255
    region = np.zeros((100, 100), bool)
    region[:, 40:80] = True
    exposure = measure_exposure(rgb, region)
    assert exposure.clipped == pytest.approx(0.25)
    assert exposure.brightness == 255
    assert measure_exposure(rgb, np.zeros_like(region)).clipped == 0


def test_a_good_photograph_is_not_warned_of() -> None:
    assert kinds(drawn("front-left")) == []


def test_each_fault_is_warned_of() -> None:
    car = drawn("front-left")
    nothing = np.zeros_like(car)
    rgb = pixels(car)
    small = np.zeros((256, 256), np.uint8)
    small[100:164, 100:164] = car
    cut = np.zeros_like(car)
    cut[:, 32:] = car[:, :32]
    two = np.hstack([nothing, car, nothing, nothing, nothing, nothing, car, nothing])
    assert kinds(nothing) == ["no_car", "dark"]
    assert kinds(car, blurred(rgb, 4)) == ["blurred"]
    assert kinds(car, rgb // 4) == ["dark"]
    bumper = (car == CARPARTS.classes.index("front_bumper")).repeat(4, 0).repeat(4, 1)
    assert kinds(car, np.where(bumper[..., None], np.uint8(252), rgb)) == ["overexposed"]
    assert kinds(small, np.kron(pixels(small), np.ones((4, 4, 1), np.uint8))) == ["far"]
    assert kinds(car, rgb[::2, ::2]) == ["low_resolution"]
    assert kinds(cut, np.kron(pixels(cut), np.ones((2, 2, 1), np.uint8))) == ["cut_off"]
    assert kinds(two, np.kron(two[..., None], np.full((4, 4, 3), 9, np.uint8))) == ["several_cars"]


@pytest.mark.parametrize(("view", "side"), [("front-left", "left"), ("left", "left"), ("rear-left", "left")])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_wheel_has_a_name_by_its_place(view: str, side: str, mirrored: bool) -> None:
    mask = drawn(view.replace("left", "right") if mirrored else view)
    wheels = inspect_photo(Result(mask, CARPARTS, np.zeros((64, 64, 3), np.uint8)), 1).wheels
    side = "right" if mirrored else side
    assert {wheel.name for wheel in wheels} == {f"front_{side}_wheel", f"rear_{side}_wheel"}
    front = next(wheel for wheel in wheels if wheel.name.startswith("front"))
    rear = next(wheel for wheel in wheels if wheel.name.startswith("rear"))
    assert (front.bbox[0] < rear.bbox[0]) != mirrored


def test_a_sliver_of_a_side_is_not_that_side() -> None:
    def sides(**areas: int) -> tuple[str, ...]:
        mask = np.zeros((100, 100), np.uint8)
        ends = np.cumsum([0, *areas.values()])
        for name, start, end in zip(areas, ends, ends[1:], strict=False):
            mask.ravel()[start:end] = CARPARTS.classes.index(name)
        parts = Result(mask, CARPARTS, np.zeros((100, 100, 3), np.uint8)).parts
        return shown_sides(parts, View("front-left", 0.9))

    assert sides(hood=2000, front_bumper=1500, front_left_door=1500, back_left_door=1500) == ("front", "left")
    assert sides(front_bumper=500, front_left_door=3000, back_left_door=2000) == ("left",)
    assert sides(hood=4000, front_bumper=3000, front_left_door=500) == ("front",)


def test_a_sliver_does_not_count_as_seen() -> None:
    mask = drawn("left").repeat(8, 0).repeat(8, 1)
    mask[10, 10] = CARPARTS.classes.index("hood")
    photo = inspect_photo(Result(mask, CARPARTS, np.zeros((*mask.shape, 3), np.uint8)), 1)
    assert "hood" not in {part.name for part in photo.parts}


@pytest.mark.parametrize(
    ("words", "seen", "missing"),
    [
        ("front", {"front"}, []),
        ("front , , rear", {"left"}, ["the front", "the rear"]),
        ("LEFT,Front-Left", set(), ["the left side", "the view from the front left"]),
        ("front left door", set(), ["the front left door"]),
        ("hood:1", set(), ["the hood"]),
        ("mirror", {"left_mirror"}, []),
        ("mirror", set(), ["a mirror"]),
        ("mirror:2", {"left_mirror"}, ["1 of 2 mirrors (right mirror)"]),
        ("door:3", {"front_left_door"}, ["2 of 3 doors"]),
        ("glass:2", {"front_glass"}, ["1 of 2 glass (back glass)"]),
        ("trunk", {"tailgate"}, []),
        ("front_left_wheel", {"rear_left_wheel"}, ["the front left wheel"]),
        ("", set(), []),
    ],
)
def test_required_words(words: str, seen: set[str], missing: list[str]) -> None:
    required = parse_requirements(words, CARPARTS, views=True)
    assert [text for each in required if (text := each.missing(seen))] == missing


@pytest.mark.parametrize(("word", "near"), [("reer", "rear"), ("wheels", "wheel"), ("rear_bumper", "back_bumper")])
def test_an_unknown_word_gets_suggestions(word: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=f"no side, view or part to require '{word}'; did you mean.* {near}"):
        parse_requirements(["front", word], CARPARTS, views=True)


@pytest.mark.parametrize(
    "word", ["wheel:5", "hood:2", "trunk:2", "front:2", "wheel:0", "wheel:-1", "wheel:", "wheel:x"]
)
def test_a_number_that_cannot_be_met_is_refused(word: str) -> None:
    with pytest.raises(OptionError, match=r"at most|NAME:NUMBER"):
        parse_requirements(word, CARPARTS, views=True)


def test_classes_without_views_have_parts_alone() -> None:
    assert [each.word for each in parse_requirements("wheel,window", CAR5, views=False)] == ["wheel", "window"]
    for word in ("front", "rear-left"):
        with pytest.raises(OptionError, match="use the model parts, or require one of body, wheel"):
            parse_requirements(word, CAR5, views=False)
    own = label_set("own", ["background", "LeftDoor", "RightDoor", "Wheel"])
    assert parse_requirements("leftdoor,door:2", own, views=False)[1].choices == ("LeftDoor", "RightDoor")
