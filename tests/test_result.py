"""The result of a prediction: figures, images, files, documents."""

from __future__ import annotations

import base64
import copy
import errno
import importlib.util
import io
import json
import os
import pickle
import sys
import time

import numpy as np
import pytest
from PIL import Image

from carseg.data.formats.coco import coco_document
from carseg.errors import (
    ImageError,
    MissingExtraError,
    OptionError,
    OutputError,
    PartNotFoundError,
    UnknownNameError,
)
from carseg.inference.result import Result
from carseg.labels import BDD, CAMVID, CARPARTS, label_set
from carseg.masks import rle

HOOD, WHEEL = CARPARTS.classes.index("hood"), CARPARTS.classes.index("wheel")


def make(mask, labels=CARPARTS, **given):
    mask = np.asarray(mask, np.uint8)
    image = np.random.default_rng(0).integers(0, 256, (*mask.shape, 3), np.uint8)
    return Result(mask, labels, image, **given)


@pytest.fixture
def result():
    """Return a result of a hood with a hole and a wheel in two pieces."""
    mask = np.zeros((40, 60), np.uint8)
    mask[5:20, 10:40] = HOOD
    mask[8:12, 15:20] = 0
    mask[30:38, 2:10] = mask[30:38, 50:59] = WHEEL
    return make(mask, source="some/car 1.jpg", model="net-carparts", scores={0: 0.9, HOOD: 0.75, WHEEL: 0.5})


def test_parts(result):
    hood, wheel = result.parts
    assert (hood.name, hood.label, hood.score) == ("hood", HOOD, 0.75)
    assert hood.area_px == 15 * 30 - 4 * 5
    assert hood.area_fraction == pytest.approx(hood.area_px / 2400)
    assert hood.bbox == (10, 5, 30, 15)
    assert (wheel.name, wheel.area_px, wheel.bbox) == ("wheel", 8 * 17, (2, 30, 57, 8))
    for part in result.parts:
        assert np.array_equal(rle.decode(part.rle), result.mask == part.label)


def test_parts_are_found_by_name(result):
    hood, wheel = result.parts
    assert result.parts["wheel"] is result.parts[1] is wheel
    assert result.parts["hood"] is result.parts[-2] is hood
    assert result.parts[:1] == (hood,)
    assert [name in result.parts for name in ("wheel", "trunk", "weel")] == [True, False, False]
    assert hood in result.parts
    assert result.parts.index(wheel) == 1
    with pytest.raises(IndexError):
        result.parts[2]


def test_a_class_that_is_not_there_is_not_a_name_that_no_class_has(result):
    with pytest.raises(PartNotFoundError, match=r"'trunk' was not found in this image \(found: hood, wheel\)"):
        result.parts["trunk"]
    with pytest.raises(PartNotFoundError, match="found: nothing"):
        make([[0]]).parts["wheel"]
    with pytest.raises(PartNotFoundError, match="is the background"):
        result.parts[CARPARTS.classes[0]]
    with pytest.raises(UnknownNameError, match=r"no class 'weel'; did you mean wheel"):
        result.parts["weel"]
    assert not issubclass(UnknownNameError, PartNotFoundError)


