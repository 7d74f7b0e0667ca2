"""The settings of a prediction and of a cut-out, as the query of a request has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Query


@dataclass
class Settings:
    """What a request chooses; the fields are those of ``Segmenter.predict``, but for the model's name."""

    model: Annotated[str | None, Query(description="One of the models of GET /models; the first by default.")] = None
    sides: Annotated[
        Literal["consistent", "raw"],
        Query(description="Left and right: consistent with the car's view, or raw, as the network tells them."),
    ] = "consistent"
    threshold: Annotated[
        float | None, Query(ge=0, le=1, description="Pixels less sure than this become background.")
    ] = None
    min_area: Annotated[
        float | None,
        Query(ge=0, le=1, description="Pieces below this share of their class's largest are cleaned away; 0: none."),
    ] = None


@dataclass
class Framing:
    """How a request wants a car shown on its own; the fields are those of ``Result.cutout``."""

    shadow: Annotated[bool, Query(description="Draw a shadow on the ground.")] = False
    size: Annotated[str | None, Query(description="Canvas that the car is framed on: 1920x1080.")] = None
    margin: Annotated[str | None, Query(description="Share of the canvas that stays free: 8%. Needs a size.")] = None
    car: Annotated[int | None, Query(ge=1, description="Which car; by default the main one.")] = None
    all: Annotated[bool, Query(description="Every car.")] = False
    glass: Annotated[Literal["keep", "tint"], Query(description="What is seen through the windows.")] = "keep"
    feather: Annotated[float, Query(ge=0, le=50, description="Pixels over which the border fades inwards.")] = 0
