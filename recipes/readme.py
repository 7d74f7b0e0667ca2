"""The tables of models in README.md, made from the manifest.

python -m recipes.readme        writes it anew
"""

from __future__ import annotations

from carseg.hub import RECOMMENDED, ROOT, ModelInfo, load_manifest

README = ROOT / "README.md"
BEGIN, END = "<!-- {}: made by `python -m recipes.readme` -->\n", "<!-- {} end -->"


def with_tables(text: str, models: dict[str, ModelInfo]) -> str:
    """Return ``text`` with the tables between their marks replaced."""
    for name, table in (("recommended", recommended_table(models)), ("models", models_table(models))):
        begin, end = BEGIN.format(name), END.format(name)
        before, rest = text.split(begin)
        _, after = rest.split(end)
        text = f"{before}{begin}\n{table}\n{end}{after}"
    return text


def recommended_table(models: dict[str, ModelInfo]) -> str:
    """Return the table of the recommended models in Markdown, one row per job."""
    head = (
        "| for | take | or, in full | mIoU | 95 % interval | elsewhere | file | commercial use |\n"
        "|---|---|---|---|---|---|---|---|\n"
    )
    rows = []
    for short, choice in RECOMMENDED.items():
        info = models[choice.model]
        value, interval = _quality(info)
        name, file = f"`{info.name}`", _megabytes(info)
        cells = (choice.job, f"`{short}`", name, value, interval, _elsewhere(info), file, info.commercial_use)
        rows.append(f"| {' | '.join(cells)} |\n")
    return head + "".join(rows)


def models_table(models: dict[str, ModelInfo]) -> str:
    """Return the table in Markdown, one row per model."""
    head = "| model | classes | measured on | mIoU | 95 % interval | parameters | file | commercial use |\n"
    return head + "|---|---|---|---|---|---|---|---|\n" + "".join(_row(info) for _, info in sorted(models.items()))


def _row(info: ModelInfo) -> str:
    metric = info.metrics[0]
    cells = (
        f"`{info.name}`" + (" (in the package)" if info.embedded else ""),
        f"{len(info.labels)} of {info.labels.name}",
        f"{metric.images} {metric.split} images of {metric.dataset}",
        *_quality(info),
        f"{info.parameters / 1e6:.1f} M",
        _megabytes(info),
        info.commercial_use,
    )
    return f"| {' | '.join(cells)} |\n"


def _quality(info: ModelInfo) -> tuple[str, str]:
    """Return mIoU and its interval as text."""
    metric = info.metrics[0]
    low, high = metric.miou_ci or (metric.miou, metric.miou)
    return f"{100 * metric.miou:.1f} %", f"{100 * low:.1f} to {100 * high:.1f} %"


def _elsewhere(info: ModelInfo) -> str:
    """Return the mIoU on another data set than that it was made for, where it was measured there."""
    first, *others = info.metrics
    other = next((metric for metric in others if metric.dataset != first.dataset), None)
    return "-" if other is None else f"{100 * other.miou:.1f} % on {other.dataset}"


def _megabytes(info: ModelInfo) -> str:
    return f"{info.bytes / 1e6:.1f} MB"


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text("utf-8"), load_manifest().models), "utf-8")
