"""The model card of a hub entry: Markdown under the metadata that model hubs read. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from carseg.manifest import Entry, Metric


def model_card(entry: Entry, notes: str = "") -> str:
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
{_int8(entry)}| input | {entry.input.size[1]}x{entry.input.size[0]} pixels (the whole picture, {_resize(entry)}) |
| licence | {entry.licence} |
| commercial use | {entry.commercial_use} |
| architecture | {entry.paper or "see the recipe"} |
| made by | {entry.made_by or "not stated"}, with {entry.recipe or "no recipe"} |

## Data that shaped it

| data set | split | pictures | role | licence |
|---|---|---|---|---|
{sources}
{notes + chr(10) if notes else ""}
## Figures

{"".join(_figures(metric) for metric in entry.metrics) or "None were measured."}"""


def hub_card(entries: Sequence[Entry]) -> str:
    """What stands at the top of a hub: its models and their licences."""
    rows = "".join(
        f"| [{entry.name}]({entry.name}) | {entry.architecture} | {entry.labels.name} | {entry.bytes / 1e6:.1f} MB "
        f"| {entry.licence} | {entry.commercial_use} |\n"
        for entry in entries
    )
    return f"""{_front_matter(*entries)}
# Weights of carseg

Segmentation of car pictures; `carseg predict PICTURE --model NAME` uses them. The licence is that of the weights, as
their data demands.

| name | architecture | labels | file | licence | commercial use |
|---|---|---|---|---|---|
{rows}"""


def _int8(entry: Entry) -> str:
    """A row of the table of facts, where there is something to say."""
    return f"| computed in int8 | {entry.int8} |\n" if entry.int8 else ""


def _resize(entry: Entry) -> str:
    return "stretched to it" if entry.input.resize == "stretch" else "its longest side"


def _figures(metric: Metric) -> str:
    rows = "".join(
        f"| {title} | {_percent(value)} | {_interval(interval)} |\n"
        for title, value, interval in (
            ("mIoU", metric.miou, metric.miou_ci),
            ("pixel accuracy", metric.pixel_acc, metric.pixel_acc_ci),
            ("Dice", metric.dice, metric.dice_ci),
            ("boundary F1", metric.boundary_f1, metric.boundary_f1_ci),
            ("side error rate", metric.side_error, metric.side_error_ci),
        )
        if value is not None
    )
    classes = "".join(f"| {name} | {_percent(iou)} |\n" for name, iou in metric.per_class.items())
    return f"""{metric.dataset} {metric.split}, {metric.images} pictures; {metric.protocol}.

| | | 95 % interval |
|---|---|---|
{rows}
| class | IoU |
|---|---|
{classes}
"""


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f"{100 * interval[0]:.2f} to {100 * interval[1]:.2f} %"


def _front_matter(*entries: Entry) -> str:
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
    figures = (("mean_iou", metric.miou), ("pixel_accuracy", metric.pixel_acc), ("dice", metric.dice))
    return {
        "task": {"type": "image-segmentation"},
        "dataset": {"name": metric.dataset, "type": metric.dataset, "split": metric.split},
        "metrics": [{"type": kind, "value": value} for kind, value in figures if value is not None],
    }
