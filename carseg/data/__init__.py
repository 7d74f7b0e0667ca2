"""Labelled images: ``carseg.data.load(path)`` recognises the format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carseg._lazy import lazy_names
from carseg.data.background_and_lines import as_stated
from carseg.data.cache import build_cache, cache_bytes, load_resized
from carseg.data.check import Findings, Problem, Seen, SplitFindings, check
from carseg.data.classes import known_labels, named_set, parse_mapping
from carseg.data.concat import concat, remap_classes, subsample
from carseg.data.convert import convert, convert_splits
from carseg.data.coverage import class_warnings
from carseg.data.dataset import READ_OF_MORE, READ_WHOLE, Dataset, Label, Sample, files_of, value_table
from carseg.data.documents import label_document
from carseg.data.formats import WRITERS
from carseg.data.formats._base import Found, absolute
from carseg.data.formats.coco import coco_document
from carseg.data.load import load, load_splits, names_classes
from carseg.data.near_duplicates import fingerprint, near_duplicate_groups
from carseg.data.recognize import recognize
from carseg.data.split import hold_out_runs, split_train_val
from carseg.data.unlabeled import load_unlabeled
from carseg.data.write import LabeledFolder, refuse_filled, refuse_own

if TYPE_CHECKING:
    from carseg.data.augment import Augment, parse_augmentation

__all__ = [
    "READ_OF_MORE",
    "READ_WHOLE",
    "WRITERS",
    "Augment",
    "Dataset",
    "Findings",
    "Found",
    "Label",
    "LabeledFolder",
    "Problem",
    "Sample",
    "Seen",
    "SplitFindings",
    "absolute",
    "as_stated",
    "build_cache",
    "cache_bytes",
    "check",
    "class_warnings",
    "coco_document",
    "concat",
    "convert",
    "convert_splits",
    "files_of",
    "fingerprint",
    "hold_out_runs",
    "known_labels",
    "label_document",
    "load",
    "load_resized",
    "load_splits",
    "load_unlabeled",
    "named_set",
    "names_classes",
    "near_duplicate_groups",
    "parse_augmentation",
    "parse_mapping",
    "recognize",
    "refuse_filled",
    "refuse_own",
    "remap_classes",
    "split_train_val",
    "subsample",
    "value_table",
]

# What needs torch.
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "carseg.data.augment": ("Augment", "parse_augmentation"),
    },
)
