"""Classes that labels lack: what a network cannot learn from them, or a figure not measure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from carseg.data.dataset import Dataset, label_ids, reading_threads
from carseg.errors import CarsegError
from carseg.labels import LabelSet


def class_warnings(train: Dataset, val: Dataset | None = None) -> list[str]:
    """Return what to say of classes before a training on these images, one sentence each; [] where nothing is wrong.

    Labels that ``verified`` has not read are, until every class has been seen; those that cannot be are passed over.

    Args:
        train: the images to learn from.
        val: those that choose the best state, under the same label set.
    """
    seen = {"train": _seen(train)}
    if val is not None:
        seen["val"] = _seen(val)
    return coverage_warnings(train.labels, seen)


def coverage_warnings(labels: LabelSet, seen: Mapping[str, Collection[int]]) -> list[str]:
    """Return the sentences of ``class_warnings`` from the label ids that occur in each split.

    Args:
        labels: names of the label ids.
        seen: label ids by split; where there is neither "train" nor "", nothing is said of what cannot be learned.
    """
    sentences = []
    learned = seen.get("train", seen.get(""))
    if learned is not None:
        missing = [label for label in range(len(labels)) if label not in learned]
        nowhere = [labels.classes[i] for i in missing if not any(i in ids for ids in seen.values())]
        if nowhere:
            sentences.append(
                f"no training image holds {', '.join(nowhere)}, nor does any other: no network learns what it never "
                "sees"
            )
        for split, ids in seen.items():
            only = [labels.classes[i] for i in missing if i in ids]
            if only:
                sentences.append(
                    f"no training image holds {', '.join(only)}, but images of {split} do: no network learns what it "
                    "never sees, and those pixels count as wrong; move some of the images, or merge the class"
                )
    for split, ids in seen.items():
        if len(ids) < 2:
            of = f" of {split}" if split else ""
            held = f"one class only, {labels.classes[next(iter(ids))]}" if ids else "no class at all"
            sentences.append(f"the labels{of} hold {held}: there is nothing to tell apart, and a mIoU says nothing")
    return sentences


def _seen(dataset: Dataset) -> set[int]:
    """Return the label ids that occur; nothing more is read once all have."""
    known = [dataset.seen[sample.name] for sample in dataset if sample.name in dataset.seen]
    seen = {label for ids in known for label in ids}
    unread = [sample for sample in dataset if sample.name not in dataset.seen]
    with reading_threads() as pool:
        for ids in pool.map(label_ids, unread if len(seen) < len(dataset.labels) else ()):
            seen |= set() if isinstance(ids, CarsegError) else ids
            if len(seen) == len(dataset.labels):
                pool.shutdown(cancel_futures=True)
                break
    return seen
