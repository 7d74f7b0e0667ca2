"""Tables of results: a row for each piece of each part, in every kind of file; crops, and the lines of many images."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carseg import MissingExtraError, OptionError, PartNotFoundError, Result
from carseg.cli.main import main
from carseg.inference import check_table, rows_of, table_file
from carseg.labels import CARPARTS

from drawn_car import drawn

CAR = Path(__file__).parents[1] / "examples" / "car.jpg"
MODEL = "fpn-mobilenetv2-carparts"


def car(source: str = "a/b.jpg") -> Result:
    mask = np.kron(drawn("front-left"), np.ones((4, 4), np.uint8))
    image = np.random.default_rng(0).integers(0, 256, (*mask.shape, 3), np.uint8)
    return Result(mask, CARPARTS, image, source=source, model="net", scores={CARPARTS.classes.index("wheel"): 0.5})


def read(path: Path) -> list[dict[str, object]]:
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if path.suffix == ".parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        rows: list[dict[str, object]] = parquet.read_table(path).to_pylist()
        return rows
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_each_kind_of_file_holds_a_row_for_each_piece(tmp_path: Path, ending: str) -> None:
    result = car()
    path = tmp_path / "deep" / f"t.{ending}"
    with table_file(path) as table:
        for _ in range(3):
            table.add(rows_of(result.to_dict()))
        assert not path.exists()  # it appears as a whole
    rows = read(path)
    assert len(rows) == 3 * sum(len(part.pieces) for part in result.parts)
    wheels = [row for row in rows if row["part"] == "wheel"][:2]
    assert [int(str(row["piece"])) for row in wheels] == [1, 2]
    sides = ("x", "y", "width", "height")
    assert tuple(int(str(wheels[0][side])) for side in sides) == result.parts["wheel"].pieces[0].bbox
    assert {float(str(row["part_score"])) for row in wheels} == {0.5}


def test_files_of_no_rows_can_be_read(tmp_path: Path) -> None:
    for ending in ("csv", "jsonl", "parquet"):
        with table_file(tmp_path / f"t.{ending}"):
            pass
        assert read(tmp_path / f"t.{ending}") == []


def test_another_ending_is_refused_before_anything_is_computed(capsys) -> None:
    with pytest.raises(OptionError, match=r"\.csv, \.jsonl or \.parquet"):
        check_table("t.xlsx")
    assert main(["predict", str(CAR), "--table", "t.xlsx"]) == 2
    assert "t.xlsx cannot be written as a table" in capsys.readouterr().err


def test_missing_packages_are_named_with_their_pip_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'carseg\[table\]'"):
        check_table(tmp_path / "t.parquet")
    with pytest.raises(MissingExtraError, match=r"pip install 'carseg\[table\]'"):
        car().to_dataframe()


def test_a_data_frame_has_the_same_rows() -> None:
    pytest.importorskip("pandas")
    frame = car().to_dataframe()
    assert list(frame[frame.part == "wheel"].piece) == [1, 2]
    empty = Result(np.zeros((4, 4), np.uint8), CARPARTS, np.zeros((4, 4, 3), np.uint8)).to_dataframe()
    assert list(empty.columns) == list(frame.columns) and empty.empty


def test_a_crop_is_the_box_of_a_part_and_a_margin() -> None:
    result = car()
    x, y, width, height = result.parts["hood"].bbox
    np.testing.assert_array_equal(
        np.asarray(result.crop("hood", margin=0)), result.image[y : y + height, x : x + width]
    )
    assert result.crop("hood", margin=0.5).size[0] > width
    assert result.crop("hood", margin=99).size == (256, 256)
    with pytest.raises(PartNotFoundError):
        result.crop("tailgate")
    with pytest.raises(OptionError, match="margin"):
        result.crop("hood", margin=-1)


def test_the_gray_mask_has_the_label_ids(tmp_path: Path) -> None:
    path = car().save(tmp_path, "gray")["gray"]
    with Image.open(path) as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image), car().mask)


def test_several_images_get_a_line_each_one_image_its_table(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        Path(f"{name}.jpg").write_bytes(CAR.read_bytes())
    arguments = ["predict", "one.jpg", "two.jpg", "--model", MODEL, "--table", "t.csv"]
    assert main([*arguments, "--save", "coco"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["one.jpg", "two.jpg"]
    assert "%" in lines[0] and "hood" in lines[0]
    assert {row["source"] for row in read(Path("t.csv"))} == {"one.jpg", "two.jpg"}
    [image] = json.loads(Path("carseg-out/one.coco.json").read_text())["images"]
    assert image["file_name"] == "one.jpg"
    assert main([*arguments, "--save", "", "--verbose"]) == 0
    assert capsys.readouterr().out.count("part  ") == 2
    assert main(["predict", "one.jpg", "--model", MODEL, "--save", ""]) == 0
    assert "part  " in capsys.readouterr().out


def test_one_file_can_be_named(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one.jpg").write_bytes(CAR.read_bytes())
    for _ in range(2):  # an older one is replaced
        assert main(["predict", "one.jpg", "--model", MODEL, "--save", "cutout", "-o", "cut.png"]) == 0
    with Image.open("cut.png") as image:
        assert image.mode == "RGBA"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.png", "one.jpg"]
    capsys.readouterr()
    for wrong, reason in (
        (["one.jpg", "-o", "cut.png"], "one kind of result, such as --save cutout"),
        (["one.jpg", "--save", "json", "-o", "cut.png"], "json is written as .json"),
        (["one.jpg", "--save", "cutout", "-o", "one.jpg"], "cutout is written as .png"),
    ):
        assert main(["predict", *wrong, "--model", MODEL]) == 2
        assert reason in capsys.readouterr().err


def test_an_image_may_come_on_standard_input(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CAR.read_bytes())))
    assert main(["predict", "-", "--model", MODEL, "--save", "cutout", "-o", "cut.png"]) == 0
    assert "hood" in capsys.readouterr().out
    assert Path("cut.png").is_file()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    assert main(["predict", "-", "--model", MODEL]) == 2 or "standard input is empty" in capsys.readouterr().err
