"""Images without labels, as samples whose pixels are all ignored: only a teacher's probabilities count on them."""

from __future__ import annotations

import os

import numpy as np

from carseg.data.dataset import Dataset, Sample, value_table
from carseg.data.formats._base import absolute, images_below
from carseg.errors import DataError
from carseg.labels import IGNORE, LabelSet


class _NoLabel:
    def read(self, height: int, width: int) -> np.ndarray:
        return np.full((height, width), IGNORE, np.uint8)


def load_unlabeled(folder: str | os.PathLike[str], labels: LabelSet) -> Dataset:
    """Return every image below a folder, all pixels ignored, under the label set that a training has.

    Raises:
        DataError: there is no such folder, or no image below it.
    """
    path = absolute(folder)
    if not path.is_dir():
        raise DataError(f"there is no folder {path}, which should hold images without labels")
    table = value_table({})
    samples = tuple(Sample(name, file, _NoLabel(), table) for name, file in images_below(path).items())
    if not samples:
        raise DataError(f"no image lies below {path}")
    return Dataset(f"{path.name} without labels", "", "unlabeled", labels, samples)
