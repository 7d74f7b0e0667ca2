"""``carseg label``: a folder of images becomes a folder of images and labels, whole, that carseg reads again."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from xml.etree.ElementTree import canonicalize

import numpy as np
import pytest
from PIL import Image

import carseg
from carseg import DataError, ImageError, Result
from carseg.cli.main import main
from carseg.data import WRITERS, load
from carseg.labels import CARPARTS

from drawn_car import drawn
from modules import module

MODEL = "fpn-mobilenetv2-carparts"
CAR = Path(__file__).parents[1] / "examples" / "car.jpg"


@pytest.fixture(scope="module")
def network():
    with carseg.load(MODEL, threads=1) as model:
        yield model


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder of two photographs, one of them deeper down, and a broken one."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    (folder / "car.jpg").write_bytes(CAR.read_bytes())
    with Image.open(CAR) as image:
        image.resize((320, 240)).save(folder / "sub" / "car.png")
    (folder / "torn.jpg").write_bytes(CAR.read_bytes()[:999])
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    """Return the files below a folder, XML in its canonical form."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    canonical = functools.partial(canonicalize, strip_text=True)
    return {
        name: canonical(path.read_text()).encode() if path.suffix == ".xml" else path.read_bytes()
        for name, path in files.items()
    }


def car() -> Result:
    """Return a drawn car, 256 x 256 pixels, with scores."""
    mask = np.kron(drawn("front-left"), np.ones((4, 4), np.uint8))
    scores = {label: 0.75 for label in np.unique(mask).tolist()}
    image = np.zeros((*mask.shape, 3), np.uint8)
    return Result(mask, CARPARTS, image, source="a/b.jpg", root="a", model="net", scores=scores)


@pytest.mark.parametrize("format", sorted(WRITERS))
def test_every_format_is_read_again(network, photos: Path, tmp_path: Path, format: str) -> None:
    done = carseg.label(photos, tmp_path / "out", format, model=network)
    assert (done.images, list(done.broken)) == (2, [str(photos / "torn.jpg")])
    read = load(tmp_path / "out")
    assert read.labels.classes == network.labels.classes
    assert [sample.name for sample in read] == ["car", "sub/car"]
    for sample, file in zip(read, ("car.jpg", "sub/car.png"), strict=True):
        rgb, mask = sample.load()
        result = network.predict(photos / file)
        np.testing.assert_array_equal(rgb, result.image)
        present = (mask > 0) | (result.mask > 0)
        assert (mask == result.mask)[present].mean() >= (1 if format in ("masks", "voc") else 0.97)


def test_the_command_names_what_failed_and_writes_the_rest(photos: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    arguments = ["label", str(photos), "--out", str(out), "--model", MODEL]
    assert main([*arguments, "--to", "coco"]) == 1
    printed = capsys.readouterr()
    assert "torn.jpg" in printed.err
    assert printed.out.startswith(f"{out}: 2 images, ")
    document = json.loads((out / "annotations.json").read_text())
    assert [image["file_name"] for image in document["images"]] == ["car.jpg", "sub/car.png"]
    assert {type(note["score"]) for note in document["annotations"]} == {float}
    vertices = [sum(map(len, note["segmentation"])) / 2 for note in document["annotations"]]
    assert np.mean(vertices) < 40
    assert main([*arguments, "--to", "labelme"]) == 1
    assert "holds images already" in capsys.readouterr().err
    assert not list(out.rglob("car.json"))


def test_nothing_is_left_where_no_image_can_be_read(network, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="torn"):
        carseg.label([photos / "torn.jpg"], tmp_path / "out", "yolo", model=network)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]


def test_images_from_memory_and_of_one_name_have_names_of_their_own(network, photos: Path, tmp_path: Path) -> None:
    images = [np.asarray(Image.open(CAR)), photos / "car.jpg", photos / "sub" / "car.png", CAR]
    done = carseg.label(images, tmp_path / "out", "masks", model=network)
    assert done.images == 4
    names = [sample.name for sample in load(tmp_path / "out")]
    assert {"picture-1", "car", "car.png", "car.jpg"} == set(names)


def test_labels_that_somebody_may_have_corrected_are_never_overwritten(network, photos: Path, tmp_path: Path) -> None:
    carseg.label(photos, tmp_path / "out", "labelme", model=network)
    (tmp_path / "out" / "car.json").write_text("mine")
    with pytest.raises(DataError, match="into a new folder"):
        carseg.label(photos, tmp_path / "out", "labelme", model=network)
    assert (tmp_path / "out" / "car.json").read_text() == "mine"


