"""Images decoded and resized once."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from carseg.data.cache import build_cache
from carseg.data.dataset import Sample
from carseg.data.load import load as open_data
from carseg.errors import DataError, ImageError

from drawn_data import index_folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    index_folder(tmp_path / "data", [f"image{i}" for i in range(4)])
    return tmp_path / "data"


def test_it_holds_every_image_and_mask_at_one_size(data: Path, tmp_path: Path) -> None:
    samples = open_data(data)
    cache = build_cache(samples, (48, 64), tmp_path / "cache")
    for i, sample in enumerate(samples):
        rgb, mask = sample.load()  # 48 x 64 as stored
        assert np.array_equal(cache.images[i], rgb.transpose(2, 0, 1))
        assert np.array_equal(cache.masks[i], mask)
    small = build_cache(samples, (12, 20), tmp_path / "cache")
    assert small.images.shape == (4, 3, 12, 20)
    assert small.masks.shape == (4, 12, 20)
    assert set(np.unique(small.masks)) <= {0, 1, 2}


def test_a_finished_cache_is_read_and_not_built_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = open_data(data)
    first = build_cache(samples, (12, 20), tmp_path / "cache").images.copy()
    monkeypatch.setattr(Sample, "load", lambda self: pytest.fail("read again"))
    assert np.array_equal(build_cache(samples, (12, 20), tmp_path / "cache").images, first)


def test_changed_labels_or_images_are_read_anew(data: Path, tmp_path: Path) -> None:
    samples = open_data(data)
    first = build_cache(samples, (12, 20), tmp_path / "cache")
    shutil.copy(data / "masks" / "image0.png", data / "masks" / "image1.png")
    with pytest.warns(UserWarning, match="images or labels have changed"):
        second = build_cache(samples, (12, 20), tmp_path / "cache")
    assert np.array_equal(second.masks[1], first.masks[0]) and not np.array_equal(second.masks[1], first.masks[1])
    shutil.copy(data / "images" / "image2.png", data / "images" / "image3.png")
    with pytest.warns(UserWarning, match="images or labels have changed"):
        third = build_cache(samples, (12, 20), tmp_path / "cache")
    assert np.array_equal(third.images[3], first.images[2])
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_moved_folder_keeps_its_cache(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_cache(open_data(data), (12, 20), tmp_path / "cache")
    data.rename(tmp_path / "moved")
    samples = open_data(tmp_path / "moved")
    monkeypatch.setattr(Sample, "load", lambda self: pytest.fail("read again"))
    build_cache(samples, (12, 20), tmp_path / "cache")


def test_labels_that_cannot_be_pickled_are_compared_by_what_they_hold(data: Path, tmp_path: Path) -> None:
    class Drawn:
        def __init__(self, value: int) -> None:
            self.value = value

        def read(self, height: int, width: int) -> np.ndarray:
            return np.full((height, width), self.value, np.uint8)

    first, second = ([replace(sample, label=Drawn(value)) for sample in open_data(data)] for value in (1, 2))
    build_cache(first, (12, 20), tmp_path / "cache")
    with pytest.warns(UserWarning, match="have changed"):
        assert (build_cache(second, (12, 20), tmp_path / "cache").masks == 2).all()


def test_training_cannot_change_what_is_on_the_disk(data: Path, tmp_path: Path) -> None:
    samples = open_data(data)
    cache = build_cache(samples, (12, 20), tmp_path / "cache")
    kept = cache.masks.copy()
    cache.masks[:] = 9
    assert np.array_equal(build_cache(samples, (12, 20), tmp_path / "cache").masks, kept)


def test_a_broken_image_leaves_nothing_half_done(data: Path, tmp_path: Path) -> None:
    (data / "images" / "image2.png").write_bytes(b"broken")
    with pytest.raises(ImageError, match="image2"):
        build_cache(open_data(data), (12, 20), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="room on the disk is taken beforehand on Linux only")
def test_a_full_disk_is_an_error_before_anything_is_read(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    samples = open_data(data)
    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr(Sample, "load", lambda self: pytest.fail("read"))
    with pytest.raises(OSError, match="No space left"):
        build_cache(samples, (12, 20), tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_file_that_cannot_be_read_is_named_and_no_cache_is_made(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, opened = open_data(data), Path.open

    def failing(path: Path, *arguments: object, **keywords: object) -> object:
        if path.name == "image2.png":
            raise OSError(5, "Input/output error")
        return opened(path, *arguments, **keywords)

    monkeypatch.setattr(Path, "open", failing)
    with pytest.raises(DataError, match=r"image2\.png cannot be read: Input/output error"):
        build_cache(samples, (12, 20), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
