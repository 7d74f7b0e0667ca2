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
_WIDTH, _ROW, _BOX = 760, 34, 26  # pixels of the drawing, of a row, of a box's height
_LEFT, _LINE, _RIGHT = 330, 480, 540  # where the origins end, the lines begin, and the box of the weight begins


def lineage(info: ModelInfo, recipe: Mapping[str, Any]) -> str:
    """Return an SVG drawing: the origins of a weight in boxes, each joined to it by a line that says its part.

    Args:
        info: the weight, with the data that shaped it.
        recipe: its recipe, {} where there is none.
    """
    origins = [*_networks(info, recipe), *_data(info)]
    height = _ROW * len(origins) + 8
    middle = height / 2
    parts = []
    for number, (name, role) in enumerate(origins):
        y = 4 + _ROW * (number + 0.5)
        curve = f"M{_LINE} {y}C{_LINE + 35} {y} {_RIGHT - 35} {middle} {_RIGHT} {middle}"
        parts.append(f'<path class="box" d="{curve}"/>')
        parts += _box(0, _LEFT, y, name)
        parts.append(text(_LEFT + 8, y + 4, role))
    parts += _box(_RIGHT, _WIDTH, middle, info.name)
    said = "; ".join(f"{role} {name}" for name, role in origins)
    return f'<div class="plot" role="img" aria-label="{escape(said)}">{svg(_WIDTH, height, parts)}</div>'


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


def _box(left: float, right: float, middle: float, name: str) -> Iterator[str]:
    """Yield a box with a name in it, around a height."""
    where = f'x="{left + 1}" y="{middle - _BOX / 2}" width="{right - left - 2}" height="{_BOX}" rx="4"'
    yield f'<rect class="box" {where}/>'
    yield text((left + right) / 2, middle + 4, name, "middle")
