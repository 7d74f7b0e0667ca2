"""``carseg.Batch``: rows in, rows out, in every kind of table; what is wrong with an image is its row's error."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

import carseg
from carseg import Batch, OptionError, UnknownNameError

from color_hub import blocks

pytestmark = pytest.mark.usefixtures("blocks_hub")


def content(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def batch() -> Batch:
    return Batch("blocks", columns=("parts", "mask"))


def test_rows_come_back_with_what_predict_finds(batch: Batch) -> None:
    blocks().save("a.png")
    rows = batch({"path": np.array(["a.png"]), "owner": np.array(["me"])})
    expected = carseg.load("blocks").predict("a.png")
    assert list(rows) == ["path", "owner", "error", "width", "height", "parts", "mask"]
    assert rows["owner"].tolist() == ["me"] and rows["error"].tolist() == [None]
    assert (rows["width"][0], rows["height"][0]) == (expected.width, expected.height)
    found = {part["name"]: part for part in rows["parts"][0]}
    assert list(found) == [part.name for part in expected.parts]
    for part in expected.parts:
        assert found[part.name]["rle"] == part.rle and tuple(found[part.name]["bbox"]) == part.bbox
        assert [piece["area_px"] for piece in found[part.name]["pieces"]] == [piece.area_px for piece in part.pieces]
    assert (np.asarray(Image.open(io.BytesIO(rows["mask"][0]))) == expected.mask).all()


@pytest.mark.parametrize("kind", ["dict", "pandas", "table", "record batch"])
def test_every_kind_of_table_gives_the_same(batch: Batch, kind: str) -> None:
    columns = {"key": ["good", "bad"], "bytes": [content(blocks()), b"no image"]}
    make: dict[str, Any] = {
        "dict": lambda: {name: np.array(values, object) for name, values in columns.items()},
        "pandas": lambda: pd.DataFrame(columns, index=[7, 9]),
        "table": lambda: pa.table(columns),
        "record batch": lambda: pa.RecordBatch.from_pydict(columns),
    }
    given = make[kind]()
    rows = batch(given)
    assert type(rows) is type(given)
    if kind == "pandas":
        assert rows.index.tolist() == [7, 9]
        rows = rows.astype(object).where(rows.notna(), None).to_dict("list")
    elif kind != "dict":
        rows = rows.to_pydict()
    assert list(rows) == ["key", "error", "width", "height", "parts", "mask"]  # without the images
    assert rows["error"][0] is None and "bad" in rows["error"][1]
    assert [part["name"] for part in rows["parts"][0]] == ["left_door", "wheel"]
    assert rows["parts"][1] is None and rows["mask"][1] is None and rows["width"][1] is None


def test_arrow_types_are_the_same_where_nothing_was_found(batch: Batch) -> None:
    black = content(Image.new("RGB", (64, 64)))
    some, none, empty = (
        batch(pa.table({"bytes": pa.array(values, pa.binary())})) for values in ([content(blocks())], [black], [])
    )
    assert some.schema == none.schema == empty.schema
    assert none["parts"].to_pylist() == [[]] and len(empty) == 0


def test_an_image_that_is_missing_or_elsewhere_and_missing_costs_its_row_alone(batch: Batch) -> None:
    blocks().save("a.png")
    paths = np.array(["none.png", "memory://nowhere/b.png", None, "a.png"], object)
    errors = batch({"path": paths})["error"]
    assert "none.png: no such file" in errors[0]
    assert "memory://nowhere/b.png: no such file" in errors[1]
    assert "row 2" in errors[2]
    assert errors[3] is None


def test_images_are_read_where_fsspec_finds_them(batch: Batch) -> None:
    import fsspec

    system = fsspec.filesystem("memory")
    system.pipe_file("/cars/a.png", content(blocks()))
    rows = batch({"path": np.array(["memory://cars/a.png"])})
    assert rows["error"].tolist() == [None] and rows["width"].tolist() == [96]


def test_it_travels(batch: Batch) -> None:
    again = pickle.loads(pickle.dumps(batch))
    rows = {"bytes": np.array([content(blocks())], object)}
    assert again(rows)["parts"][0] == batch(rows)["parts"][0]
    assert (again.columns, again.settings) == (batch.columns, batch.settings)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"columns": ("part",)}, UnknownNameError, "did you mean parts"),
        ({"columns": "parts"}, OptionError, "columns must be some of"),
        ({"columns": ()}, OptionError, "columns must be some of"),
        ({"sides": "left"}, OptionError, "sides"),
        ({"min_area": 2}, OptionError, "min_area"),
        ({"batch_size": 0}, OptionError, "batch_size"),
    ],
)
def test_what_cannot_work_is_said_where_it_is_made(arguments: dict[str, Any], error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        Batch("blocks", **arguments)


def test_cars_are_refused_of_classes_that_tell_none() -> None:
    with pytest.raises(OptionError, match="do not show cars"):
        Batch("drivable", columns=("cars",))


def test_rows_without_images_are_refused(batch: Batch) -> None:
    with pytest.raises(OptionError, match="need a column bytes or path, got file"):
        batch({"file": np.array(["a.png"])})
    with pytest.raises(OptionError, match="got list"):
        batch([{"path": "a.png"}])


def test_a_model_that_is_loaded_is_taken_as_it_is() -> None:
    model = carseg.load("blocks", runtime="torch")
    assert Batch(model).segmenter is model


def test_paths_may_be_objects(batch: Batch) -> None:
    blocks().save("a.png")
    assert batch({"path": [Path("a.png")]})["error"].tolist() == [None]
    assert os.path.exists("a.png")
