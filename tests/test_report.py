"""``carseg report``: what is seen and missing, where best, and what is wrong with the photographs."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import carseg
from carseg.cars import VIEWS
from carseg.cli.main import main
from carseg.inference import Segmenter
from carseg.labels import CARPARTS

from color_hub import photo as blocks_photo
from drawn_car import drawn
from drawn_photos import BODY, CARS, MODEL, photo, pixels, write_hub
from schemas import validate

SIDES = ("front", "rear", "left", "right")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hub(tmp_path_factory.mktemp("hub"))


@pytest.fixture(scope="module")
def model(hub: Path) -> Segmenter:
    return carseg.load(MODEL, hub=hub, runtime="torch", device="cpu")


@pytest.fixture
def here(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with photographs of the four sides."""
    from carseg.cli import process

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARSEG_HUB", str(hub))
    monkeypatch.setattr(process, "prepare", lambda: None)  # settings of this process are the test runner's
    for side in SIDES:
        photo(tmp_path / "car" / f"{side}.png", side)
    return tmp_path


def run(*arguments: str) -> int:
    return main(["report", *arguments, "--model", MODEL])


def document(folder: str = "carseg-report") -> dict:
    found = json.loads(Path(folder, "report.json").read_text("utf-8"))
    validate("report", found)
    return found


