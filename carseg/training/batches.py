"""The images of each step, decoded once beforehand or as they come; both give the very same pixels.

Which images a step sees depends on the seed and the step's number alone, so a run can begin at any step.
"""

from __future__ import annotations

import hashlib
import itertools
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from carseg._env import usable_processors
from carseg.data import Dataset, build_cache, cache_bytes, load_resized
from carseg.errors import CarsegError, DataError, TrainingError

CACHE_LIMIT = 16 * 2**30  # bytes on the disk that the decoded images may take where nobody says; half of what is free
Pixels = tuple[Tensor, Tensor]  # images uint8 (n, 3, H, W), masks uint8 (n, H, W)


class Sampler:
    """Draws the images of a step.

    Args:
        count: number of images.
        batch_size: images per step, over all processes.
        seed: of the order.
        present: pixels of each class in each image, float32 (count, C): images with rare classes are drawn more often;
            None draws every image once per epoch.
        rank: number of this process among those that share each batch.
        processes: their number.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        seed: int,
        *,
        present: Tensor | None = None,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.rank, self.processes = rank, processes
        self.steps_per_epoch = max(count // batch_size, 1)
        self._rarity: Tensor | None = None
        if present is not None:
            seen = (present > 0).float()
            self._rarity = (seen / seen.sum(0).clamp(min=1)).sum(1)

    def __call__(self, step: int) -> Tensor:
        """Return the numbers of this process's images in a step, int64 (n,); the first step is 0."""
        epoch, position = divmod(step, self.steps_per_epoch)
        generator = make_generator(self.seed, "epoch", epoch)
        if self._rarity is not None:
            drawn = max(self.count, self.batch_size)
            order = torch.multinomial(self._rarity, drawn, replacement=True, generator=generator)
        else:  # a set smaller than a batch is gone through several times
            rounds = -(-self.batch_size // self.count)
            order = torch.cat([torch.randperm(self.count, generator=generator) for _ in range(rounds)])
        batch = order[position * self.batch_size : (position + 1) * self.batch_size]
        return batch[self.rank :: self.processes]


class Batches(Protocol):
    """Images and masks of each step, as stored: nothing is changed at random yet."""

    sampler: Sampler

    def __call__(self, step: int) -> Pixels:
        """Return this process's images of a step."""
        ...

    def close(self) -> None:
        """Free what reads them."""
        ...


class CachedBatches:
    """Batches from arrays that hold every image of a data set, on an accelerator that has the room, else on disk."""

    def __init__(self, images: Tensor, masks: Tensor, sampler: Sampler) -> None:
        self.images, self.masks, self.sampler = images, masks, sampler

    def __call__(self, step: int) -> Pixels:
        numbers = self.sampler(step).to(self.images.device)
        return self.images[numbers], self.masks[numbers]

    def close(self) -> None:
        pass


class DecodedBatches:
    """Batches that processes of their own decode and resize ahead of the training: memory does not grow with the set.

    Args:
        samples: the images; they and their labels must be picklable.
        size: (height, width) that they are stretched to.
        sampler: draws them.
        workers: number of processes, at most one per core that this one may use.
        pin_memory: whether batches go to a graphics card.
    """

    def __init__(
        self, samples: Dataset, size: tuple[int, int], sampler: Sampler, *, workers: int, pin_memory: bool = False
    ) -> None:
        self._images = _Images(samples, size)
        self.sampler, self._pin_memory = sampler, pin_memory
        self._workers = min(workers, usable_processors())
        self._coming: Iterator[Pixels | CarsegError] | None = None  # of the steps from ``_next`` on
        self._next = 0

    def __call__(self, step: int) -> Pixels:
        if self._coming is None or step != self._next:
            # In the main thread torch would install a handler of SIGCHLD, for good: it is not needed to see that a
            # worker has died, and every child process of the caller's would run it.
            with ThreadPoolExecutor(1) as thread:
                self._coming = thread.submit(iter, self._loader(step)).result()
        self._next = step + 1
        try:
            batch = next(self._coming)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise TrainingError(
                "a process that reads images ended unexpectedly: put the training of a script below "
                "if __name__ == '__main__', as multiprocessing demands, or see what else it said"
            ) from error
        if isinstance(batch, CarsegError):
            raise batch
        return batch

    def close(self) -> None:
        self._coming = None

    def _loader(self, step: int) -> DataLoader[Pixels | CarsegError]:
        return DataLoader(
            self._images,
            batch_sampler=_From(self.sampler, step),
            num_workers=self._workers,
            collate_fn=_stack,
            pin_memory=self._pin_memory,
            multiprocessing_context="spawn",  # threads, such as torch's, do not survive a fork
            generator=Generator(),  # the global one belongs to the steps
        )


class _From:
    """The numbers of the images of every step from one on, without an end."""

    def __init__(self, sampler: Sampler, step: int) -> None:
        self._sampler, self._step = sampler, step

    def __iter__(self) -> Iterator[list[int]]:
        for step in itertools.count(self._step):
            yield self._sampler(step).tolist()


class _Images(TorchDataset[Pixels | CarsegError]):
    """Images as tensors, and the error in the place of one that cannot be used: raised, it would lose its type."""

    def __init__(self, samples: Dataset, size: tuple[int, int]) -> None:
        self._samples, self._size = samples.samples, size

    def __getitem__(self, number: int) -> Pixels | CarsegError:
        try:
            image, mask = load_resized(self._samples[number], self._size)
        except CarsegError as error:
            name = self._samples[number].name
            return DataError(f"{name} cannot be used ({error}): repair or remove it, or start again with skip_bad")
        return torch.from_numpy(image), torch.from_numpy(mask)


def _stack(loaded: list[Pixels | CarsegError]) -> Pixels | CarsegError:
    pixels = []
    for item in loaded:
        if isinstance(item, CarsegError):
            return item
        pixels.append(item)
    images, masks = zip(*pixels, strict=True)
    return torch.stack(images), torch.stack(masks)


def fits_cache(count: int, size: tuple[int, int], folder: Path) -> bool:
    """Return whether the decoded images may be kept below a folder where nobody says so."""
    return cache_bytes(count, size) <= min(CACHE_LIMIT, shutil.disk_usage(folder).free // 2)


def cached_pixels(
    samples: Dataset, size: tuple[int, int], folder: Path, *, workers: int, device: torch.device
) -> Pixels:
    """Return all images and masks, decoded into ``folder`` if need be."""
    cache = build_cache(samples, size, folder, workers=workers)
    tensors = torch.from_numpy(cache.images), torch.from_numpy(cache.masks)
    needed = sum(tensor.nbytes for tensor in tensors)
    if device.type == "cuda" and needed < torch.cuda.mem_get_info(device)[0] / 3:
        return tensors[0].to(device), tensors[1].to(device)
    return tensors


def read_masks(samples: Dataset, size: tuple[int, int], *, workers: int) -> Iterator[Tensor]:
    """Yield the mask of every image, uint8 (H, W), as batches have it."""
    with ThreadPoolExecutor(workers) as pool:
        yield from (torch.from_numpy(mask) for _, mask in pool.map(lambda sample: load_resized(sample, size), samples))


def count_classes(masks: Iterable[Tensor], classes: int) -> Tensor:
    """Return the pixels of each class in each of the masks, float32 (N, C)."""
    counts = [torch.bincount(mask.flatten(), minlength=256)[:classes] for mask in masks]
    return torch.stack(counts).float().cpu()  # drawn from with a generator of the CPU


def make_generator(*identity: object) -> Generator:
    """Return a generator of random numbers that depend on nothing but ``identity``."""
    digest = hashlib.blake2b(repr(identity).encode(), digest_size=7).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big"))
