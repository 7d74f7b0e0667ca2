"""The tables of docs/experiments.md, made from the experiments and their results.

    python -m experiments.page        writes them anew

A table stands between `<!-- experiment: NAME -->` and `<!-- end -->`. With several seeds, a figure and the ends of its
interval are the means over the seeds: images, not seeds, make most of the interval, and they are the same ones.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from statistics import fmean
from typing import NamedTuple

from carseg.hub import ROOT, load_manifest
from experiments import results
from experiments.experiment import Experiment, read
from experiments.results import Outcome

PAGE = ROOT / "docs" / "experiments.md"
_MARKED = re.compile(r"(<!-- experiment: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


class Column(NamedTuple):
    """A column of a figure: its title, what the value is multiplied by, and digits after the point."""

    title: str
    times: float
    digits: int


COLUMNS = {
    "miou": Column("mIoU, %", 100, 1),
    "merged_miou": Column("mIoU, lanes as one class, %", 100, 1),
    "pixel_acc": Column("pixel accuracy, %", 100, 1),
    "dice": Column("Dice, %", 100, 2),
    "covered": Column("parts inside the car, %", 100, 1),
    "spilled": Column("car outside the parts' box, %", 100, 1),
    "named": Column("car inside the parts, %", 100, 1),
    "beyond": Column("parts outside the car, %", 100, 2),
    "megabytes": Column("MB", 1, 1),
    "ms": Column("ms per image", 1, 0),
}


def write() -> None:
    """Write all tables of the page anew."""
    PAGE.write_text(with_tables(PAGE.read_text("utf-8")), "utf-8")


def with_tables(text: str) -> str:
    """Return ``text`` with what stands between the marks replaced."""

    def made(match: re.Match[str]) -> str:
        experiment = read(match[2])
        return f"{match[1]}\n{table(experiment, results.read(experiment))}\n{match[3]}"

    return _MARKED.sub(made, text)


def table(experiment: Experiment, rows: Sequence[Outcome], minutes: float | None = None) -> str:
    """Return what an experiment has found, as Markdown: the table, and below it how the figures were made.

    Args:
        experiment: with the variants and figures to show.
        rows: those of several budgets may be among them.
        minutes: show those of this budget; None for the largest.
    """
    budget = max((row.minutes for row in rows), default=0) if minutes is None else minutes
    shown = [row for row in rows if row.minutes == budget]
    published = any(variant.theirs for variant in experiment.variants)
    compared = any("gain" in row.figures for row in shown)
    seeds = len({row.seed for row in shown}) > 1
    head = [""] + ["theirs"] * published + [COLUMNS[name].title for name in experiment.figures]
    head += [f"against {experiment.variants[0].name}, points"] * compared + ["each seed"] * seeds
    lines = [_line(head), _line(["---"] * len(head))]
    for variant in experiment.variants:
        own = [row for row in shown if row.variant == variant.name]
        cells = [variant.name] + [variant.theirs or "-"] * published + _figures(experiment, own)
        if compared:
            cells.append(_gain(experiment, own))
        if seeds:
            cells.append(", ".join(_value(experiment.figures[0], row) for row in own) or "-")
        lines.append(_line(cells))
    return "\n".join([*lines, "", _notes(experiment, shown, budget), ""])


def _figures(experiment: Experiment, rows: Sequence[Outcome]) -> list[str]:
    """Return one cell per figure of the experiment; the first says why there is none."""
    measured = [row.figures for row in rows if not row.error]
    if not measured:
        failed = [f"failed: {row.error}" for row in rows]
        return [*(failed or ["not run yet"])[:1], *["-"] * (len(experiment.figures) - 1)]
    return [_mean(COLUMNS[name], [m[name] for m in measured if name in m]) for name in experiment.figures]


def _gain(experiment: Experiment, rows: Sequence[Outcome]) -> str:
    column = COLUMNS[experiment.figures[0]]
    return _mean(column, [row.figures["gain"] for row in rows if "gain" in row.figures], sign="+")


def _mean(column: Column, figures: Sequence[tuple[float, ...]], sign: str = "") -> str:
    """Return the mean of several figures, and of the ends of their intervals, such as ``61.2 (58.0 to 64.1)``."""
    if not figures:
        return "-"
    texts = [f"{fmean(ends) * column.times:{sign}z.{column.digits}f}" for ends in zip(*figures, strict=True)]
    return f"{texts[0]} ({texts[1]} to {texts[2]})" if len(texts) == 3 else texts[0]


def _value(name: str, row: Outcome) -> str:
    column = COLUMNS[name]
    return f"{row.figures[name][0] * column.times:.{column.digits}f}" if name in row.figures else "failed"


def _notes(experiment: Experiment, rows: Sequence[Outcome], budget: float) -> str:
    """Return paragraphs on how the figures were made, what is missing, and the command."""
    notes = []
    measured = [row for row in rows if not row.error]
    if measured:
        notes.append(f"{_how(experiment, measured, budget)} {_where(measured)}")
    if measured and budget < experiment.minutes:
        share = f"{budget:g} of the {experiment.minutes:g} minutes that the experiment asks for"
        notes.append(f"**A trial, with {share}: read nothing into it.**")
    wanted = {(variant.name, seed) for variant in experiment.variants for seed in range(experiment.seeds)}
    if rows and wanted - {(row.variant, row.seed) for row in measured}:
        notes.append("**Not finished:** some variants or seeds are still to be run.")
    seen = _shaped_by_the_same(experiment, {row.variant for row in measured})
    if seen:
        notes.append(f"Learned also from other images of the same data set: {', '.join(seen)}.")
    time = len(wanted) * experiment.minutes
    takes = f", about {time:g} minutes" if time else ""
    notes.append(f"{'Again' if rows else '**Not run yet**'}: `python -m experiments.run {experiment.name}`{takes}.")
    return "\n\n".join(notes)


def _how(experiment: Experiment, rows: Sequence[Outcome], budget: float) -> str:
    if experiment.measure == "side-by-side":
        return "Figures of the manifest, on the test split; milliseconds are end to end, one image at a time."
    assert experiment.images is not None
    trained = ""
    epochs = [row.epochs for row in rows if row.epochs is not None]
    if epochs:
        passes = " to ".join(dict.fromkeys(f"{end(epochs):.2g}" for end in (min, max)))
        trained = f" after trainings of {budget:g} minutes, {passes} epochs"
    where = f"{rows[0].images} {experiment.images.split} images of {experiment.images.folder}"
    return f"Measured on {where}{trained}; 95 % intervals over the images."


def _where(rows: Sequence[Outcome]) -> str:
    devices, commits = (
        ", ".join(dict.fromkeys(values)) for values in zip(*((r.device, r.commit) for r in rows), strict=True)
    )
    return f"On {devices}; commit {commits}."


def _shaped_by_the_same(experiment: Experiment, measured: Collection[str]) -> list[str]:
    """Return the measured finished models that other images of the data set they are measured on have shaped."""
    data = experiment.images.source if experiment.images else None
    sources = {name: {source.name for source in info.data} for name, info in load_manifest().models.items()}
    models = [variant for variant in experiment.variants if variant.model and variant.name in measured]
    return [variant.name for variant in models if data in sources[variant.model]]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    write()