def test_four_sides_show_all_of_a_car(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("car", "--require", "front,rear,left,right,wheel:4,mirror:2,door:4") == 0
    found = document()
    assert found["ok"] and found["missing"] == []
    assert found["missing_parts"] == []  # a trunk is seen, so no tailgate is
    assert [side["photos"] for side in found["sides"]] == [[1], [3], [2], [4]]
    assert found["wheel_count"] == 4
    printed = capsys.readouterr().out
    assert "front_left_door" in printed and "rear_right_wheel" in printed


def test_what_is_missing_is_said_in_plain_words(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("car/front.png", "car/left.png", "--require", "front,rear", "--require", "wheel:4,trunk,mirror:2") == 1
    said = capsys.readouterr().err
    assert "missing: the rear, 2 of 4 wheels (front right wheel, rear right wheel), the trunk\n" in said
    found = document()
    assert found["missing"][:1] == ["the rear"] and not found["ok"]
    assert found["missing_sides"] == ["rear", "right"]
    assert {"back_bumper", "back_right_door"} < {*found["missing_parts"]}


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_shows_the_sides_in_its_name(model: Segmenter, view: str) -> None:
    made = carseg.report([pixels(drawn(view))], model=model, require=SIDES)
    assert {side for side, numbers in made.sides.items() if numbers} == {*view.split("-")}
    assert [name for name, numbers in made.views.items() if numbers] == [view]


@pytest.mark.parametrize(
    ("views", "count"),
    [
        (["left"], 2),
        (["left", "front-left", "rear-left"], 2),  # the same two wheels
        (["rear-left", "right"], 4),
        (["front"], 0),
        ([], 0),
    ],
)
def test_wheels_are_counted_once(model: Segmenter, views: list[str], count: int) -> None:
    made = carseg.report([*map(pixels, map(drawn, views)), np.zeros((9, 9, 3), np.uint8)], model=model)
    assert made.wheel_count == count


def test_two_wheels_from_the_front_are_two_that_have_no_name(model: Segmenter) -> None:
    mask = drawn("front")
    mask[44:56, 12:16] = mask[44:56, 48:52] = CARPARTS.classes.index("wheel")
    made = carseg.report([pixels(mask)], model=model, require="wheel:4")
    assert made.wheel_count == 2
    assert not any(made.wheels.values())
    assert made.missing == ("2 of 4 wheels",)  # which ones is not known
    assert [wheel.name for wheel in made.photos[0].wheels] == ["wheel", "wheel"]


def test_a_part_is_shown_where_it_is_seen_best(model: Segmenter) -> None:
    whole = pixels(drawn("front"))
    small = np.zeros_like(whole)
    small[:128, :128] = whole[::2, ::2]
    cut = np.zeros_like(whole)
    cut[:156] = whole[100:]  # the hood lies on the upper edge
    made = carseg.report([small, cut, whole, small], model=model)
    assert made.parts["hood"] == [1, 2, 3, 4]
    assert made.best["hood"].photo == 3
    with Image.open(io.BytesIO(made.best["hood"].jpeg)) as jpeg:
        assert np.abs(np.asarray(jpeg)[jpeg.height // 2, jpeg.width // 2] - np.array(CARPARTS.colors[13])).max() < 30


def test_a_blurred_photograph_is_no_part_s_best(here: Path) -> None:
    photo(here / "two/a.png", "left", blur=3)
    photo(here / "two/b.png", "left")
    assert run("two") == 0
    found = document()
    assert [photo["warnings"] and photo["warnings"][0]["kind"] for photo in found["photos"]] == ["blurred", []]
    seen_twice = [part["best"]["photo"] for part in found["parts"] if part["photos"] == [1, 2]]
    assert {*seen_twice} == {2}


def test_what_cannot_be_read_is_named_and_the_others_are_done(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "car/broken.png").write_bytes((here / "car/left.png").read_bytes()[:200])
    (here / "car/empty.jpg").write_bytes(b"")
    assert run("car", "nowhere.jpg", "--require", "front") == 1
    said = capsys.readouterr().err
    for name in ("car/broken.png", "car/empty.jpg", "nowhere.jpg"):
        assert f"error: {name}: " in said
    found = document()
    assert len(found["photos"]) == 4 and found["missing"] == [] and not found["ok"]
    assert {failure["source"] for failure in found["failed"]} == {"car/broken.png", "car/empty.jpg", "nowhere.jpg"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "no such file or folder"),
        (["car", "--require", "reer"], "did you mean rear"),
        (["car", "--require", "wheels"], "did you mean wheel"),
        (["car", "--require", "wheel:5"], "at most 4"),
        (["car", "--require", "hood:two"], "NAME:NUMBER"),
        (["car", "--out", "."], "choose a folder in it"),
        (["car", "--out", "car"], "front.png, which is not from a report"),
    ],
)
def test_wrong_usage_writes_nothing(
    here: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(here.rglob("*"))
    assert run(*arguments) == 2
    assert said in capsys.readouterr().err
    assert sorted(here.rglob("*")) == before


def test_a_report_is_replaced_as_a_whole(here: Path) -> None:
    assert run("car", "--out", "report") == 0
    assert Path("report/crops/hood.jpg").exists()
    assert run("car/rear.png", "--out", "report") == 0
    assert document("report")["missing_sides"] == ["front", "left", "right"]
    names = {path.name for path in Path("report/crops").iterdir()}
    assert "hood.jpg" not in names and "trunk.jpg" in names
    assert {path.name for path in Path("report").iterdir()} == {"crops", "report.html", "report.json"}
    assert sorted(path.name for path in here.iterdir()) == ["car", "report"]


def test_an_earlier_report_is_no_photograph(here: Path) -> None:
    assert run("car", "--out", "car/report") == 0
    assert run("car", "--out", "car/report") == 0
    assert len(document("car/report")["photos"]) == 4
    crop = next(Path("car/report/crops").iterdir())
    assert run(str(crop), "--out", "car/report") == 2
    assert crop.exists()
    assert run("car/report", "--out", "car/report") == 2


def test_a_folder_with_anything_else_is_left_alone(here: Path) -> None:
    assert run("car", "--out", "report") == 0
    Path("report/notes.txt").write_text("mine")
    assert run("car", "--out", "report") == 2
    assert Path("report/notes.txt").read_text() == "mine"
    Path("other").mkdir()
    Path("other/report.json").write_text("[]")
    assert run("car", "--out", "other") == 2


def test_a_photograph_that_is_given_twice_counts_once(here: Path) -> None:
    assert run("car/left.png", "car", "car/*.png") == 0
    assert len(document()["photos"]) == 4


def test_models_of_other_classes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(carseg.OptionError, match=r"are others .*use the model parts"):
        carseg.report("car", model="car")
    blocks_photo(here / "blocks.png")
    assert main(["report", "blocks.png", "--model", "blocks", "--require", "wheel,door:2"]) == 1
    assert "missing: 1 of 2 doors (right door)\n" in capsys.readouterr().err
    found = document()
    assert found["sides"] == found["views"] == found["wheels"] == []
    assert found["photos"][0]["view"] is None
    assert main(["report", "blocks.png", "--model", "blocks", "--require", "front"]) == 2
    assert "do not tell front and rear apart" in capsys.readouterr().err


def test_a_second_model_tells_what_all_of_a_car_is(here: Path) -> None:
    car = pixels(drawn("left"))
    car[60:190, 16:244] = np.maximum(car[60:190, 16:244], np.array(BODY, np.uint8))
    Image.fromarray(car).save("roof.png")
    shares = []
    for arguments in ([], ["--cars", CARS]):
        assert run("roof.png", *arguments) == 0
        found = document()
        shares.append(sum(part["car_fraction"] for part in found["photos"][0]["parts"]))
    assert shares[0] > 0.98 > 0.9 > shares[1]
    assert found["cars_model"] == CARS


def test_photographs_from_memory_are_told_one_after_another(model: Segmenter) -> None:
    done: list[tuple[int, int]] = []
    read = 0

    def photos():
        nonlocal read
        for view in VIEWS * 3:
            read += 1
            assert read - len(done) < 20  # they are not all read before the first is looked at
            yield pixels(drawn(view))

    made = carseg.report(photos(), model=model, progress=lambda *given: done.append(given))
    assert [number for number, _ in done] == list(range(1, 25))
    assert made.photos[4].source == "picture-5"


def test_names_of_files_need_be_no_text(here: Path) -> None:
    name = "car/a & <b> \udce4.png"
    try:
        photo(here / name, "rear")
    except OSError:
        pytest.skip("this file system has no such names")
    assert run("car") == 0
    page = Path("carseg-report/report.html").read_text("utf-8")
    assert "a &amp; &lt;b&gt;" in page and "<b>" not in page
    document()
