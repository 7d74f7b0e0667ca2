"""The labels of one result as an annotation tool's document."""

from __future__ import annotations

from typing import Any

from carseg.data.formats import cvat, label_studio, labelme, yolo
from carseg.data.formats._writing import SegmentedImage, of_result
from carseg.errors import OptionError

_MAKERS = {
    labelme.NAME: labelme.document,
    yolo.NAME: yolo.text,
    cvat.NAME: cvat.document,
    "label-studio": label_studio.task,
}


def label_document(result: SegmentedImage, format: str, *, file: str, tolerance: float | None = None) -> Any:
    """Return the labels of a result in one format: a dict ready for JSON, of YOLO and CVAT a text.

    Args:
        result: such as ``Segmenter.predict`` returns.
        format: "labelme", "yolo", "cvat" or "label-studio"; ``coco_document`` makes COCO's.
        file: the image's path as the document has it.
        tolerance: how far outlines are simplified, as for ``carseg.masks.coverage.simplify``.

    Raises:
        OptionError: no such format, or a negative tolerance.
        MissingExtraError: shapely, which simplifies, is not installed.
    """
    if format not in _MAKERS:
        raise OptionError(f"a document of one image is one of {', '.join(_MAKERS)}, not {format!r}")
    return _MAKERS[format](of_result(result, file, tolerance))
