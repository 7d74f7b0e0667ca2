"""Model cards of weights and of whole hubs: Markdown under the metadata that model hubs read. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from carseg._files import to_json
from carseg.errors import printable
from carseg.figures import FIGURES, Estimate
from carseg.hub.model_info import Metric, ModelInfo


def escape_markdown(text: str) -> str:
    """Return text for one line of Markdown or a cell of a table: nothing in it is a link, HTML or another column."""
    text = re.sub(r"([\\`*|\[\]])", r"\\\1", printable(" ".join(text.split())))
    return text.replace("<", "&lt;").replace(">", "&gt;")


def model_card(info: ModelInfo, notes: str = "", *, address: str = "") -> str:
    """Return the model card of weights in Markdown: everything to know before using them.

    Args:
        info: the weights.
        notes: Markdown between the facts and the figures, such as how labels were made and where the network fails.
        address: what ``carseg.load`` takes; by default the name.
    """
    sources = "".join(
        _row(source.name, source.split, str(source.images), source.role, source.licence) for source in info.data
    )
    architecture, classes = escape_markdown(info.architecture), escape_markdown(", ".join(info.labels.classes))
    return f"""{_front_matter(info)}
# {info.name}

{architecture} for the {len(info.labels)} classes of {_code(info.labels.name)}: {classes}.

```python
import carseg

result = {_use(info, address)}
```

| | |
|---|---|
| parameters | {info.parameters / 1e6:.2f} million |
| file | {info.bytes / 1e6:.1f} MB, {info.storage}, sha256 `{info.sha256}` |
{_facts(info)}
## Training data

| data set | split | images | role | licence |
|---|---|---|---|---|
{sources}
{notes + chr(10) if notes else ""}
## Figures

{"".join(_figures(metric) for metric in info.metrics) or "None were measured."}"""


def hub_card(infos: Sequence[ModelInfo]) -> str:
    """Return the card at the top of a hub, Markdown: its models and their licences."""
    rows = "".join(
        f"| [{info.name}]({info.name}) "
        + _row(info.architecture, info.labels.name, f"{info.bytes / 1e6:.1f} MB", info.licence, info.commercial_use)
        for info in infos
    )
    return f"""{_front_matter(*infos)}
# Weights of carseg

Segmentation of car images; `carseg predict IMAGE --model NAME` uses them. Each weight has the licence that its
training data requires.

| name | architecture | labels | file | licence | commercial use |
|---|---|---|---|---|---|
{rows}"""


def _use(info: ModelInfo, address: str) -> str:
    """Return the call that uses the weights."""
    if info.input.channels > 3:
        return 'carseg.load("car").predict("img.jpg", edges="refined")'
    return f'carseg.load("{address or info.name}").predict("img.jpg")'


def _facts(info: ModelInfo) -> str:
    """Return the rows of the table of facts that hold words."""
    height, width = info.input.size
    facts = {"cost of int8": str(info.int8)} if info.int8 else {}
    facts |= {
        "input": f"{width}x{height} pixels ({_shown(info)})",
        "licence": info.licence,
        "commercial use": info.commercial_use,
        "architecture": info.paper or "see the recipe",
        "made by": f"{info.made_by or 'not stated'}, with {info.recipe or 'no recipe'}",
    }
    return "".join(_row(name, value) for name, value in facts.items())


def _row(*cells: str) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(map(escape_markdown, cells))} |\n"


def _code(text: str) -> str:
    """Return a name between backticks, where nothing can be escaped; one that would have to be, without."""
    return f"`{text}`" if re.fullmatch(r"[\w.+-]+", text) else escape_markdown(text)


def _shown(info: ModelInfo) -> str:
    if info.input.channels > 3:
        return "windows of the image, with the mask of another network"
    return f"the whole image, {'stretched' if info.input.resize == 'stretch' else 'by its longest side'}"


def _figures(metric: Metric) -> str:
    rows = "".join(
        _row(FIGURES[key].title, estimate.percent, estimate.percent_interval)
        for key, estimate in metric.figures.items()
        if FIGURES[key].in_rows
    )
    classes = "".join(_row(name, _percent(iou)) for name, iou in metric.per_class.items())
    confused = metric.confused_most
    pair = (
        f"Most frequent confusion: {Estimate(confused.share).percent} of the pixels of {_code(confused.truth)} become "
        f"{_code(confused.taken_for)}.\n\n"
        if confused
        else ""
    )
    subject, protocol = escape_markdown(f"{metric.dataset} {metric.split}"), escape_markdown(metric.protocol)
    return f"""{subject}, {metric.images} images; {protocol}.

| | | 95 % interval |
|---|---|---|
{rows}
{pair}| class | IoU |
|---|---|
{classes}
"""


def _percent(value: float | None) -> str:
    return "-" if value is None else Estimate(value).percent


def _front_matter(*infos: ModelInfo) -> str:
    """Return the metadata of a card as YAML, whose values are written as JSON, a subset of YAML."""
    facts = {
        "library_name": "carseg",
        "pipeline_tag": "image-segmentation",
        "tags": ["cars", *sorted({name for info in infos for name in (info.labels.name, info.architecture)})],
        "license": "other",
        "license_name": "as-the-card-says",  # must be an identifier, but licences are sentences here
        "datasets": sorted({source.name for info in infos for source in info.data}),
        "model-index": [{"name": info.name, "results": [_result(m) for m in info.metrics]} for info in infos],
    }
    return "---\n" + "".join(f"{key}: {to_json(value)}\n" for key, value in facts.items()) + "---\n"


def _result(metric: Metric) -> dict[str, Any]:
    figures = [(FIGURES[key].hub_type, estimate.value) for key, estimate in metric.figures.items()]
    return {
        "task": {"type": "image-segmentation"},
        "dataset": {"name": metric.dataset, "type": metric.dataset, "split": metric.split},
        "metrics": [{"type": kind, "value": value} for kind, value in figures if kind],
    }
