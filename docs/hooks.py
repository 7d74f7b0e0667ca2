"""Pages that mkdocs makes rather than reads: the zoo from the manifest, the command line from the app itself.

A weight's page is its model card, weights/NAME/README.md, below what the weight makes of the example picture. Where
benchmarks/zoo.jsonl holds rows of `carseg benchmark --format json`, the zoo shows milliseconds and a plot too.
"""

from __future__ import annotations

import functools
import io
import math
import re
import sys
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

ROOT = Path(__file__).absolute().parent.parent
sys.path.insert(0, str(ROOT))  # the checkout, installed or not

from carseg.benchmark_rows import Row, read_rows  # noqa: E402
from carseg.card import model_card  # noqa: E402
from carseg.cli.models import best_metric  # noqa: E402
from carseg.manifest import Entry, load_manifest  # noqa: E402

BENCHMARK = ROOT / "benchmarks" / "zoo.jsonl"
PICTURE = ROOT / "examples" / "car.jpg"
_LARGEST = 960  # longest side of a picture on a page


def on_config(config: Any) -> Any:
    """Puts the weights into the navigation."""
    [zoo] = [pages["Zoo"] for pages in config.nav if "Zoo" in pages]
    zoo[:] = ["zoo/index.md", *(f"zoo/{name}.md" for name in sorted(load_manifest().models))]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages and their pictures."""
    from mkdocs.structure.files import File

    models = load_manifest().models
    pages: dict[str, str | bytes] = {"command-line.md": command_line_page()}
    pages["zoo/index.md"] = zoo_page(models, timed_rows())
    for name, entry in models.items():
        drawn = drawn_result(name)
        pages[f"zoo/{name}.md"] = weight_page(entry, with_picture=drawn is not None)
        if drawn is not None:
            pages[f"zoo/{name}.jpg"] = drawn
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def zoo_page(models: Mapping[str, Entry], rows: Mapping[str, Row]) -> str:
    """The table of all weights, and the plot where there are times.

    Args:
        rows: what was timed, by model.
    """
    lines = [
        "# The zoo",
        "",
        "Every weight of this version, from `weights_manifest.json`. The code is free under Apache-2.0; **a weight has",
        "the licence that its data demands**, stated in its row and on its page. Figures are those of the stored file",
        "on the test split, by [one protocol](../figures.md), with 95 % intervals.",
        "",
    ]
    if not models:
        return "\n".join([*lines, "This version has no weights yet.", ""])
    head = ["name", "labels", "measured on", "mIoU", "95 % interval", "pixel accuracy", "Dice", "parameters", "file"]
    head += ["ms"] * bool(rows) + ["commercial use", "in the package"]
    table = [_row(head), _row("---" for _ in head)]
    table += [_row(_cells(entry, rows)) for _, entry in sorted(models.items())]
    lines += ['<div class="sortable" markdown>', "", *table, "", "</div>", "", "Click a column's head to sort by it."]
    if rows:
        machine = next(iter(rows.values()))["environment"]["processor"]
        lines += ["", "## Quality against time", "", f"One picture, end to end, on {machine}.", ""]
        lines += plots(models, rows)
    lines += ["", "## By class", ""]
    for labels in sorted({entry.labels.name for entry in models.values()}):
        lines += [f"### {labels}", "", *_class_table([e for e in models.values() if e.labels.name == labels]), ""]
    return "\n".join(lines)


def weight_page(entry: Entry, *, with_picture: bool) -> str:
    """The model card without its metadata, with a picture of the result."""
    path = ROOT / "weights" / entry.name / "README.md"
    card = path.read_text("utf-8") if path.exists() else model_card(entry)
    card = re.sub(r"\A---\n.*?\n---\n", "", card, flags=re.DOTALL).strip()
    if not with_picture:
        return f"{card}\n"
    title, _, rest = card.partition("\n")
    picture = f"![What {entry.name} makes of a drawn car]({entry.name}.jpg)"
    return f"{title}\n\n{picture}\n\nThe picture is drawn by this project, it is no photograph.\n{rest}\n"


def timed_rows() -> dict[str, Row]:
    """Rows of the benchmark file by model, {} where there is no such file."""
    rows = read_rows(BENCHMARK) if BENCHMARK.exists() else []
    return {row["model"]: row for row in rows if row["ms_p50"] is not None}


@functools.cache
def drawn_result(name: str) -> bytes | None:
    """The overlay of the example picture as a JPEG file; None where the picture or the weights are not here."""
    from carseg import hub

    if not PICTURE.exists() or not hub.copies(load_manifest().models[name]):
        return None
    import carseg

    image = carseg.load(name, device="cpu").predict(PICTURE).overlay()
    image.thumbnail((_LARGEST, _LARGEST))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88)
    return file.getvalue()


def plots(models: Mapping[str, Entry], rows: Mapping[str, Row]) -> Iterator[str]:
    """mIoU against milliseconds as inline SVG, one plot a label set: figures of different label sets do not compare."""
    for labels in sorted({entry.labels.name for entry in models.values()}):
        points = [
            (name, rows[name]["ms_p50"], metric.miou)
            for name, entry in sorted(models.items())
            if entry.labels.name == labels and name in rows and (metric := best_metric(entry))
        ]
        if points:
            yield f"### {labels}: mIoU against milliseconds"
            yield ""
            yield _scatter(points)
            yield ""


def command_line_page() -> str:
    """The help of every command, as the app prints it."""
    import typer

    from carseg.cli.app import app

    root = typer.main.get_command(app)
    lines = ["# Command line", "", "Made from the program itself; `carseg COMMAND --help` prints the same.", ""]
    for path, text in _helps(root, "carseg", None):
        lines += [f"## {path}", "", "```text", text.rstrip(), "```", ""]
    return "\n".join(lines)


def _helps(command: Any, path: str, parent: Any) -> Iterator[tuple[str, str]]:
    import typer

    widths = {"terminal_width": 100, "max_content_width": 100}
    context = typer.Context(command, info_name=path.split()[-1], parent=parent, **widths)
    yield path, command.get_help(context)
    for name, inner in getattr(command, "commands", {}).items():
        yield from _helps(inner, f"{path} {name}", context)


def _cells(entry: Entry, rows: Mapping[str, Row]) -> Iterator[str]:
    metric = best_metric(entry)
    yield f"[{entry.name}]({entry.name}.md)"
    yield entry.labels.name
    yield f"{metric.dataset} {metric.split}, {metric.images} pictures" if metric else "-"
    yield f"{metric.miou:.4f}" if metric else "-"
    yield " to ".join(f"{end:.4f}" for end in metric.miou_ci) if metric and metric.miou_ci else "-"
    for value in (metric.pixel_acc, metric.dice) if metric else (None, None):
        yield "-" if value is None else f"{value:.4f}"
    yield f"{entry.parameters / 1e6:.2f} M"
    yield f"{entry.bytes / 1e6:.1f} MB"
    if rows:
        yield f"{rows[entry.name]['ms_p50']:.0f}" if entry.name in rows else "-"
    yield f"{entry.commercial_use} ({entry.licence})"
    yield "yes" if entry.embedded else "no"


def _class_table(entries: list[Entry]) -> list[str]:
    """IoU by class, one column a weight."""
    measured = [(entry.name, metric) for entry in entries if (metric := best_metric(entry)) and metric.per_class]
    if not measured:
        return ["None were measured."]
    lines = [_row(["class", *(name for name, _ in measured)]), _row(["---"] * (len(measured) + 1))]
    for name in entries[0].labels.classes:
        values = [metric.per_class.get(name) for _, metric in measured]
        lines.append(_row([name, *("-" if value is None else f"{value:.4f}" for value in values)]))
    return lines


def _row(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def _scatter(points: list[tuple[str, float, float]]) -> str:
    """Points of (name, milliseconds, mIoU); the milliseconds on a logarithmic axis."""
    width, height, left, right, top, bottom = 760, 360, 56, 190, 16, 44
    low = math.floor(min(math.log2(ms) for _, ms, _ in points))
    high = math.floor(max(math.log2(ms) for _, ms, _ in points)) + 1
    floor = math.floor(min(miou for *_, miou in points) * 20)  # in steps of 0.05
    ceiling = max(math.ceil(max(miou for *_, miou in points) * 20), floor + 1)

    def at(ms: float, miou: float) -> tuple[float, float]:
        x = left + (math.log2(ms) - low) / (high - low) * (width - left - right)
        return x, height - bottom - (miou * 20 - floor) / (ceiling - floor) * (height - top - bottom)

    line = 'stroke="currentColor" stroke-opacity=".15"'
    parts = []
    for power in range(low, high + 1):
        x, y = at(2.0**power, floor / 20)
        parts.append(f'<path d="M{x:.1f} {top}V{y:.1f}" {line}/>')
        parts.append(f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">{2.0**power:g}</text>')
    for step in range(floor, ceiling + 1):
        x, y = at(2.0**low, step / 20)
        parts.append(f'<path d="M{x:.1f} {y:.1f}H{width - right}" {line}/>')
        parts.append(f'<text x="{x - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{step / 20:.2f}</text>')
    for name, ms, miou in points:
        x, y = at(ms, miou)
        title = f"<title>{miou:.4f}, {ms:.1f} ms</title>"
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="#0072b2">{title}</circle>')
        parts.append(f'<text x="{x + 9:.1f}" y="{y + 4:.1f}">{escape(name)}</text>')
    middle = (left + width - right) / 2
    parts.append(f'<text x="{middle}" y="{height - 6}" text-anchor="middle">milliseconds a picture</text>')
    style = "font: 12px sans-serif; fill: currentColor; max-width: 100%"
    return f'<svg viewBox="0 0 {width} {height}" style="{style}" role="img">{"".join(parts)}</svg>'
