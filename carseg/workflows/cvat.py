"""A function for the automatic annotation of CVAT, run on one's own machine: an image in, polygons of its parts out.

    cvat-cli task auto-annotate 137 --function-module carseg.workflows.cvat -p model=str:parts

CVAT's own package, cvat-sdk, downloads the images of a task, calls ``create`` and then ``detect`` for each image, and
uploads the polygons (https://docs.cvat.ai/docs/api_sdk/sdk/auto-annotation/).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from carseg.errors import MissingExtraError, require_extra
from carseg.hub import DEFAULT_MODEL
from carseg.inference import Segmenter, load

if TYPE_CHECKING:
    from PIL import Image


def create(model: str = DEFAULT_MODEL, tolerance: float | None = None, hub: str | None = None) -> AutoAnnotation:
    """Return the function that ``cvat-cli`` calls for each image.

    Args:
        model: as for ``carseg.load``, like ``hub``.
        tolerance: how far outlines are simplified, in pixels, without gaps between neighbours; None: as few vertices as
            leave each piece 98 % of its pixels.
        hub: where to look for weights first.

    Raises:
        MissingExtraError: cvat-sdk, or shapely, which simplifies, is not installed.
    """
    require_extra("shapely", "label", "CVAT's automatic annotation")
    return AutoAnnotation(load(model, hub=hub), tolerance)


class AutoAnnotation:
    """What CVAT calls a detection function.

    Args:
        segmenter: the network.
        tolerance: as for ``create``.
    """

    def __init__(self, segmenter: Segmenter, tolerance: float | None = None) -> None:
        try:
            import cvat_sdk.auto_annotation
        except ImportError as error:
            raise MissingExtraError("cvat-sdk", None, "CVAT's automatic annotation") from error
        self._cvat = cvat_sdk.auto_annotation
        self._segmenter = segmenter
        self._tolerance = tolerance
        names = segmenter.labels.classes
        self._ids = {name: label for label, name in enumerate(names) if label != segmenter.labels.background}

    @cached_property
    def spec(self) -> Any:
        """The labels that it gives, which CVAT finds in a task by their names."""
        labels = [self._cvat.label_spec(name, label, type="polygon") for name, label in self._ids.items()]
        return self._cvat.DetectionFunctionSpec(labels=labels)

    def detect(self, context: Any, image: Image.Image) -> list[Any]:
        """Return a polygon for each piece of each part whose score is not below the threshold that CVAT was given."""
        least = context.conf_threshold or 0
        shapes = self._segmenter.predict(image).to_labelme(tolerance=self._tolerance)["shapes"]
        return [self._polygon(shape) for shape in shapes if shape["score"] >= least]

    def _polygon(self, shape: dict[str, Any]) -> Any:
        """Return a shape of labelme as one of CVAT."""
        sides = [float(side) for corner in shape["points"] for side in corner]
        return self._cvat.polygon(self._ids[shape["label"]], sides, score=shape["score"])
