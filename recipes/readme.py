"""The table of models in README.md, made from the manifest.

python -m recipes.readme        writes it anew
"""

from __future__ import annotations

from carseg.hub import ROOT, ModelInfo, load_manifest

README = ROOT / "README.md"
BEGIN, END = "<!-- models: made by `python -m recipes.readme` -->\n", "<!-- models end -->"


def with_table(text: str, models: dict[str, ModelInfo]) -> str:
    """Return ``text`` with the table between its two marks replaced."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + "\n" + models_table(models) + "\n" + END + after


def models_table(models: dict[str, ModelInfo]) -> str:
    """Return the table in Markdown, one row per model."""
    head = "| model | classes | measured on | mIoU | 95 % interval | parameters | file | commercial use |\n"
    return head + "|---|---|---|---|---|---|---|---|\n" + "".join(_row(info) for _, info in sorted(models.items()))


def _row(info: ModelInfo) -> str:
    metric = info.metrics[0]
    low, high = metric.miou_ci or (metric.miou, metric.miou)
    cells = (
        f"`{info.name}`" + (" (in the package)" if info.embedded else ""),
        f"{len(info.labels)} of {info.labels.name}",
        f"{metric.images} {metric.split} images of {metric.dataset}",
        f"{100 * metric.miou:.1f} %",
        f"{100 * low:.1f} to {100 * high:.1f} %",
        f"{info.parameters / 1e6:.1f} M",
        f"{info.bytes / 1e6:.1f} MB",
        info.commercial_use,
    )
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text("utf-8"), load_manifest().models), "utf-8")
