"""Images decoded and resized once."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from carseg.data.cache import build_cache
from carseg.data.dataset import Sample
from carseg.data.load import load as open_data
from carseg.errors import ImageError

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
