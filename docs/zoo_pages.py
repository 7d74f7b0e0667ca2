"""The zoo's pages: all weights in one table with plots and images, and one page per weight, its model card.

Everything is read from the manifest, from ``weights/NAME/README.md`` and, where it is there, from the file
``benchmarks/zoo.jsonl``, the ``results.jsonl`` that ``carseg benchmark --all --out DIR`` leaves.
A time counts for the very file it was measured with; a model without one shows "-".
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from carseg.benchmarking import Row, read_rows
from carseg.figures import FIGURES
from carseg.hub import ROOT, ModelInfo, copies, load_manifest, model_card
from carseg.reporting import Point, xy_plot

BENCHMARK = ROOT / "benchmarks" / "zoo.jsonl"
IMAGE = ROOT / "examples" / "car.jpg"
_LARGEST = 960  # longest side of an image on a page
_HEAD = (
    *("model", "labels", "mIoU, %", "95 % interval", "pixel accuracy, %", "Dice, %", "ms", "parameters", "file"),
    *("images", "licence", "commercial use", "in the package", "recipe"),
)

Models = Mapping[str, ModelInfo]
Rows = Mapping[str, Row]


def zoo_page(models: Models, rows: Rows, images: Iterable[str] = ()) -> str:
    """The table of all weights, plots where there are times, images, figures by class.

    Args:
        rows: what was timed, by model.
        images: models that have an image, zoo/NAME.jpg.
    """
    blocks = [
        "---\nhide: [navigation, toc]\n---\n# The zoo",
        "Every weight of this version, from `weights_manifest.json`. The code is free under Apache-2.0; **a weight has "
        "the licence that its data demands**, stated in its row and on its page. Figures are those of the stored file "
        "on the test split, by [one protocol](../figures.md), with 95 % intervals; those of different labels do not "
        "compare. [Beside the public projects](../public-projects.md) puts them beside published ones.",
    ]
    if not models:
        return _page([*blocks, "This version has no weights yet."])
    table = _table(_HEAD, (_cells(info, rows) for _, infos in _by_labels(models) for info in infos))
    blocks += ['<div class="sortable" markdown>', table, "</div>", "Click a column's head to sort by it."]
    if rows:
        message = "A point is filled where no other model with its labels is both quicker and better."
        blocks += ["## Quality against time", f"{_setting(rows.values())} {message}"]
    for labels, infos in _by_labels(models):
        if points := [*_points(infos, rows)]:
            blocks += [f"### {labels}: mIoU against milliseconds", f'<div class="plot">{_plot(points)}</div>']
    if names := sorted(images):
        message = "Drawn by this project, it is no photograph; the networks were trained on those."
        cells = (f"[![What {name} makes of it]({name}.jpg){{ loading=lazy }}<br>{name}]({name}.md)" for name in names)
        blocks += ["## On one image", message, '<div class="gallery" markdown>', "\n".join(cells), "</div>"]
    blocks += ["## By class", "IoU in %, below the figures of the whole."]
    for labels, infos in _by_labels(models):
        blocks += [f"### {labels}", _class_table(infos)]
    return _page(blocks)


def weight_page(info: ModelInfo, row: Row | None = None, *, with_image: bool) -> str:
    """The model card without its metadata, with an image of the result, the time if there is one, and the recipe."""
    path = ROOT / "weights" / info.name / "README.md"
    card = path.read_text("utf-8") if path.exists() else model_card(info)
    title, _, rest = re.sub(r"\A---\n.*?\n---\n", "", card, flags=re.DOTALL).strip().partition("\n")
    blocks = [title]
    if with_image:
        blocks.append(f"![What {info.name} makes of a drawn car]({info.name}.jpg)")
        blocks.append("The image is drawn by this project, it is no photograph.")
    blocks.append(rest.strip())
    if row:
        message = f"{row['ms_p50']:.0f} ms with {row['runtime']} in {row['precision']}."
        blocks += ["## Time", f"{message} {_setting([row])}"]
    recipe = ROOT / info.recipe
    if recipe.is_file():
        blocks += ["## Recipe", f"What `python -m recipes.run {info.name}` reads:"]
        blocks.append(f"```toml\n{recipe.read_text('utf-8').strip()}\n```")
    return _page(blocks)


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


@functools.cache
def drawn_result(name: str) -> bytes | None:
    """The overlay of the example image as a JPEG file; None where the image or the weights are not here."""
    if not IMAGE.exists() or not copies(load_manifest().models[name]):
        return None
    import carseg

    image = carseg.load(name, device="cpu", runtime="torch").predict(IMAGE).overlay()
    image.thumbnail((_LARGEST, _LARGEST))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88)
    return file.getvalue()


def _by_labels(models: Models) -> Iterator[tuple[str, list[ModelInfo]]]:
    for labels in sorted({info.labels.name for info in models.values()}):
        yield labels, [info for _, info in sorted(models.items()) if info.labels.name == labels]


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


def _setting(rows: Iterable[Row]) -> str:
    """How rows were measured, and on which machines."""
    machines = {(row["environment"]["processor"], row["device"], row["threads"]) for row in rows}
    message = "; ".join(f"{processor}, {device}, {threads} threads" for processor, device, threads in sorted(machines))
    return (
        "Median time of one image of 1280x720 pixels, end to end: from the encoded image in memory to the mask at "
        f"its own size, with the fastest runtime that the manifest allows. On {message}."
    )


def _cells(info: ModelInfo, rows: Rows) -> Iterator[str]:
    metric = info.metric
    yield f"[{info.name}]({info.name}.md)"
    yield info.labels.name
    yield _percent(metric.miou) if metric else "-"
    yield _interval(metric.miou_ci) if metric else "-"
    for value in (metric.pixel_acc, metric.dice) if metric else (None, None):
        yield _percent(value)
    yield f"{rows[info.name]['ms_p50']:.0f}" if info.name in rows else "-"
    yield f"{info.parameters / 1e6:.2f} M"
    yield f"{info.bytes / 1e6:.1f} MB"
    yield f"{metric.images} {metric.split}" if metric else "-"
    yield info.licence
    yield info.commercial_use
    yield "yes" if info.embedded else "no"
    yield f"[recipe]({info.name}.md#recipe)" if (ROOT / info.recipe).is_file() else info.recipe


def _class_table(infos: Iterable[ModelInfo]) -> str:
    """One column per weight: the figures of the whole, then IoU by class."""
    measured = [(info, metric) for info in infos if (metric := info.metric) and metric.per_class]
    if not measured:
        return "None were measured."
    rows = []
    for figure in (FIGURES[key] for key in ("miou", "boundary_f1", "side_error")):
        values = [getattr(metric, figure.key) for _, metric in measured]
        if any(value is not None for value in values):
            rows.append([f"**{cell}**" for cell in (figure.title, *map(_percent, values))])
    for name in measured[0][0].labels.classes:
        rows.append([name, *(_percent(metric.per_class.get(name)) for _, metric in measured)])
    return _table(["", *(info.name for info, _ in measured)], rows)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _interval(interval: tuple[float, float] | None) -> str:
    return "-" if interval is None else " to ".join(map(_percent, interval))


def _table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def _page(blocks: Iterable[str]) -> str:
    return "\n\n".join(blocks) + "\n"
