"""The settings of a prediction, as the query of a request has them."""

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