def test_parts_of_a_copied_or_pickled_result_are_found_by_name(result):
    assert result.parts["hood"].area_px > 0  # worked out before it is copied
    for other in (copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
        assert other.parts == result.parts
        with pytest.raises(PartNotFoundError):
            other.parts["trunk"]


def test_parts_agree_with_a_slow_count():
    rng = np.random.default_rng(5)
    mask = np.repeat(np.repeat(rng.integers(0, len(CARPARTS), (12, 9)), 5, 0), 7, 1).astype(np.uint8)
    for part in make(mask).parts:
        rows, columns = np.nonzero(mask == part.label)
        assert part.area_px == rows.size
        assert part.bbox == (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)


def test_polygons_are_made_when_asked_for(result):
    hood, wheel = result.parts
    assert hood.polygons == [
        [[10, 5], [40, 5], [40, 20], [10, 20]],
        [[15, 8], [15, 12], [20, 12], [20, 8]],
    ]
    assert len(wheel.polygons) == 2
    assert "polygons" not in result.to_dict()["parts"][0]
    assert result.to_dict(polygons=True)["parts"][0]["polygons"] == hood.polygons


def test_background_and_ignored_pixels_are_no_parts():
    assert make(np.zeros((3, 4))).parts == ()
    assert [part.name for part in make([[255, 255, 8]], CAMVID).parts] == ["car"]
    assert [part.name for part in make([[0, 1, 2]], BDD).parts] == ["direct_lane", "alternative_lane"]


def test_a_single_pixel():
    [part] = make([[HOOD]]).parts
    assert (part.area_px, part.area_fraction, part.bbox, part.score) == (1, 1.0, (0, 0, 1, 1), None)
    assert part.polygons == [[[0, 0], [1, 0], [1, 1], [0, 1]]]


def test_parts_of_twelve_megapixels_are_quick():
    rows, columns = np.ogrid[:3000, :4000]
    mask = ((np.sin(columns / 300) + np.cos(rows / 250)) * 4 + 9).astype(np.uint8)
    large = make(mask)
    begin = time.process_time()
    assert sum(part.area_px for part in large.parts) == mask.size
    assert time.process_time() - begin < 1  # 0.04 s on an idle core


def test_wrong_input_is_refused():
    image = np.zeros((4, 5, 3), np.uint8)
    with pytest.raises(OptionError, match="mask must be uint8"):
        Result(np.zeros((4, 5), np.int64), CARPARTS, image)
    with pytest.raises(OptionError, match="like its mask"):
        Result(np.zeros((5, 4), np.uint8), CARPARTS, image)
    with pytest.raises(OptionError, match=r"probabilities must be \(19, 4, 5\), got \(4, 5, 19\)"):
        make(np.zeros((4, 5)), probabilities=np.zeros((4, 5, 19), np.float16))
    with pytest.raises(OptionError, match="label 19; carparts has 19 classes"):
        _ = make([[0, 19]]).parts


def test_overlay_has_a_legend_below_the_image(result):
    image = result.overlay()
    assert image.mode == "RGB"
    assert image.height > 40
    assert result.overlay(legend=False).size == (60, 40)


def test_cutout_keeps_the_foreground_only(result):
    image = result.cutout()
    assert (image.mode, image.size) == ("RGBA", (60, 40))
    pixels = np.asarray(image)
    assert np.array_equal(pixels[..., 3] == 255, result.mask > 0)
    assert np.array_equal(pixels[result.mask > 0][:, :3], result.image[result.mask > 0])
    assert not pixels[result.mask == 0].any()  # the rest of the image is not in the file


def test_cutout_of_a_road_scene_is_its_cars():
    alpha = np.asarray(make([[0, 3, 8, 255]], CAMVID).cutout())[..., 3]
    assert alpha.tolist() == [[0, 0, 255, 0]]


@pytest.mark.parametrize("background", ["white", "#ffffff", (255, 255, 255), np.full((7, 3, 3), 255, np.uint8)])
def test_cutout_on_a_background(result, background):
    pixels = np.asarray(result.cutout(background))
    assert (pixels[result.mask == 0] == 255).all()
    assert np.array_equal(pixels[result.mask > 0][:, :3], result.image[result.mask > 0])
    assert (pixels[..., 3] == 255).all()


def test_a_background_one_can_see_through_is_white(result):
    pixels = np.asarray(result.cutout(Image.new("RGBA", (5, 5), (255, 0, 0, 0))))
    assert (pixels[result.mask == 0] == 255).all()
    with pytest.raises(ImageError, match="must be uint8"):
        result.cutout(np.zeros((5, 5, 3)))


def test_cutout_with_a_soft_border(result):
    alpha = np.asarray(result.cutout(feather=1.5))[..., 3]
    assert alpha[15, 30] == 255
    assert 0 < alpha[15, 39] < 255
    assert not alpha[result.mask == 0].any()  # the old background makes no rim
    with pytest.raises(OptionError, match="neither a colour"):
        result.cutout("blueish")


def test_save_writes_what_is_asked_for(result, tmp_path):
    paths = result.save(tmp_path / "a" / "b", ("mask", "overlay", "cutout", "json"))
    assert {path.name for path in paths.values()} == set(os.listdir(tmp_path / "a" / "b"))
    assert paths["mask"].name == "car 1.mask.png"
    with Image.open(paths["mask"]) as image:
        assert image.mode == "P"
        assert np.array_equal(np.asarray(image), result.mask)
        assert image.convert("RGB").getpixel((12, 6)) == CARPARTS.colors[HOOD]
    with Image.open(paths["overlay"]) as image:
        assert image.format == "JPEG"  # as its image is
        difference = np.abs(np.asarray(image).astype(int) - np.asarray(result.overlay()))
        assert difference.mean() < 4
    with Image.open(paths["cutout"]) as image:
        assert image.mode == "RGBA"
    assert json.loads(paths["json"].read_text()) == result.to_dict()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("a.JPEG", "a.overlay.jpg"),
        ("https://example.org/a.webp?size=9", "a.overlay.jpg"),
        ("a.png", "a.overlay.png"),
        ("a.jpg.tif", "a.jpg.overlay.png"),
        ("", "picture.overlay.png"),
    ],
)
def test_overlays_of_photographs_are_jpegs(source, name, tmp_path):
    path = make([[1, 0]], source=source).save(tmp_path, ["overlay"])["overlay"]
    assert path.name == name
    with Image.open(path) as image:
        assert image.format == ("JPEG" if name.endswith("jpg") else "PNG")


