"""The model card of a hub entry: Markdown under the metadata that model hubs read. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from carseg.figures import FIGURES, Estimate
from carseg.hub.model_info import Metric, ModelInfo


def model_card(entry: ModelInfo, notes: str = "") -> str:
    """What a person should know before using a weight.

    Args:
        notes: Markdown put between the facts and the figures, such as how labels came about and where it fails.
    """
    sources = "".join(
        f"| {source.name} | {source.split} | {source.images} | {source.role} | {source.licence} |\n"
        for source in entry.data
    )
    return f"""{_front_matter(entry)}
# {entry.name}

{entry.architecture} for the {len(entry.labels)} classes of `{entry.labels.name}`: {", ".join(entry.labels.classes)}.

```python
import carseg

result = carseg.load("{entry.name}").predict("img.jpg")
```

| | |
|---|---|
| parameters | {entry.parameters / 1e6:.2f} million |
| file | {entry.bytes / 1e6:.1f} MB, {entry.storage}, sha256 `{entry.sha256}` |
{_int8(entry)}| input | {entry.input.size[1]}x{entry.input.size[0]} pixels (the whole image, {_resize(entry)}) |
| licence | {entry.licence} |
| commercial use | {entry.commercial_use} |
| architecture | {entry.paper or "see the recipe"} |
| made by | {entry.made_by or "not stated"}, with {entry.recipe or "no recipe"} |

## Data that shaped it

| data set | split | images | role | licence |
|---|---|---|---|---|
{sources}
{notes + chr(10) if notes else ""}
## Figures

{"".join(_figures(metric) for metric in entry.metrics) or "None were measured."}"""


def hub_card(entries: Sequence[ModelInfo]) -> str:
    """What stands at the top of a hub: its models and their licences."""
    rows = "".join(
        f"| [{entry.name}]({entry.name}) | {entry.architecture} | {entry.labels.name} | {entry.bytes / 1e6:.1f} MB "
        f"| {entry.licence} | {entry.commercial_use} |\n"
        for entry in entries
    )
    return f"""{_front_matter(*entries)}
# Weights of carseg

Segmentation of car images; `carseg predict IMAGE --model NAME` uses them. The licence is that of the weights, as
their data demands.

| name | architecture | labels | file | licence | commercial use |
|---|---|---|---|---|---|
{rows}"""


def _int8(entry: ModelInfo) -> str:
    """A row of the table of facts, where there is something to say."""
    return f"| computed in int8 | {entry.int8} |\n" if entry.int8 else ""


def _resize(entry: ModelInfo) -> str:
    return "stretched to it" if entry.input.resize == "stretch" else "its longest side"


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


def _front_matter(*entries: ModelInfo) -> str:
    """YAML, written as the JSON that YAML contains."""
    facts = {
        "library_name": "carseg",
        "pipeline_tag": "image-segmentation",
        "tags": ["cars", *sorted({name for entry in entries for name in (entry.labels.name, entry.architecture)})],
        "license": "other",
        "license_name": "as-the-card-says",  # has to be a name, and terms are sentences
        "datasets": sorted({source.name for entry in entries for source in entry.data}),
        "model-index": [{"name": entry.name, "results": [_result(m) for m in entry.metrics]} for entry in entries],
    }
    return "---\n" + "".join(f"{key}: {json.dumps(value)}\n" for key, value in facts.items()) + "---\n"


def _result(metric: Metric) -> dict[str, Any]:
    figures = [(FIGURES[key].hub_type, estimate.value) for key, estimate in metric.figures.items()]
    return {
        "task": {"type": "image-segmentation"},
        "dataset": {"name": metric.dataset, "type": metric.dataset, "split": metric.split},
        "metrics": [{"type": kind, "value": value} for kind, value in figures if kind],
    }
