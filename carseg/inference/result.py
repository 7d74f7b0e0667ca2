"""The result of a prediction: the mask, its parts, images of it and the files and documents made from it.

Everything but the mask is worked out when it is first asked for. Needs numpy and PIL only.
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
        mask: uint8 (H, W), label ids at the image's own size, cleaned as ``min_area`` says; 255 where the network was
            too unsure and the label set has no background.
        labels: what the ids mean.
        source: the path or address the image came from, or the name that it was given; "" where it came from memory
            without one.
        root: the given folder that it was found in, "" where there was none.
        model: name of the network.
        frame: its place in a video, counted from 0; None where the image is of none.
        time: seconds from the video's beginning.
        scores: mean probability of each label id that is present.
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
        """RGB uint8 (H, W, 3), upright; it may be drawn on. That of a JPEG is decoded when it is first asked for."""
        return self._loaded.rgb

    @property
    def probabilities(self) -> Float16Array:
        """Probability of each class, float16 (classes, H, W) in 0..1, of which the mask is the most probable class.

        A ``threshold`` and cleaning change the mask only, and where classes are next to equally probable float16 may
        not show which is ahead.

        Raises:
            OptionError: they were not asked for, since at the image's size they take much memory.
        """
        if self._probabilities is None:
            raise OptionError(
                "the probabilities were not kept: use predict(..., return_probabilities=True) or "
                "stream(..., return_probabilities=True)"
            )
        return self._probabilities

    @cached_property
    def alpha(self) -> Uint8Array:
        """Opacity of the foreground, all but the background or of a road scene the cars: uint8 (H, W), 128 and more
        where the mask has it; soft along the outline, the network's own or with ``edges="refined"`` the redrawn one.
        """
        if self._alpha is not None:
            return self._alpha
        return soft_alpha(np.isin(self.mask, self.labels.foreground), self._odds)

    @cached_property
    def parts(self) -> Parts:
        """Every class that is present, but the background, by label id; ``parts["wheel"]`` is that of a class."""
        return find_parts(self.mask, self.labels, self.scores, self._certainty)

    @cached_property
    def view(self) -> View | None:
        """Which of its sides the car shows, with a confidence; None where no part of one is seen.

        Classes that do not tell the front of a car from its back have none. Of several cars it is the view of what is
        seen of all together.
        """
        return find_view(self.mask, self.labels)

    @cached_property
    def cars(self) -> tuple[Car, ...]:
        """The cars of the image, largest first, each with its parts.

        With ``carseg.load(cars=)`` the second network sees the image when they are first asked for: do not draw on
        ``image`` before. Without it, parts that are near one another are those of one car.

        Raises:
            OptionError: the classes tell nothing of cars, as lanes do not.
            ClosedError: the second network was closed before they were asked for.
        """
        if not self.tells_cars:
            raise OptionError(
                f"the classes of {self.labels.name} do not show cars: use a model for parts, cars or streets, or load "
                "a second one with carseg.load(..., cars='car')"
            )
        return find_cars(self.mask, self.labels, self.parts, whole=self._whole, certainty=self._certainty)

    @property
    def tells_cars(self) -> bool:
        """Whether ``cars`` can be asked for."""
        return self._whole is not None or bool(car_labels(self.labels))

    def overlay(self, *, alpha: float = 0.5, legend: bool = True) -> Image.Image:
        """Return the image (RGB) with its parts tinted and outlined, and a legend of them below it.

        Args:
            alpha: how much the tint covers, 0 (outlines only) to 1.
            legend: without it the image keeps its size.
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
        """Return the car on its own (RGBA), its edge soft and without the old background's colours.

        Args:
            background: what to put behind it: a colour ((r, g, b) or "white", "#1e90ff"), or an image (path, PIL,
                array, data URI), which is scaled and cropped to cover. Transparent by default.
            shadow: draw one on the ground under it.
            margin: share of the canvas that stays free on each side, "8%" or 0.08: the car is in the middle, its wheels
                on the lower margin. By default the car stays where it was, or has 8% on a canvas of ``size``.
            size: width and height of the canvas, "1920x1080" or (1920, 1080), which the car fills but for the margin;
                by default that of the image, or with a margin one that fits the car as large as it is.
            car: the number of the car in ``cars``; by default the main one, 1, and nothing where there is none.
            all: every car. Where the classes tell no cars it is always all of the foreground.
            glass: "keep" what is seen through the windows, or "tint" them, where the classes tell windows.
            feather: how soft the border is, in pixels: it fades inwards; what is thinner fades away.

        Raises:
            OptionError: no such colour, size, margin or glass.
            ImageError: a background that is no image.
            CarNotFoundError: there is no car of that number.
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

        Older files are replaced. Two results of a process do not replace one another: a name that another image's
        result has got here is told apart by a digest of the path, or a number where the image came from memory. The
        mask is an index image: its pixels are the label ids, its palette the colours of the classes. What reads it in
        grey, as ``cv2.imread(path, 0)``, would get the brightness of these: "gray" has the label ids without a palette.
        The overlay is a JPEG where the name of the source is that of a photograph (JPEG, WebP, HEIC), else a PNG.

        Args:
            directory: made when missing.
            kinds: any of "mask", "overlay", "cutout", "json", "gray", "coco".
            stem: taken as it is, whatever it replaces; by default that of the source, with the number of the frame of a
                video, or "picture".
            made_from: a line that the files carry, in ASCII, by which ``carseg.inference.is_saved`` finds them again.

        Returns:
            The path of each kind.

        Raises:
            OptionError: an unknown kind.
            OutputError: the disk is full, the folder cannot be written to; nothing half-written is left.
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
        """Write one kind of file to a place; an older one is replaced.

        Args:
            path: the file; its folder is made when missing. An overlay is written as JPEG where the name ends so.
            kind: as for ``save``, like ``made_from``.

        Raises:
            OptionError: an unknown kind.
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
        """Return what the names of its files in a folder begin with, as ``save`` has it; no other result gets it."""
        name = self.source if self.frame is None else frame_name(self.source, self.frame)
        return claim_stem(directory, stem or None, name, self._serial)

    def to_dict(self, *, polygons: bool = False, cars: bool = True) -> dict[str, Any]:
        """Return what is known of the image, ready for JSON: source, schema, model, labels, width, height, parts, view
        and cars, which are None where the classes tell none.

        Of a frame of a video it has the frame and the time, too. Without ``cars`` it lacks these and the view.
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