def test_the_name_of_a_file_decides_how_an_overlay_is_written(result, tmp_path):
    for name, format in (("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.jpeg", "JPEG")):
        result.save_as(tmp_path / name, "overlay")
        with Image.open(tmp_path / name) as image:
            assert image.format == format


def test_a_mask_keeps_ignored_pixels_and_every_label(tmp_path):
    labels = label_set("many", [f"c{i}" for i in range(255)], background=None)
    mask = np.arange(256, dtype=np.uint8).reshape(16, 16)
    path = make(mask, labels).save(tmp_path, "mask")["mask"]
    assert np.array_equal(np.asarray(Image.open(path)), mask)
    path = make([[0, 1]]).save(tmp_path, "mask")[
        "mask"
    ]  # few colours: still eight bits per pixel, as other readers expect
    assert path.read_bytes()[24] == 8


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("", "picture.json"),
        ("dir.x/car.v2.jpeg", "car.v2.json"),
        ("https://example.org/images/my%20car.png?size=9&x=a/b.c", "my car.json"),
        ("https://example.org/", "picture.json"),
    ],
)
def test_names_come_from_the_source(source, name, tmp_path):
    assert make([[1]], source=source).save(tmp_path, ["json"])["json"].name == name


def test_a_name_of_ones_own_and_replacing(result, tmp_path):
    for _ in range(2):
        assert result.save(tmp_path, ["mask"], stem="x.jpg") == {"mask": tmp_path / "x.jpg.mask.png"}
    assert os.listdir(tmp_path) == ["x.jpg.mask.png"]
    with pytest.raises(OptionError, match="cannot save 'masks'; known: mask"):
        result.save(tmp_path, ["masks"])


