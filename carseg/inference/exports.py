"""Documents, tables and images that a result becomes for other tools. Packages are imported when they are used."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from carseg._arrays import Uint8Array
from carseg.data import coco_document, label_document
from carseg.errors import MissingExtraError, OptionError, require_extra
from carseg.images import index_image
from carseg.inference.parts import Parts
from carseg.inference.table import COLUMNS, rows_of
from carseg.labels import LabelSet

if TYPE_CHECKING:
    import pandas
    import supervision


class Exports:
    """The methods of a result that convert it for other tools.

    ``tolerance`` is how much outlines are simplified, in pixels and without gaps between neighbours. 0 keeps every
    corner; None uses as few vertices as keep 98 % of the pixels of each piece. It needs shapely (``carseg[label]``).
    """

    mask: Uint8Array
    labels: LabelSet
    source: str
    root: str
    model: str

    if TYPE_CHECKING:  # the result's own

        @property
        def image(self) -> Uint8Array: ...
        @property
        def width(self) -> int: ...
        @property
        def height(self) -> int: ...
        @property
        def parts(self) -> Parts: ...
        def overlay(self) -> Image.Image: ...
        def to_dict(self) -> dict[str, Any]: ...

    @property
    def _file(self) -> str:
        return PurePath(self.source).name or "picture.png"

    def to_coco(
        self,
        *,
        polygons: bool = False,
        tolerance: float | None = 0,
        root: str | os.PathLike[str] | None = None,
    ) -> dict[str, Any]:
        """Return a COCO document of this image; see ``carseg.data.coco_document``, which makes one for many images."""
        return coco_document([self], polygons=polygons, tolerance=tolerance, root=root)

    def to_labelme(self, *, tolerance: float | None = None) -> dict[str, Any]:
        """Return the content of labelme's file for this image, one polygon per piece; X-AnyLabeling reads it too."""
        document: dict[str, Any] = label_document(self, "labelme", file=self._file, tolerance=tolerance)
        return document

    def to_yolo(self, *, tolerance: float | None = None) -> str:
        """Return the text file of YOLO's segmentation for this image; class 0 is the first after the background."""
        text: str = label_document(self, "yolo", file=self._file, tolerance=tolerance)
        return text

    def to_cvat(self, *, tolerance: float | None = None) -> str:
        """Return CVAT's XML ("CVAT for images 1.1") of this image."""
        text: str = label_document(self, "cvat", file=self._file, tolerance=tolerance)
        return text

    def to_label_studio(self, *, tolerance: float | None = None) -> dict[str, Any]:
        """Return a task of Label Studio, with a prediction of one polygon per piece."""
        task: dict[str, Any] = label_document(self, "label-studio", file=self._file, tolerance=tolerance)
        return task

    def to_voc(self) -> Image.Image:
        """Return the mask as an index image of Pascal VOC: label ids, with the classes' colours as the palette."""
        return index_image(self.mask, self.labels)

    def to_dataframe(self) -> pandas.DataFrame:
        """Return a table with one row per piece of a part, as ``--table`` writes it.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        require_extra("pandas", "table", "to_dataframe()")
        import pandas

        return pandas.DataFrame(rows_of(self.to_dict()), columns=list(COLUMNS))

    def crop(self, part: str | int, *, margin: float = 0.05) -> Image.Image:
        """Return the image (RGB) around a part.

        Args:
            part: name of the part, or its position in ``parts``.
            margin: margin around its box, as a share of the box's longer side.

        Raises:
            PartNotFoundError: the image has no such part.
            OptionError: the margin is negative.
        """
        if not margin >= 0:
            raise OptionError(f"margin must be 0 or more, got {margin}")
        x, y, width, height = self.parts[part].bbox
        around = round(margin * max(width, height))
        rows = slice(max(y - around, 0), y + height + around)
        return Image.fromarray(self.image[rows, max(x - around, 0) : x + width + around])

    def show(self) -> None:
        """Open the overlay in the system's image viewer."""
        self.overlay().show()

    def to_supervision(self) -> supervision.Detections:
        """Return the parts as detections of the package supervision: boxes, masks, class ids, scores and names.

        Raises:
            MissingExtraError: supervision is not installed.
        """
        try:
            import supervision
        except ImportError as error:
            raise MissingExtraError("supervision", None, "to_supervision()") from error
        boxes = np.array([part.bbox for part in self.parts], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        ids = np.array([part.label for part in self.parts], int)
        scores = [part.score for part in self.parts if part.score is not None]
        return supervision.Detections(
            xyxy=boxes,
            mask=self.mask[None] == ids[:, None, None].astype(np.uint8),
            class_id=ids,
            confidence=np.array(scores, np.float32) if len(scores) == len(ids) else None,
            data={"class_name": np.array([part.name for part in self.parts], str)},
        )
