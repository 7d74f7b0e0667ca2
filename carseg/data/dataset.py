"""A data set: a sequence of samples under one label set, read lazily.

Images are RGB uint8 (H, W, 3), upright by their EXIF orientation; masks are uint8 (H, W) label ids of the data set's
label set, 255 where a pixel counts for nothing. An image and its mask always have the same size.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from carseg._env import usable_processors
from carseg.errors import CarsegError, DataError, MissingExtraError
from carseg.images import LoadedImage, decode
from carseg.labels import IGNORE, LabelSet

INVALID = -1  # in a table of stored values: a value that is no class of the data set
READ_WHOLE = 10_000  # images up to which a set is read from end to end before anything is done with it
READ_OF_MORE = 1_000  # of larger sets so many are, see ``spread``
OUTSIDE = 256  # the table's last place, and its place -1: every stored value outside 0..255


_Item = TypeVar("_Item")


class Label(Protocol):
    """A stored label that can be read; one class per way of storing."""

    def read(self, height: int, width: int) -> np.ndarray:
        """Return the values as stored, integers (h, w) of the label's own size; (height, width) is the image's size."""
        ...


class ImageSource(Protocol):
    """An image that is not a file of its own, such as one of a stack."""

    def read(self) -> np.ndarray:
        """Return the image, RGB uint8 (H, W, 3)."""
        ...


@dataclass(frozen=True, eq=False)
class Sample:
    """One labelled image.

    Attributes:
        name: the image's path below its folder, without the extension; unique in the data set.
        image: the image's file, or an object that reads it.
        label: an object that reads the stored label.
        table: int16 (257,), the label id of each stored value; ``INVALID`` for values that are not a class.
    """

    name: str
    image: Path | ImageSource
    label: Label
    table: np.ndarray

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the upright image, RGB uint8 (H, W, 3), and its label ids, uint8 (H, W).

        Raises:
            ImageError: the image is missing, broken or not an image.
            DataError: the label is missing, broken, has another size, or has values that are not a class.
        """
        rgb = self.load_image()
        return rgb, self.load_mask(rgb.shape[0], rgb.shape[1])

    def open_image(self) -> LoadedImage:
        """Return only the upright image; a JPEG is decoded when its pixels are needed."""
        return decode(self.image) if isinstance(self.image, Path) else LoadedImage(self.image.read())

    def load_image(self) -> np.ndarray:
        """Return only the upright image, RGB uint8 (H, W, 3)."""
        return self.open_image().rgb

    def load_mask(self, height: int, width: int) -> np.ndarray:
        """Return only the label ids, uint8 (height, width); the size is that of the upright image."""
        return self.to_ids(self.label.read(height, width), height, width)

    def to_ids(self, stored: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return the label ids, uint8 (height, width), of a label as stored.

        Raises:
            DataError: it has another size, or values that are not a class.
        """
        if stored.shape != (height, width):
            turned = "; it was drawn without the image's EXIF rotation" if stored.shape == (width, height) else ""
            raise DataError(
                f"the label of {self.name} is {stored.shape[1]}x{stored.shape[0]} pixels, "
                f"the image is {width}x{height}{turned}"
            )
        ids: np.ndarray = self.table[stored if stored.dtype == np.uint8 else stored.clip(-1, OUTSIDE)]
        if ids.min(initial=0) == INVALID:
            wrong = ", ".join(str(value) for value in np.unique(stored[ids == INVALID])[:8])
            raise DataError(f"the label of {self.name} holds values that are not a class of the data set: {wrong}")
        return ids.astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Dataset(Sequence[Sample]):
    """Samples under one label set, in the order of their names.

    Attributes:
        name: the folder's name.
        split: "train", "val", "test", or "" if the folder has no splits.
        format: format of the files, such as "coco".
        labels: names and colours of the label ids.
        samples: the samples; ``dataset[i]`` and iteration return them.
        problems: images without a label and labels without an image, name to reason; they are no samples.
        broken: samples that ``verified(skip_bad=True)`` left out, name to reason.
        seen: the label ids in each sample that ``verified`` has read, by name.
        other_formats: other formats that recognise the folder, if ``format`` was not given.
        evidence: the content of labels, such as their colours, by which the format was recognised; "" if it was
            recognised by names of files.
    """

    name: str
    split: str
    format: str
    labels: LabelSet
    samples: tuple[Sample, ...]
    problems: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    seen: Mapping[str, frozenset[int]] = field(default_factory=dict)
    other_formats: tuple[str, ...] = ()
    evidence: str = ""

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: Any) -> Any:
        return self.samples[index]

    def subset(self, names: Collection[str], split: str) -> Dataset:
        """Return only the samples with these names, in the data set's order, as the split ``split``."""
        chosen = set(names)
        return replace(self, split=split, samples=tuple(s for s in self.samples if s.name in chosen))

    def verify(self, progress: Callable[[int, int], None] | None = None) -> dict[str, str]:
        """Read every sample once, and return those that cannot be used, name to reason, with ``problems``.

        Args:
            progress: called with the number of samples read so far and their total.
        """
        return self._read(progress)[0]

    def _read(self, progress: Callable[[int, int], None] | None) -> tuple[dict[str, str], dict[str, frozenset[int]]]:
        """Read every sample; return what ``verify`` does, and the label ids in each of the others by its name."""
        broken, seen = dict(self.problems), {}
        with reading_threads() as pool:
            for done, (sample, read) in enumerate(zip(self, pool.map(label_ids, self.samples), strict=True), start=1):
                if isinstance(read, CarsegError):
                    broken[sample.name] = str(read)
                else:
                    seen[sample.name] = read
                if progress is not None:
                    progress(done, len(self))
        return broken, seen

    def verified(self, *, skip_bad: bool = False, progress: Callable[[int, int], None] | None = None) -> Dataset:
        """Return the data set after checking that every sample can be read.

        Args:
            skip_bad: leave out samples that cannot be used, instead of raising; ``broken`` of the result names them.
            progress: see ``verify``.

        Raises:
            DataError: samples cannot be used and ``skip_bad`` is off, or nothing is left.
        """
        broken, seen = self._read(progress)
        listed = "".join(f"\n  {name}: {reason}" for name, reason in broken.items())
        if broken and not skip_bad:
            raise DataError(f"{len(broken)} of the images of {self.name} {self.split} cannot be used:{listed}")
        samples = tuple(sample for sample in self.samples if sample.name not in broken)
        if not samples:
            raise DataError(f"no image of {self.name} {self.split} can be used:{listed}")
        return replace(self, samples=samples, problems={}, broken={**self.broken, **broken}, seen=seen)


def reading_threads() -> ThreadPoolExecutor:
    """Return threads that read samples: decoders work outside the interpreter lock."""
    return ThreadPoolExecutor(min(usable_processors(), 4))


def label_ids(sample: Sample) -> frozenset[int] | CarsegError:
    """Return the label ids in a sample, without what is ignored; or the error, where it cannot be used."""
    try:
        mask = sample.load()[1]
    except MissingExtraError:
        raise  # nothing is wrong with the sample
    except CarsegError as error:
        return error
    return frozenset(np.flatnonzero(np.bincount(mask.ravel())).tolist()) - {IGNORE}


def files_of(source: Any) -> Iterator[Path]:
    """Yield the files that a sample, or an image or a label by itself, is read from."""
    if isinstance(source, Path):
        yield source
    elif is_dataclass(source):
        for each in fields(source):
            yield from files_of(getattr(source, each.name))


def spread(items: Sequence[_Item], count: int) -> list[_Item]:
    """Return ``count`` items, from the first to the last evenly spread; all where there are no more."""
    places = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[place] for place in places]


def value_table(ids: dict[int, int]) -> np.ndarray:
    """Return the int16 (257,) table from stored values to label ids; 255 is ignored unless ``ids`` has it."""
    table = np.full(OUTSIDE + 1, INVALID, dtype=np.int16)
    table[IGNORE] = IGNORE
    for value, label in ids.items():
        table[value] = label
    return table