def test_a_full_disk_leaves_nothing_half_written(result, tmp_path):
    resource = pytest.importorskip("resource")  # limits the size of files; not on Windows
    before = result.save(tmp_path, ["overlay"])["overlay"].read_bytes()
    big = make(np.random.default_rng(0).integers(0, 19, (300, 400)), source="some/car 1.jpg")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(
            OutputError, match=r"cannot write .*car 1.overlay.jpg: .*too large; free some space"
        ) as caught:
            big.save(tmp_path, ["overlay"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert isinstance(caught.value, OSError)
    assert caught.value.errno == errno.EFBIG
    assert os.listdir(tmp_path) == ["car 1.overlay.jpg"]
    assert (tmp_path / "car 1.overlay.jpg").read_bytes() == before


def test_a_folder_that_cannot_be_made(result, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*choose another folder"):
        result.save(tmp_path / "file")


def test_to_dict_is_json(result):
    document = json.loads(result.to_json())
    assert document == result.to_dict()
    assert {key: document[key] for key in ("source", "model", "labels", "width", "height")} == {
        "source": "some/car 1.jpg",
        "model": "net-carparts",
        "labels": "carparts",
        "width": 60,
        "height": 40,
    }
    hood, wheel = document["parts"]
    assert hood.keys() == {"name", "label", "area_px", "area_fraction", "bbox", "score", "rle", "pieces"}
    assert hood["pieces"][0].keys() == {"area_px", "area_fraction", "bbox", "score", "rle"}
    assert [piece["bbox"] for piece in wheel["pieces"]] == [[50, 30, 9, 8], [2, 30, 8, 8]]
    assert "\n" not in result.to_json()


@pytest.mark.parametrize("polygons", [False, True])
def test_a_coco_document_is_read_by_pycocotools(result, polygons, tmp_path, capsys):
    from pycocotools.coco import COCO

    file = tmp_path / "coco.json"
    file.write_text(json.dumps(coco_document([result, make([[WHEEL, 0]])], polygons=polygons)))
    coco = COCO(str(file))
    assert [image["file_name"] for image in coco.dataset["images"]] == ["some/car 1.jpg", "picture-2"]
    assert coco.getCatIds(catNms=["hood"]) == [HOOD + 1]
    assert len(coco.getCatIds()) == 18  # all parts, not the background
    assert [(a["id"], a["image_id"]) for a in coco.dataset["annotations"]] == [(1, 1), (2, 1), (3, 2)]
    for annotation, part in zip(coco.loadAnns(coco.getAnnIds(imgIds=[1])), result.parts, strict=True):
        encoded = coco.annToRLE(annotation)
        assert np.array_equal(rle.decode(encoded), result.mask == part.label)  # the hole is still there
        assert (annotation["area"], annotation["bbox"]) == (part.area_px, list(part.bbox))
        assert annotation["iscrowd"] == 0
        assert annotation["score"] == part.score


def test_coco_of_one_of_none_and_of_two_kinds(result):
    assert result.to_coco() == coco_document([result])
    assert coco_document([]) == {"images": [], "annotations": [], "categories": []}
    with pytest.raises(OptionError, match="cannot hold both carparts and camvid"):
        coco_document([result, make([[0]], CAMVID)])


def test_supervision_when_missing(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingExtraError, match="pip install supervision"):
        result.to_supervision()


@pytest.mark.skipif(importlib.util.find_spec("supervision") is None, reason="needs supervision")
@pytest.mark.filterwarnings("ignore")  # supervision's own
def test_supervision(result):
    detections = result.to_supervision()
    assert detections.class_id.tolist() == [HOOD, WHEEL]
    assert detections.xyxy.tolist() == [[10, 5, 40, 20], [2, 30, 59, 38]]
    assert detections.confidence.tolist() == [0.75, 0.5]
    assert detections["class_name"].tolist() == ["hood", "wheel"]
    assert np.array_equal(detections.mask[0], result.mask == HOOD)
    assert len(make(np.zeros((3, 4))).to_supervision()) == 0


def test_in_a_notebook(result):
    assert repr(result) == "<Result some/car 1.jpg 60x40 by net-carparts: hood 17.9%, wheel 5.7%>"
    assert repr(make([[0]])) == "<Result image 1x1 by unknown: no parts>"
    preview = Image.open(io.BytesIO(make(np.ones((10, 3000)))._repr_png_()))
    assert preview.format == "PNG"
    assert preview.width == 1200


def test_overlay_and_documents_take_their_options(result):
    image = np.asarray(result.overlay(alpha=0, legend=False))
    inside = (12, 30)  # of the hood, off its outline
    assert image[inside].tolist() == result.image[inside].tolist()
    polygons = coco_document([result], polygons=True)
    assert result.to_coco(polygons=True) == polygons
    assert json.loads(result.to_json(polygons=True)) == result.to_dict(polygons=True)


def test_a_background_is_cropped_not_squeezed(result):
    wide = np.zeros((20, 90, 3), np.uint8)  # the image is 60x40: what it covers of this are the middle 30 columns
    wide[:, :25] = wide[:, 65:] = 255
    pixels = np.asarray(result.cutout(wide))[result.mask == 0]
    assert not pixels[:, :3].any()


def test_a_mask_without_scores_has_none_in_coco():
    [annotation] = make([[WHEEL, 0]]).to_coco()["annotations"]
    assert "score" not in annotation


def test_mask_and_overlay_are_saved_by_default(result, tmp_path):
    assert set(result.save(tmp_path)) == {"mask", "overlay"}


def test_label_sets_of_one_name_do_not_share_a_document(result):
    other = make([[1]], label_set("carparts", ["nothing", "bonnet"]))
    with pytest.raises(OptionError, match="cannot hold both"):
        coco_document([result, other])


def test_a_narrow_soft_border(result):
    alpha = np.asarray(result.cutout(feather=0.8))[..., 3]
    assert 0 < alpha[15, 39] < 255


def test_results_without_a_name_do_not_replace_one_another(tmp_path):
    images = [make([[WHEEL, value]]) for value in range(3)]
    names = [image.save(tmp_path, "mask")["mask"].name for image in images]
    assert len(set(names)) == 3 and names[0] == "picture.mask.png"
    for image, name in zip(images, names, strict=True):
        assert image.save(tmp_path, ["mask", "json"])["mask"].name == name  # its own are replaced
        assert np.array_equal(np.asarray(Image.open(tmp_path / name)), image.mask)


def test_images_of_one_name_in_two_folders_do_not_replace_one_another(tmp_path):
    left, right = (make([[value]], source=f"{side}/0001.jpg") for side, value in (("left", 1), ("right", 2)))
    for _ in range(2):
        paths = [result.save(tmp_path / "out", "mask")["mask"] for result in (left, right)]
        assert [np.asarray(Image.open(path)).item() for path in paths] == [1, 2]
    assert len(os.listdir(tmp_path / "out")) == 2
    again = make([[3]], source="left/0001.jpg")  # of the same image
    assert again.save(tmp_path / "out", "mask")["mask"] == paths[0]
    assert right.save(tmp_path / "elsewhere", "mask")["mask"].name == "0001.mask.png"


def test_names_that_differ_by_their_case_alone_are_one_file_on_some_systems(tmp_path):
    names = {make([[1]], source=name).save(tmp_path, "mask")["mask"].name.lower() for name in ("Car.jpg", "car.jpg")}
    assert len(names) == 2


def test_a_name_of_ones_own_is_not_taken_by_another_image(tmp_path):
    named = make([[1]], source="a/1.jpg").save(tmp_path, "mask", stem="car")["mask"]
    assert make([[2]], source="b/car.jpg").save(tmp_path, "mask")["mask"] != named
    assert make([[3]], source="c/2.jpg").save(tmp_path, "mask", stem="car")["mask"] == named  # as the caller says


def test_file_names_of_coco_are_relative_to_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ds" / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to("ds")
    for name in ("ds/car.jpg", "ds/sub/car.jpg"):
        (tmp_path / name).write_bytes(b"")
    address = "https://example.org/ds/car.jpg"
    sources = ("ds/car.jpg", str(tmp_path / "ds" / "sub" / "car.jpg"), "link/car.jpg", address, "")
    results = [make([[1]], source=source) for source in sources]
    expected = ["car.jpg", "sub/car.jpg", "car.jpg", address, "picture-5"]
    for root in ("ds", tmp_path / "ds"):
        assert [image["file_name"] for image in coco_document(results, root=root)["images"]] == expected
    within = make([[1]], source="ds/sub/car.jpg", root="ds")
    assert coco_document([within])["images"][0]["file_name"] == "sub/car.jpg"
    assert within.to_coco(root=tmp_path)["images"][0]["file_name"] == "ds/sub/car.jpg"
    with pytest.raises(OptionError, match=r"ds/car\.jpg does not lie below ds/sub"):
        coco_document(results, root="ds/sub")


def test_errors_among_results_are_left_out_of_coco_and_logged(result, caplog):
    document = coco_document([ImageError("no.jpg: no such file"), result, ImageError("b.jpg: broken"), make([[1]])])
    assert [image["id"] for image in document["images"]] == [1, 2]
    assert {note["image_id"] for note in document["annotations"]} == {1, 2}
    assert caplog.messages == [
        f"left out of the COCO document: {name}" for name in ("no.jpg: no such file", "b.jpg: broken")
    ]


def test_a_data_uri_is_a_background(result):
    file = io.BytesIO()
    Image.new("RGB", (2, 2), (255, 0, 0)).save(file, "PNG")
    uri = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    pixels = np.asarray(result.cutout(uri))
    assert (pixels[result.mask == 0] == (255, 0, 0, 255)).all()
    with pytest.raises(OptionError, match="neither a colour") as caught:
        result.cutout("A" * 9999)
    assert len(str(caught.value)) < 250
