"""Model cards of weights and of whole hubs: Markdown under the metadata that model hubs read. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from carseg.figures import FIGURES, Estimate
from carseg.hub.model_info import Metric, ModelInfo


def model_card(info: ModelInfo, notes: str = "") -> str:
    """Return the model card of weights, Markdown: all that a person should know before using them.

    Args:
        info: the weights.
        notes: Markdown put between the facts and the figures, such as how labels were made and where the network
            fails.
    """
    sources = "".join(
        f"| {source.name} | {source.split} | {source.images} | {source.role} | {source.licence} |\n"
        for source in info.data
    )
    return f"""{_front_matter(info)}
# {info.name}

{info.architecture} for the {len(info.labels)} classes of `{info.labels.name}`: {", ".join(info.labels.classes)}.

```python
import carseg

result = carseg.load("{info.name}").predict("img.jpg")
```

| | |
|---|---|
| parameters | {info.parameters / 1e6:.2f} million |
| file | {info.bytes / 1e6:.1f} MB, {info.storage}, sha256 `{info.sha256}` |
{_int8(info)}| input | {info.input.size[1]}x{info.input.size[0]} pixels (the whole image, {_resize(info)}) |
| licence | {info.licence} |
| commercial use | {info.commercial_use} |
| architecture | {info.paper or "see the recipe"} |
| made by | {info.made_by or "not stated"}, with {info.recipe or "no recipe"} |

## Data that shaped it

| data set | split | images | role | licence |
|---|---|---|---|---|
{sources}
{notes + chr(10) if notes else ""}
## Figures

{"".join(_figures(metric) for metric in info.metrics) or "None were measured."}"""


def hub_card(infos: Sequence[ModelInfo]) -> str:
    """Return the card at the top of a hub, Markdown: its models and their licences."""
    rows = "".join(
        f"| [{info.name}]({info.name}) | {info.architecture} | {info.labels.name} | {info.bytes / 1e6:.1f} MB "
        f"| {info.licence} | {info.commercial_use} |\n"
        for info in infos
    )
    return f"""{_front_matter(*infos)}
# Weights of carseg

Segmentation of car images; `carseg predict IMAGE --model NAME` uses them. The licence is that of the weights, as
their data demands.

| name | architecture | labels | file | licence | commercial use |
|---|---|---|---|---|---|
{rows}"""


def _int8(info: ModelInfo) -> str:
    """Return the row about int8 in the table of facts, "" for weights without it."""
    return f"| computed in int8 | {info.int8} |\n" if info.int8 else ""


def _resize(info: ModelInfo) -> str:
    return "stretched to it" if info.input.resize == "stretch" else "its longest side"


def _figures(metric: Metric) -> str:
    rows = "".join(
        f"| {FIGURES[key].title} | {estimate.percent} | {estimate.percent_interval} |\n"
        for key, estimate in metric.figures.items()
        if FIGURES[key].in_rows
    )
    classes = "".join(f"| {name} | {_percent(iou)} |\n" for name, iou in metric.per_class.items())
    return f"""{metric.dataset} {metric.split}, {metric.images} images; {metric.protocol}.

| | | 95 % interval |
|---|---|---|
{rows}
| class | IoU |
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
    return "---\n" + "".join(f"{key}: {json.dumps(value)}\n" for key, value in facts.items()) + "---\n"


def _result(metric: Metric) -> dict[str, Any]:
    figures = [(FIGURES[key].hub_type, estimate.value) for key, estimate in metric.figures.items()]
    return {
        "task": {"type": "image-segmentation"},
        "dataset": {"name": metric.dataset, "type": metric.dataset, "split": metric.split},
        "metrics": [{"type": kind, "value": value} for kind, value in figures if kind],
    }
