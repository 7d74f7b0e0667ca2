"""Where a weight comes from, as a small graph: what it started from, what it learned from, what chose it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from carseg.hub import ModelInfo
from carseg.reporting import svg, text

_ROLES = {  # roles of a data set in the manifest, in the order in which a weight meets them
    "pretraining": "pretrained on",
    "distillation": "taught by networks of",
    "training": "trained on",
    "background": "other images",
    "validation": "chosen on",
}
WIDTH = 350  # pixels of the drawing: a phone shows all of it
_ROW, _BOX = 46, 38  # pixels of a row, of a box's height
_LINE, _LEFT = 10, 26  # where the line that joins the boxes runs, where these begin


def lineage(info: ModelInfo, recipe: Mapping[str, Any]) -> str:
    """Return an SVG drawing: the origins of a weight in boxes, and a line from all of them to the weight below.

    Args:
        info: the weight, with the data that shaped it.
        recipe: its recipe, {} where there is none.
    """
    origins = [*_networks(info, recipe), *_data(info)]
    end = _middle(len(origins))
    parts = [f'<path class="box" d="M{_LINE} {_middle(0)}V{end}H{_LEFT}m-6 -4l6 4l-6 4"/>']
    for place, (name, role) in enumerate(origins):
        parts.append(f'<path class="box" d="M{_LEFT} {_middle(place)}H{_LINE}"/>')
        parts += _box(place, role, name)
    parts += _box(len(origins), "this network", info.name)
    said = "; ".join(f"{role} {name}" for name, role in origins)
    drawing = svg(WIDTH, end + _BOX / 2 + 2, parts)
    return f'<div class="plot narrow" role="img" aria-label="{escape(said)}">{drawing}</div>'


def _networks(info: ModelInfo, recipe: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the networks whose weights it began with or that taught it, and their part."""
    if recipe.get("start", info.architecture) != info.architecture:
        yield recipe["start"], "started from"
    config = [recipe.get("config", {}), *recipe.get("rounds", ())]
    for key, role in (("encoder", "encoder of"), ("teacher", "taught by")):
        names = dict.fromkeys(each[key] for each in config if each.get(key))
        yield from ((name.rpartition("/")[2].removesuffix(".safetensors"), role) for name in names if name != info.name)


def _data(info: ModelInfo) -> Iterator[tuple[str, str]]:
    for role, said in _ROLES.items():
        for source in info.data:
            if source.role == role:
                yield f"{source.name}, {source.images:,} images", said


def _middle(place: int) -> float:
    """Return the height at which the middle of a box lies."""
    return 2 + place * _ROW + _BOX / 2


def _box(place: int, role: str, name: str) -> Iterator[str]:
    """Yield a box with two lines of text: a part, and what plays it."""
    top = _middle(place) - _BOX / 2
    where = f'x="{_LEFT}" y="{top}" width="{WIDTH - _LEFT - 1}" height="{_BOX}" rx="4"'
    yield f'<rect class="box" {where}/>'
    yield f'<g class="role">{text(_LEFT + 10, top + 15, role)}</g>'
    yield text(_LEFT + 10, top + 31, name)