@pytest.mark.parametrize("format", sorted(WRITERS))
def test_a_killed_run_goes_on(network, photos: Path, tmp_path: Path, monkeypatch, format: str) -> None:
    monkeypatch.setattr(module("workflows.label"), "_PORTION", 1)

    def kill(number: int) -> None:
        if number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carseg.label(photos, tmp_path / "out", format, model=network, progress=kill)
    [sample] = load(tmp_path / "out")
    assert sample.name == "car"
    done = carseg.label(photos, tmp_path / "out", format, model=network, skip_existing=True)
    assert (done.images, done.skipped, len(done.broken)) == (1, 1, 1)
    carseg.label(photos, tmp_path / "whole", format, model=network)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    assert carseg.label(photos, tmp_path / "out", format, model=network, skip_existing=True).images == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_what_somebody_has_corrected_stays_and_new_images_are_added(network, photos: Path, tmp_path: Path) -> None:
    (photos / "torn.jpg").unlink()
    carseg.label(photos, tmp_path / "out", "labelme", model=network)
    corrected = json.loads((tmp_path / "out" / "car.json").read_text())
    corrected["shapes"] = corrected["shapes"][:1]
    (tmp_path / "out" / "car.json").write_text(json.dumps(corrected))
    (photos / "new.jpg").write_bytes(CAR.read_bytes())
    done = carseg.label(photos, tmp_path / "out", "labelme", model=network, skip_existing=True)
    assert (done.images, done.skipped) == (1, 2)
    assert json.loads((tmp_path / "out" / "car.json").read_text()) == corrected
    assert len(load(tmp_path / "out")) == 3
    for other in ("coco", "masks"):
        with pytest.raises(DataError, match=r"another format or other classes \(labelme\)"):
            carseg.label(photos, tmp_path / "out", other, model=network, skip_existing=True)


def test_annotations_whose_ids_begin_at_0_are_gone_on_with(network, photos: Path, tmp_path: Path) -> None:
    (photos / "torn.jpg").unlink()
    carseg.label(photos, tmp_path / "out", "coco", model=network)
    file = tmp_path / "out" / "annotations.json"
    exported = json.loads(file.read_text())
    for annotation in exported["annotations"]:
        annotation["id"] -= 1
    file.write_text(json.dumps(exported))
    (photos / "new.jpg").write_bytes(CAR.read_bytes())
    assert carseg.label(photos, tmp_path / "out", "coco", model=network, skip_existing=True).images == 1
    after = json.loads(file.read_text())
    assert after["annotations"][: len(exported["annotations"])] == exported["annotations"]
    assert [image["id"] for image in after["images"]] == [1, 2, 3]


@pytest.mark.parametrize("format", sorted(WRITERS))
def test_nothing_is_written_among_the_images(network, photos: Path, format: str) -> None:
    before = {path: path.read_bytes() for path in photos.rglob("*") if path.is_file()}
    with pytest.raises(DataError, match="into a new folder"):
        carseg.label(photos, photos, format, model=network)
    assert {path: path.read_bytes() for path in photos.rglob("*") if path.is_file()} == before


def test_the_frames_of_a_video_are_images_of_their_own(network, tmp_path: Path) -> None:
    from drawn_video import clip, write_clip

    video = carseg.Video(write_clip(tmp_path / "in" / "drive.mp4", clip(6)), every=3)
    assert carseg.label([video], tmp_path / "out", "coco", model=network).images == 2
    read = load(tmp_path / "out")
    assert [(sample.name, sample.image.suffix) for sample in read] == [
        ("drive-000000", ".png"),
        ("drive-000003", ".png"),
    ]


def test_a_result_becomes_the_document_of_a_tool() -> None:
    result = car()
    labelme = result.to_labelme()
    assert (labelme["imagePath"], labelme["imageHeight"], labelme["model"]) == ("b.jpg", 256, "net")
    assert {shape["shape_type"] for shape in labelme["shapes"]} == {"polygon"}
    assert [shape["label"] for shape in labelme["shapes"]].count("wheel") == 2  # pieces are shapes of their own
    lines = result.to_yolo(tolerance=0).splitlines()
    assert len(lines) == len(labelme["shapes"])
    assert {line.split()[0] for line in lines} == {str(part.label - 1) for part in result.parts}
    assert 'name="b.jpg" width="256" height="256"' in result.to_cvat()
    task = result.to_label_studio()
    assert task["data"]["image"].endswith("b.jpg")
    assert task["predictions"][0]["model_version"] == "net"
    assert len(task["predictions"][0]["result"]) == len(lines)
    with_polygons = result.to_coco(polygons=True, tolerance=None)
    assert [image["file_name"] for image in with_polygons["images"]] == ["b.jpg"]
    np.testing.assert_array_equal(np.asarray(result.to_voc()), result.mask)


def test_the_score_of_each_piece_is_kept(network) -> None:
    result = network.predict(CAR)
    scores = {piece.score for part in result.parts for piece in part.pieces}
    assert {shape["score"] for shape in result.to_labelme()["shapes"]} == scores
    assert {shape["score"] for shape in result.to_label_studio()["predictions"][0]["result"]} == scores
    assert all(f">{round(score, 4)}<" in result.to_cvat() for score in scores)
