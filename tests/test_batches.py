"""Which images a step sees, and whether what reads them gives the same pixels."""

from __future__ import annotations

import signal
from pathlib import Path

import torch

from carseg.data.load import load as open_data
from carseg.training.batches import CachedBatches, DecodedBatches, Sampler, cached_pixels, read_masks

from drawn_data import index_folder


def test_rare_classes_are_drawn_more_often() -> None:
    present = torch.ones(12, 3)
    present[:, 2] = 0
    present[5, 2] = 10  # one image alone has the last class
    sampler = Sampler(12, 12, seed=0, present=present)
    counts = sum(torch.bincount(sampler(step), minlength=12) for step in range(50))
    assert counts[5] > 3 * counts[[i for i in range(12) if i != 5]].float().mean()


def test_unless_balanced_every_image_is_drawn_once_per_epoch() -> None:
    sampler = Sampler(12, 4, seed=0)
    epochs = [torch.cat([sampler(3 * epoch + step) for step in range(3)]).tolist() for epoch in range(2)]
    assert [sorted(drawn) for drawn in epochs] == [list(range(12))] * 2
    assert epochs[0] != epochs[1]


def test_processes_share_a_batch() -> None:
    whole = Sampler(12, 4, seed=1)(7)
    shares = [Sampler(12, 4, seed=1, rank=rank, processes=2)(7) for rank in range(2)]
    assert sorted(torch.cat(shares).tolist()) == sorted(whole.tolist()) and len(shares[0]) == 2


def test_decoded_and_cached_batches_are_the_same_from_any_step_on(tmp_path: Path) -> None:
    index_folder(tmp_path / "data", [f"image{i}" for i in range(10)])
    data, sampler, size = open_data(tmp_path / "data"), Sampler(10, 4, seed=3), (20, 28)
    pixels = cached_pixels(data, size, tmp_path / "cache", workers=1, device=torch.device("cpu"))
    cached, decoded = CachedBatches(*pixels, sampler), DecodedBatches(data, size, sampler, workers=2)
    for step in (5, 6, 7, 0):  # the last time as a resumed run goes back
        for one, other in zip(cached(step), decoded(step), strict=True):
            assert one.dtype == other.dtype == torch.uint8 and torch.equal(one, other)
    decoded.close()
    if hasattr(signal, "SIGCHLD"):
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL  # the process's own
    assert all(torch.equal(mask, kept) for mask, kept in zip(read_masks(data, size, workers=2), pixels[1], strict=True))
