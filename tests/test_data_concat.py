"""Several data sets become one whose labels mean one thing."""

from pathlib import Path

import numpy as np
import pytest

from carseg.data.concat import concat, remap_classes, subsample
from carseg.data.dataset import Dataset, spread
from carseg.data.load import load as open_data
from carseg.errors import DataError, UnknownNameError
from carseg.labels import label_set

from drawn_data import index_folder

ROAD = label_set("road", ("road", "sky", "car"), background=None)
CARS = label_set("cars", ("ground", "car"))


def opened(folder: Path, labels: object, count: int = 3) -> Dataset:
    index_folder(folder, [f"image{i}" for i in range(count)], classes=3)
    return open_data(folder, labels=labels)


def test_remapped_images_keep_what_is_ignored(tmp_path: Path) -> None:
    road = opened(tmp_path / "road", ROAD)
    cars = remap_classes(road, CARS, {"road": "ground", "sky": "ignore", "car": "car"})
    assert cars.labels is CARS
    for before, after in zip(road, cars, strict=True):
        old, new = before.load()[1], after.load()[1]
        expected = np.array([0, 255, 1] + [255] * 253, np.uint8)[old]
        np.testing.assert_array_equal(new, expected)


def test_a_value_that_is_no_class_stays_an_error(tmp_path: Path) -> None:
    index_folder(tmp_path / "road", ["a"], classes=4)
    cars = remap_classes(
        open_data(tmp_path / "road", labels=ROAD), CARS, {"road": "ground", "sky": "ground", "car": "car"}
    )
    with pytest.raises(DataError, match="not a class"):
        cars[0].load()


def test_a_class_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="lorry"):
        remap_classes(opened(tmp_path / "road", ROAD), CARS, {"road": "ground", "sky": "ground", "car": "lorry"})


def test_concatenated_sets_have_every_image_once_under_a_name_of_its_own(tmp_path: Path) -> None:
    parts = [opened(tmp_path / name, ROAD, count) for name, count in (("one", 2), ("two", 3))]
    whole = concat(parts)
    assert [sample.name for sample in whole] == [f"one/image{i}" for i in (0, 1)] + [f"two/image{i}" for i in range(3)]
    np.testing.assert_array_equal(whole[2].load()[1], parts[1][0].load()[1])


def test_sets_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    road, other = opened(tmp_path / "road", ROAD), opened(tmp_path / "other", ROAD)
    with pytest.raises(DataError, match="relabel"):
        concat([road, remap_classes(other, CARS, {"road": "ground", "sky": "ground", "car": "car"})])
    with pytest.raises(DataError, match="same name"):
        concat([road, road])


def test_a_subsample_is_spread_over_the_whole(tmp_path: Path) -> None:
    road = opened(tmp_path / "road", ROAD, 9)
    assert [sample.name for sample in subsample(road, 3)] == ["image0", "image4", "image8"]
    assert len(subsample(road, 20)) == 9
    assert [len(subsample(road, count)) for count in range(10)] == [*range(10)]
    assert [len(spread(range(1001), count)) for count in (1, 2, 64, 1000)] == [1, 2, 64, 1000]
