"""What one request may cost, and how many are taken at once."""

from __future__ import annotations

from dataclasses import dataclass, fields

from carseg.errors import OptionError


@dataclass(frozen=True)
class Limits:
    """Limits of a service; each process of it has its own places.

    Attributes:
        places: requests with images that are taken at once, being received, waiting or computed; a further one is
            answered 429 with ``Retry-After``.
        bytes: of a request, all of its files together.
        pixels: of an image, by its header.
        files: of a request; fields of a form count, too.
        seconds: that a request may take to arrive, and then again until its answer is made.

    Raises:
        OptionError: one is not above 0.
    """

    places: int = 16
    bytes: int = 64 << 20
    pixels: int = 50_000_000
    files: int = 20
    seconds: float = 30.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise OptionError(f"limit {field.name} must be above 0, got {getattr(self, field.name)}")
