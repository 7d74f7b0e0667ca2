"""The result of a prediction: the mask, its parts, and images, files and documents made from it.

Everything except the mask is computed on first use. Needs numpy and PIL only.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from carseg._arrays import Float16Array, Uint8Array
from carseg._files import to_json
from carseg.cars import View, car_labels, find_view, glass_labels
from carseg.errors import OptionError, without_secrets
from carseg.images import LoadedImage, draw
from carseg.inference.alpha import soft_alpha
from carseg.inference.cars import Car, WholeCars, find_cars
from carseg.inference.cutout import CutoutOptions, alpha_of_cars, choose_cars, draw_cutout
from carseg.inference.exports import Exports
from carseg.inference.file_names import OUTPUT_SUFFIXES, claim_stem, frame_name, path_of
from carseg.inference.files import MADE_FROM, encode_photo, encode_png, write_file
from carseg.inference.parts import Parts, find_parts
from carseg.labels import Color, LabelSet

SCHEMA = 1  # version of the JSON; docs/schemas/result.schema.json describes it
_serials = itertools.count(1)  # tell results apart that have no name
_PREVIEW = 1200  # longest side in pixels of what a notebook shows


class Result(Exports):
    """A segmented image.

    Attributes:
        mask: uint8 (H, W), label ids at the image's own size, cleaned as ``min_area`` says. 255 marks pixels below
            ``threshold`` if the label set has no background.
        labels: the label set, which gives the ids their names and colours.
        source: path or address of the image, or the name that it was given; "" for a nameless image from memory.
        root: the given folder in which the image was found; "" if there was none.
        model: name of the network.
        frame: number of the frame in its video, from 0; None if the image is not from a video.
        time: seconds from the start of the video.
        scores: mean probability of each label id in the mask.
    """

    def __init__(
        self,
        mask: Uint8Array,
        labels: LabelSet,
        image: Uint8Array | LoadedImage,
        *,
        source: str = "",
        root: str = "",
        model: str = "",
        frame: int | None = None,
        time: float | None = None,
        scores: Mapping[int, float] | None = None,
        certainty: Float16Array | None = None,
        odds: Float16Array | None = None,
        probabilities: Float16Array | None = None,
        whole: WholeCars | None = None,
        alpha: Uint8Array | None = None,
    ) -> None:
        if mask.dtype != np.uint8 or mask.ndim != 2:
            raise OptionError(f"a mask must be uint8 (height, width), got {mask.dtype} {mask.shape}")
        if isinstance(image, np.ndarray):
            if image.dtype != np.uint8 or image.shape != (*mask.shape, 3):
                raise OptionError(
                    f"an image must be uint8 {(*mask.shape, 3)} like its mask, got {image.dtype} {image.shape}"
                )
            image = LoadedImage(image)
        if probabilities is not None and probabilities.shape != (len(labels), *mask.shape):
            raise OptionError(f"probabilities must be {(len(labels), *mask.shape)}, got {probabilities.shape}")
        self.mask = mask
        self.labels = labels
        self._loaded = image
        self.source = without_secrets(source)
        self.root = root
        self.model = model
        self.frame = frame
        self.time = time
        self.scores = {label: score for label, score in (scores or {}).items() if math.isfinite(score)}
        self._certainty = certainty
        self._odds = odds
        self._probabilities = probabilities
        self._whole = whole
        self._alpha = alpha
        self._serial = next(_serials)

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.mask.shape[0]

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self.mask.shape[1]

    @cached_property
    def image(self) -> Uint8Array:
        """The image, RGB uint8 (H, W, 3), upright; you may draw on it. A JPEG is decoded in full on first use."""
        return self._loaded.rgb

    @property
    def probabilities(self) -> Float16Array:
        """Probability of each class, float16 (classes, H, W) in 0..1. The mask has the most probable class.

        ``threshold`` and cleaning change only the mask. Where two classes are almost equally probable, float16 may not
        show which one is ahead.

        Raises:
            OptionError: they were not kept, because they take much memory at the image's size.
        """
        if self._probabilities is None:
            raise OptionError(
                "the probabilities were not kept: use predict(..., return_probabilities=True) or "
                "stream(..., return_probabilities=True)"
            )
        return self._probabilities

    @cached_property
    def alpha(self) -> Uint8Array:
        """Opacity of the foreground, uint8 (H, W): 128 or more where the mask has it, and soft along the outline.

        The foreground is everything except the background, in street scenes the cars. With ``edges="refined"`` the
        outline is the redrawn one.
        """
        if self._alpha is not None:
            return self._alpha
        return soft_alpha(np.isin(self.mask, self.labels.foreground), self._odds)

    @cached_property
    def parts(self) -> Parts:
        """The classes in the mask, without the background, by label id; ``parts["wheel"]`` is that of a class."""
        return find_parts(self.mask, self.labels, self.scores, self._certainty)

    @cached_property
    def view(self) -> View | None:
        """The side of the car that the image shows, with a confidence; None if no part of a car is visible.

        It is also None for classes that do not tell front from back. With several cars, it is the view of all of them
        together; each of ``cars`` has its own.
        """
        return find_view(self.mask, self.labels)

    @cached_property
    def cars(self) -> tuple[Car, ...]:
        """The cars of the image, largest first, each with its parts.

        With ``carseg.load(cars=)``, the second network runs on first use, so do not draw on ``image`` before. Without
        it, parts that are near each other are taken for one car.

        Raises:
            OptionError: the classes do not show cars; lanes, for example, do not.
            ClosedError: the second network was closed before the first use.
        """
        if not self.tells_cars:
            raise OptionError(
                f"the classes of {self.labels.name} do not show cars: use a model for parts, cars or streets, or load "
                "a second one with carseg.load(..., cars='car')"
            )
        return find_cars(self.mask, self.labels, self.parts, whole=self._whole, certainty=self._certainty)

    @property
    def tells_cars(self) -> bool:
        """Whether the result has ``cars``."""
        return self._whole is not None or bool(car_labels(self.labels))

    def overlay(self, *, alpha: float = 0.5, legend: bool = True) -> Image.Image:
        """Return the image (RGB) with its parts tinted and outlined, and a legend below it.

        Args:
            alpha: opacity of the tint, from 0 (outlines only) to 1.
            legend: False leaves the legend out, so that the image keeps its size.
        """
        return draw.overlay(self.image, self.mask, self.labels, alpha=alpha, legend=legend)

    def cutout(
        self,
        background: Color | str | os.PathLike[str] | Image.Image | Uint8Array | None = None,
        *,
        shadow: bool = False,
        margin: str | float | None = None,
        size: str | tuple[int, int] | None = None,
        car: int | None = None,
        all: bool = False,
        glass: str = "keep",
        feather: float = 0,
    ) -> Image.Image:
        """Return the car alone (RGBA), with a soft edge that is free of the old background's colours.

        Args:
            background: a colour ((r, g, b), "white" or "#1e90ff"), or an image (path, PIL, array, data URI), which is
                scaled and cropped to fill the canvas. Transparent by default.
            shadow: draw a shadow on the ground.
            margin: share of the canvas that stays free on each side, "8%" or 0.08. The car is centred, with its wheels
                on the lower margin. By default the car stays where it was; with ``size`` the default is 8%.
            size: width and height of the canvas, "1920x1080" or (1920, 1080); the car is scaled to fill it up to the
                margin. By default the size of the image; with a margin, the size that fits the car unscaled.
            car: number of the car in ``cars``. By default 1, the largest; the cut-out is empty if there is none.
            all: show all cars. For classes that do not show cars it is always all of the foreground.
            glass: "keep" shows what is behind the windows; "tint" darkens them, if the network has a class for them.
            feather: fade the edge inwards over this many pixels; thinner things disappear.

        Raises:
            OptionError: the colour, size, margin or glass is not allowed.
            ImageError: the background image cannot be read.
            CarNotFoundError: there is no car with this number.
        """
        options = CutoutOptions(background, shadow, margin, size, car, all, glass, feather)
        options.check(self.labels)
        alpha = self.alpha
        if car or self.tells_cars:
            shown = choose_cars(self.cars, car, all, self.source)
            alpha = alpha_of_cars(alpha, np.isin(self.mask, self.labels.foreground), shown)
        windows = np.isin(self.mask, glass_labels(self.labels)) if options.tinted else None
        return draw_cutout(self.image, alpha, windows, options)

    def save(
        self,
        directory: str | os.PathLike[str],
        kinds: Iterable[str] = ("mask", "overlay"),
        stem: str | None = None,
        *,
        made_from: str = "",
    ) -> dict[str, Path]:
        """Write ``STEM.mask.png``, ``STEM.overlay.jpg``, ``STEM.json`` and so on.

        Files of earlier runs are replaced. Results of the same process do not replace each other: if two images have
        the same name, the second gets a digest of its path, or a number if it came from memory.

        The mask is an index image: its pixels are label ids, its palette the colours of the classes. Programs that
        read it as grey, such as ``cv2.imread(path, 0)``, would get the brightness of these colours; for them "gray"
        has the label ids without a palette. The overlay is a JPEG if the source is named like a photograph (JPEG,
        WebP, HEIC), else a PNG.

        Args:
            directory: folder for the files; created if it does not exist.
            kinds: any of "mask", "overlay", "cutout", "json", "gray", "coco".
            stem: name of the files without ending; it replaces whatever has it. By default the name of the source,
                with the number of a video's frame, or "picture".
            made_from: a line of ASCII that the files carry, by which ``carseg.inference.is_saved`` recognises them.

        Returns:
            The path of each kind.

        Raises:
            OptionError: a kind is unknown.
            OutputError: the disk is full, or the folder cannot be written. No half-written file is left.
        """
        kinds = [kinds] if isinstance(kinds, str) else list(kinds)
        if unknown := [kind for kind in kinds if kind not in OUTPUT_SUFFIXES]:
            raise OptionError(f"cannot save {unknown[0]!r}; known: {', '.join(OUTPUT_SUFFIXES)}")
        stem = self.claim_stem(directory, stem)
        paths = {kind: path_of(directory, stem, kind, self.source) for kind in kinds}
        for kind, path in paths.items():
            self.save_as(path, kind, made_from=made_from)
        return paths

    def save_as(self, path: str | os.PathLike[str], kind: str, *, made_from: str = "") -> None:
        """Write one kind of file to a path; an existing file is replaced.

        Args:
            path: the file; its folder is created if it does not exist. An overlay named .jpg is written as JPEG.
            kind: as for ``save``, like ``made_from``.

        Raises:
            OptionError: the kind is unknown.
            OutputError: as for ``save``.
        """
        overlay_format = "jpg" if Path(path).suffix.lower() in (".jpg", ".jpeg") else "png"
        writers: dict[str, Callable[[IO[bytes]], object]] = {
            "mask": lambda file: encode_png(draw.index_image(self.mask, self.labels), file, made_from),
            "overlay": lambda file: encode_photo(self.overlay(), file, overlay_format, made_from),
            "cutout": lambda file: encode_photo(self.cutout(), file, "png", made_from),
            "gray": lambda file: encode_png(Image.fromarray(self.mask), file, made_from),
            "json": lambda file: file.write(_line(self.to_dict() | ({MADE_FROM: made_from} if made_from else {}))),
            "coco": lambda file: file.write(_line({MADE_FROM: made_from, **self.to_coco()})),
        }
        if kind not in writers:
            raise OptionError(f"cannot save {kind!r}; known: {', '.join(OUTPUT_SUFFIXES)}")
        write_file(Path(path), writers[kind])

    def claim_stem(self, directory: str | os.PathLike[str], stem: str | None = None) -> str:
        """Return the start of its file names in a folder, as ``save`` uses it; no other result gets the same."""
        name = self.source if self.frame is None else frame_name(self.source, self.frame)
        return claim_stem(directory, stem or None, name, self._serial)

    def to_dict(self, *, polygons: bool = False, cars: bool = True) -> dict[str, Any]:
        """Return the result as a dict for JSON: source, schema, model, labels, width, height, parts, view and cars.

        View and cars are None for classes that do not show them. Frames of a video also have ``frame`` and ``time``.

        Args:
            polygons: add the outlines of parts, pieces and cars.
            cars: False leaves out cars and view.
        """
        place = {} if self.frame is None else {"frame": self.frame, "time": self.time}
        found: dict[str, Any] = {
            "source": self.source,
            **place,
            "schema": SCHEMA,
            "model": self.model,
            "labels": self.labels.name,
            "width": self.width,
            "height": self.height,
            "parts": [part.to_dict(polygons=polygons) for part in self.parts],
        }
        if cars:
            found["view"] = self.view and vars(self.view)
            found["cars"] = [car.to_dict(polygons=polygons) for car in self.cars] if self.tells_cars else None
        return found

    def to_json(self, *, polygons: bool = False) -> str:
        """Return ``to_dict`` as one line of JSON."""
        return to_json(self.to_dict(polygons=polygons), ensure_ascii=False)

    def __repr__(self) -> str:
        shares = [
            f"{part.name} {part.area_fraction:.1%}" for part in sorted(self.parts, key=lambda part: -part.area_px)
        ]
        found = ", ".join(shares) or "no parts"
        return f"<Result {self.source or 'image'} {self.width}x{self.height} by {self.model or 'unknown'}: {found}>"

    def _repr_png_(self) -> bytes:
        """Return the PNG that a notebook shows: the overlay, made smaller where it is large."""
        image = self.overlay()
        image.thumbnail((_PREVIEW, _PREVIEW))
        file = BytesIO()
        encode_png(image, file)
        return file.getvalue()


def _line(document: dict[str, Any]) -> bytes:
    return to_json(document, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
