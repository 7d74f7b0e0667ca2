"""The table of recommended models in README.md, made from the manifest.

python -m recipes.readme        writes it anew
"""

from __future__ import annotations

from carseg.hub import FOR_SALE, RECOMMENDED, ROOT, ModelInfo, load_manifest

README = ROOT / "README.md"
BEGIN, END = "<!-- recommended: made by `python -m recipes.readme` -->\n", "<!-- recommended end -->"


def with_table(text: str, models: dict[str, ModelInfo]) -> str:
    """Return ``text`` with the table between its marks replaced."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{recommended_table(models)}\n{END}{after}"


def recommended_table(models: dict[str, ModelInfo]) -> str:
    """Return the table of the recommended models in Markdown, one row per job."""
    head = (
        "| for | short name | full name | mIoU | 95 % interval | on other images | file | commercial use |\n"
        "|---|---|---|---|---|---|---|---|\n"
    )
    rows = []
    for short, choice in (*RECOMMENDED.items(), ("", FOR_SALE)):
        info = models[choice.model]
        value, interval = _quality(info)
        name, file = f"`{info.name}`", _megabytes(info)
        take = f"`{short}`" if short else "-"
        cells = (choice.job, take, name, value, interval, _elsewhere(info), file, info.commercial_use)
        rows.append(f"| {' | '.join(cells)} |\n")
    return head + "".join(rows)


def _quality(info: ModelInfo) -> tuple[str, str]:
    """Return mIoU and its interval as text."""
    metric = info.metrics[0]
    low, high = metric.miou_ci or (metric.miou, metric.miou)
    return f"{100 * metric.miou:.1f} %", f"{100 * low:.1f} to {100 * high:.1f} %"


def _elsewhere(info: ModelInfo) -> str:
    """Return the mIoU on another data set than that it was made for, where it was measured there."""
    other = info.elsewhere
    return "-" if other is None else f"{100 * other.miou:.1f} % on {other.dataset}"


def _megabytes(info: ModelInfo) -> str:
    return f"{info.bytes / 1e6:.1f} MB"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text("utf-8"), load_manifest().models), "utf-8")
