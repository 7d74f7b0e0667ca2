"""What a set of photographs shows of a car: the parts and where best, the views, what is missing; ready for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from carseg.cars import VIEWS
from carseg.labels import LabelSet, plain_name
from carseg.workflows.photo import Photo, PhotoPart
from carseg.workflows.requirements import LIDS, Requirement
from carseg.workflows.sides import SIDES
from carseg.workflows.wheels import WHEEL, WHEELS

SCHEMA = 1  # version of the JSON; docs/schemas/report.schema.json describes it
CROPS = "crops"  # folder of the crops beside the JSON


@dataclass(frozen=True)
class BestPhoto:
    """The photograph that shows a part, or a wheel, best.

    Attributes:
        photo: number of the photograph.
        part: the part in this photograph.
        jpeg: a crop of the part with its surroundings, as the content of a JPEG file.
    """

    photo: int
    part: PhotoPart
    jpeg: bytes


@dataclass(frozen=True)
class Failure:
    """A photograph that could not be read.

    Attributes:
        source: its path, address or name.
        error: why, in one sentence.
    """

    source: str
    error: str


@dataclass(frozen=True)
class Report:
    """What a set of photographs shows of a car.

    Attributes:
        model: name of the network.
        cars_model: name of the second network, which finds whole cars; None if there is none.
        labels: the classes of the first network.
        tells_views: whether the classes tell front from rear; if not, sides, views and wheels are not named.
        photos: what each photograph shows.
        thumbnails: a small version of each photograph, as the content of a JPEG file.
        failed: the photographs that could not be read.
        best: for each visible part, and each wheel that can be named, the photograph that shows it best.
        required: what the photographs have to show.
    """

    model: str
    cars_model: str | None
    labels: LabelSet
    tells_views: bool
    photos: tuple[Photo, ...]
    thumbnails: tuple[bytes, ...]
    failed: tuple[Failure, ...]
    best: Mapping[str, BestPhoto]
    required: tuple[Requirement, ...]

    @cached_property
    def views(self) -> dict[str, list[int]]:
        """The numbers of the photographs of each of the eight views; empty if views are not known."""
        numbers: dict[str, list[int]] = {view: [] for view in VIEWS if self.tells_views}
        for photo in self.photos:
            if photo.sure_view:
                numbers[photo.sure_view.name].append(photo.number)
        return numbers

    @cached_property
    def sides(self) -> dict[str, list[int]]:
        """The numbers of the photographs that show each of the four sides; empty if views are not known."""
        return {side: [p.number for p in self.photos if side in p.sides] for side in SIDES if self.tells_views}

    @cached_property
    def parts(self) -> dict[str, list[int]]:
        """The numbers of the photographs that show each class, by label id, without the background."""
        names = [name for label, name in enumerate(self.labels.classes) if label != self.labels.background]
        return {name: [p.number for p in self.photos if _names(p.parts, name)] for name in names}

    @cached_property
    def wheels(self) -> dict[str, list[int]]:
        """The numbers of the photographs that show each of the four wheels; empty if wheels cannot be named."""
        told = self.tells_views and WHEEL in self.parts
        return {name: [p.number for p in self.photos if _names(p.wheels, name)] for name in WHEELS if told}

    @property
    def wheel_count(self) -> int:
        """The least number of different wheels that are visible: those with a name, or the two in one photograph."""
        named = sum(bool(numbers) for numbers in self.wheels.values())
        return max(named, max((min(len(photo.wheels), 2) for photo in self.photos), default=0))

    @property
    def missing_parts(self) -> tuple[str, ...]:
        """The classes that no photograph shows; a car needs only one of tailgate and trunk."""
        lid = any(self.parts.get(name) for name in LIDS)
        return tuple(name for name, numbers in self.parts.items() if not numbers and not (lid and name in LIDS))

    @property
    def missing(self) -> tuple[str, ...]:
        """What is required but not visible, in words: ``("the rear", "2 of 4 wheels (...)")``."""
        groups = (self.sides, self.views, self.parts, self.wheels)
        seen = {name for group in groups for name, numbers in group.items() if numbers}
        return tuple(text for each in self.required if (text := each.missing(seen, self.wheel_count)))

    @property
    def ok(self) -> bool:
        """Whether nothing required is missing and every photograph could be read."""
        return not self.missing and not self.failed

    @cached_property
    def crops(self) -> dict[str, str]:
        """The path of each part's and wheel's crop beside the JSON."""
        stems: dict[str, str] = {}
        for name in self.best:
            stem = "".join(letter if letter.isalnum() else "_" for letter in plain_name(name))
            stems[name] = f"{stem}_{len(stems)}" if stem in stems.values() else stem
        return {name: f"{CROPS}/{stem}.jpg" for name, stem in stems.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a dict for JSON, with the paths of the crops instead of their content."""
        return {
            "schema": SCHEMA,
            "model": self.model,
            "cars_model": self.cars_model,
            "labels": self.labels.name,
            "ok": self.ok,
            "required": [{"word": each.word, "count": each.count} for each in self.required],
            "missing": list(self.missing),
            "missing_sides": [side for side, numbers in self.sides.items() if not numbers],
            "missing_views": [view for view, numbers in self.views.items() if not numbers],
            "missing_parts": list(self.missing_parts),
            "sides": [{"name": side, "photos": numbers} for side, numbers in self.sides.items()],
            "views": [{"name": view, "photos": numbers} for view, numbers in self.views.items()],
            "parts": [self._entry(name, numbers) for name, numbers in self.parts.items()],
            "wheels": [self._entry(name, numbers) for name, numbers in self.wheels.items()],
            "wheel_count": self.wheel_count,
            "photos": [photo.to_dict() for photo in self.photos],
            "failed": [vars(failure) for failure in self.failed],
        }

    def _entry(self, name: str, numbers: list[int]) -> dict[str, Any]:
        """Return a part or wheel with the photographs that show it, and the best of them."""
        best = self.best.get(name)
        shown = best and {"photo": best.photo, "crop": self.crops[name], **best.part.to_dict()}
        if shown:
            del shown["name"]
        return {"name": name, "photos": numbers, "best": shown}


def _names(parts: Iterable[PhotoPart], name: str) -> bool:
    return any(part.name == name for part in parts)
