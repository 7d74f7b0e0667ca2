"""Cut-outs: which car, before what, in which frame, as ``Result.cutout`` and as files of ``carseg.cutout``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

import carseg
from carseg.errors import CarNotFoundError, ImageError, OptionError
from carseg.images import LoadedImage
from carseg.inference import Result
from carseg.inference.cars import WholeCars
from carseg.labels import BDD, CAR5, CARPARTS, CARVANA, label_set

from color_hub import COLORS, photo


def make(mask, labels=CARVANA, **given):
    mask = np.asarray(mask, np.uint8)
    image = np.random.default_rng(0).integers(0, 256, (*mask.shape, 3), np.uint8)
    return Result(mask, labels, image, **given)


@pytest.fixture
def result():
    """Return two cars, the larger one on the right."""
    mask = np.zeros((120, 200), np.uint8)
    mask[40:60, 10:50] = mask[30:90, 80:180] = 1
    return make(mask, source="two.jpg")


def opaque(image):
    return np.asarray(image)[..., 3] == 255


def test_the_main_car_another_one_or_all(result):
    first, second = (car.mask for car in result.cars)
    assert np.array_equal(opaque(result.cutout()), first)
    assert np.array_equal(opaque(result.cutout(car=1)), first)
    assert np.array_equal(opaque(result.cutout(car=2)), second)
    assert np.array_equal(opaque(result.cutout(all=True)), first | second)


def test_a_car_that_is_not_there(result):
    with pytest.raises(CarNotFoundError, match=r"two.jpg: there is no car 3 .* cars were found: 2"):
        result.cutout(car=3)
    empty = make(np.zeros((20, 30)))
    with pytest.raises(CarNotFoundError, match=r"no car 1 .* no car was found"):
        empty.cutout(car=1)
    assert not np.asarray(empty.cutout()).any()
    assert empty.cutout("white", size="80x60", shadow=True).getcolors() == [(4800, (255, 255, 255, 255))]


def test_where_classes_tell_no_cars_it_is_the_foreground():
    lanes = make([[0, 1, 2]], BDD)
    assert opaque(lanes.cutout()).tolist() == [[True, True, False]]
    with pytest.raises(OptionError, match="classes of bdd do not show cars"):
        lanes.cutout(car=1)


def test_another_foreground_near_the_car_is_left_out():
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 10:30], mask[10:30, 32:50] = 1, 2
    labels = label_set("own", ["background", "car", "person"])
    assert np.array_equal(np.asarray(make(mask, labels).cutout())[..., 3], (mask == 1) * 255)


def test_a_canvas(result):
    image = result.cutout(margin="10%", size="400x200")
    y, x = np.nonzero(opaque(image))
    assert (image.size, y.max()) == ((400, 200), 179)  # the wheels are on the lower margin
    assert y.min() in (20, 21)
    assert abs(x.min() + x.max() - 399) <= 2
    own = result.cutout(margin=0.1)
    assert own.size == (125, 75)
    y, x = np.nonzero(opaque(own))
    assert (x.min(), x.max(), y.max()) == (12, 111, 67)
    assert np.array_equal(np.asarray(own)[8:68, 12:112, :3], result.image[30:90, 80:180])  # pixels as they were
    assert result.cutout(size=(500, 300)).size == (500, 300)
    assert result.cutout(size=(500, 300), all=True, background="white").size == (500, 300)


def test_cars_of_several_images_stand_on_one_line():
    lows = []
    for height, width, top in ((40, 90, 5), (70, 60, 20), (33, 151, 60)):
        mask = np.zeros((130, 200), np.uint8)
        mask[top : top + height, 20 : 20 + width] = 1
        lows.append(np.nonzero(opaque(make(mask).cutout(size="640x360", margin="8%")))[0].max())
    assert len(set(lows)) == 1


def test_a_shadow_stands_behind_the_car(result):
    plain, shaded = (np.asarray(result.cutout(shadow=shadow)).astype(int) for shadow in (False, True))
    car = plain[..., 3] == 255
    assert np.array_equal(shaded[car], plain[car])
    assert shaded[90, 100:160, 3].min() > 30 and not shaded[~car][:, :3].any()  # black, more or less opaque
    white = np.asarray(result.cutout("white", shadow=True))[..., :3]
    assert np.array_equal(white[car], plain[car][:, :3])
    assert white[90, 100:160].max() < 230 and (white[:20] == 255).all()


def test_an_image_as_background_covers_the_canvas(result, tmp_path):
    Image.new("RGB", (30, 90), (10, 20, 30)).save(tmp_path / "wall.png")
    for background in (tmp_path / "wall.png", str(tmp_path / "wall.png"), Image.open(tmp_path / "wall.png")):
        image = np.asarray(result.cutout(background, size="320x200"))
        assert image.shape == (200, 320, 4)
        assert (image[0, 0] == (10, 20, 30, 255)).all() and (image[-1, -1] == (10, 20, 30, 255)).all()
    assert result.cutout("transparent").tobytes() == result.cutout().tobytes()


def test_a_network_s_edge_is_soft_and_without_the_old_background():
    """A red disk on green, of which the network knows the outline between the cells of its grid."""
    middles = np.arange(32) * 4 + 1.5
    odds = (40 - np.hypot(middles - 64, middles[:, None] - 64)).astype(np.float16)
    y, x = np.mgrid[:128, :128]
    away = np.hypot(x - 64, y - 64)
    share = (40.5 - away).clip(0, 1)[..., None]
    image = np.rint(np.array([200, 20, 20]) * share + np.array([0, 255, 0]) * (1 - share)).astype(np.uint8)
    result = Result((away < 40).astype(np.uint8), CARVANA, image, odds=odds)
    assert np.array_equal(result.alpha >= 128, result.mask == 1)
    pixels = np.asarray(result.cutout()).astype(int)
    edge = (pixels[..., 3] > 0) & (pixels[..., 3] < 255)
    assert edge.sum() > 200
    green = (pixels[..., 1] - 20).clip(0) * pixels[..., 3] / 255
    before = (image[..., 1].astype(int) - 20).clip(0) * pixels[..., 3] / 255
    assert green[edge].mean() < before[edge].mean() / 3
    assert not pixels[pixels[..., 3] == 0].any()


def test_tinted_glass():
    mask = np.ones((40, 60), np.uint8)
    window = CAR5.classes.index("window")
    mask[10:30, 10:50] = window
    pixels = np.asarray(make(mask, CAR5).cutout(glass="tint"))[14:26, 14:46, :3].astype(int)
    assert pixels.max() < 128 and np.ptp(pixels, axis=2).max() <= 12


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"margin": "8"}, "from 0% to 40%, such as '8%' or 0.08, got '8'"),
        ({"margin": "50%"}, "from 0% to 40%"),
        ({"margin": -0.1}, "from 0% to 40%"),
        ({"margin": 8}, "from 0% to 40%"),
        ({"margin": float("nan")}, "from 0% to 40%"),
        ({"size": "1920"}, "such as 1920x1080, got '1920'"),
        ({"size": "0x1080"}, "such as 1920x1080"),
        ({"size": "-5x1080"}, "such as 1920x1080"),
        ({"size": "999999x999999"}, "of at most"),
        ({"size": (1920, 1080, 3)}, "such as 1920x1080"),
        ({"size": (1920.5, 1080)}, "such as 1920x1080"),
        ({"size": 1920}, "such as 1920x1080"),
        ({"car": 0}, "car must be 1 for the largest"),
        ({"car": 2, "all": True}, "give only one"),
        ({"glass": "tinted"}, "'keep' or 'tint', got 'tinted'"),
        ({"glass": "tint"}, "carvana has no class for windows.*keep the glass"),
        ({"feather": -1}, "feather must be"),
        ({"feather": float("nan")}, "feather must be"),
        ({"background": "blueish"}, "'blueish' is neither a colour nor an image file"),
        ({"background": Path("nowhere.png")}, "neither a colour nor an image file"),
    ],
)
def test_wrong_options(result, words, message):
    with pytest.raises(OptionError, match=message) as caught:
        result.cutout(**words)
    assert len(str(caught.value)) < 400


def test_a_background_that_is_broken(result, tmp_path):
    (tmp_path / "wall.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"wall\.png"):
        result.cutout(tmp_path / "wall.png")


@pytest.mark.usefixtures("blocks_hub")
def test_files_of_a_folder_keep_its_tree():
    for name in ("a.png", "sub/b.png"):
        photo(Path("in", name))
    paths = carseg.cutout("in", "out", model="blocks", background="white", size="300x200", format="jpg")
    assert paths == [Path("out/a.cutout.jpg"), Path("out/sub/b.cutout.jpg")]
    with Image.open(paths[0]) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (300, 200))
        profile = ImageCms.ImageCmsProfile(ImageCms.core.profile_frombytes(image.info["icc_profile"]))
        assert "sRGB" in ImageCms.getProfileDescription(profile)


@pytest.mark.usefixtures("blocks_hub")
@pytest.mark.parametrize("format", ["png", "webp"])
def test_transparent_files(format):
    photo(Path("a.png"))
    [path] = carseg.cutout("a.png", ".", model=carseg.load("blocks"), format=format)
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGBA"))
    assert path.name == f"a.cutout.{format}"
    assert pixels[:, 40:56, 3].max() == 0 and pixels[:, :28, 3].min() == 255
    assert np.abs(pixels[30, 10, :3].astype(int) - COLORS[1]).max() < 12


@pytest.mark.usefixtures("blocks_hub")
def test_an_image_without_a_car_is_named():
    photo(Path("in/a.png"))
    Image.new("RGB", (60, 40)).save("in/b.png")
    Path("in/c.png").write_bytes(b"no image")
    with pytest.raises(CarNotFoundError, match=r"in/b.png: no car was found in it by blocks"):
        carseg.cutout("in", "out", model="blocks")
    path, nothing, broken = carseg.cutout("in", "out", model="blocks", on_error="keep")
    assert path == Path("out/a.cutout.png")
    assert isinstance(nothing, CarNotFoundError) and nothing.source == "in/b.png"
    assert isinstance(broken, ImageError)
    assert sorted(Path("out").iterdir()) == [path]


@pytest.mark.usefixtures("blocks_hub")
def test_wrong_options_of_files_are_said_before_an_image_is_read():
    for words, message in (
        ({"format": "jpg"}, "a jpg cannot be transparent: .*white.*png or webp"),
        ({"format": "gif"}, "one of png, jpg, webp, got 'gif'"),
        ({"glass": "tint"}, "has no class for windows"),
        ({"format": "webp", "size": "20000x100"}, "size=20000x100: a side of a webp has at most 16383"),
        ({"on_error": "yield"}, "'raise' or 'keep'"),
    ):
        with pytest.raises(OptionError, match=message):
            carseg.cutout("nowhere", "out", model="blocks", **words)
    assert not Path("out").exists()


@pytest.mark.usefixtures("blocks_hub")
def test_classes_that_leave_holes_are_said(caplog):
    photo(Path("a.png"))
    carseg.cutout("a.png", "out", model="blocks")
    assert "classes of blocks do not name all of a car" in caplog.text
    assert carseg.inference.holes_notice(CARPARTS)
    assert not any(map(carseg.inference.holes_notice, (CARVANA, CAR5, BDD)))


def test_cars_that_a_second_network_tells_have_no_holes():
    """Of two doors a second network sees the whole car, as ``carseg.load(cars=)`` has it."""
    mask = np.zeros((60, 90), np.uint8)
    mask[20:40, 10:30] = mask[20:40, 50:70] = CARPARTS.classes.index("front_left_door")
    whole = np.zeros((60, 90), bool)
    whole[10:50, 5:80] = True
    result = make(mask, CARPARTS)
    vars(result)["_whole"] = WholeCars(LoadedImage(result.image, ""), lambda image: whole)
    assert np.array_equal(opaque(result.cutout()), whole)
    assert np.array_equal(opaque(result.cutout(all=True)), whole)


@pytest.mark.usefixtures("blocks_hub")
def test_a_picture_that_its_format_cannot_hold_is_named():
    photo(Path("in/a.png"))
    photo(Path("in/b.png"), width=16500, height=6)
    path, long = carseg.cutout("in", "out", model="blocks", format="webp", on_error="keep")
    assert path == Path("out/a.cutout.webp")
    assert isinstance(long, ImageError) and "in/b.png: a side of a webp" in str(long)
